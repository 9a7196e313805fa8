"""A set in memory with a known fault in each image."""

import numpy as np

from tests.image_sets import array_set

SIDE = 64


def image_of(label_image, seed=0):
    """Return an image, (H, W, 3) uint8, with bright objects and a little noise."""
    noise = np.random.default_rng(seed).integers(0, 12, (*label_image.shape, 3))
    return (np.where(label_image[..., None] > 0, 180, 30) + noise).astype(np.uint8)


def squares(corners, side=8):
    """Return a label image of squares given by their upper left corners."""
    label_image = np.zeros((SIDE, SIDE), np.int32)
    for label, (y, x) in enumerate(corners, start=1):
        label_image[y : y + side, x : x + side] = label
    return label_image


def usual_corners(seed):
    """Return the corners of six squares away from the border, not touching."""
    places = [(y, x) for y in range(4, 52, 12) for x in range(4, 52, 12)]
    chosen = np.random.default_rng(seed).permutation(len(places))[:6]
    return [places[i] for i in sorted(chosen.tolist())]


def faulty_set():
    """Return a set: p0 to p3 are healthy, p4 has a hole, p5 two parts, p6 a large object, p7 a sliver; p8 equals p0."""
    label_images = [squares(usual_corners(seed)) for seed in range(8)]
    y, x = usual_corners(4)[0]
    label_images[4][y + 2 : y + 5, x + 2 : x + 5] = 0
    y, x = usual_corners(5)[0]
    label_images[5][y + 3, x : x + 8] = 0
    label_images[6] = squares([(2, 2), (2, 14), (2, 26), (2, 38), (2, 50)])
    label_images[6][20:60, 10:50] = 6
    label_images[7][-1, 10:40] = 7
    label_images.append(label_images[0])
    images = [image_of(label_image, seed) for seed, label_image in enumerate(label_images)]
    images[8] = images[0]
    class_ids = [np.where(np.arange(label_image.max()) % 2, 2, 1) for label_image in label_images]
    return array_set(images, label_images, class_ids)
