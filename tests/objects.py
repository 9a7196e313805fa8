"""Random objects for tests."""

import numpy as np

from common.masks.instances import Instances


def random_objects(rng, count, image_shape):
    """Return blobs that overlap a lot, some empty, some of a single pixel, some at the border."""
    height, width = image_shape
    masks = np.zeros((count, height, width), dtype=bool)
    for mask in masks:
        y, x = rng.integers(0, height), rng.integers(0, width)
        h, w = rng.integers(0, max(height // 2, 2)), rng.integers(0, max(width // 2, 2))
        mask[y : y + h, x : x + w] = rng.random(mask[y : y + h, x : x + w].shape) < 0.8
    return Instances.from_masks(masks, scores=rng.random(count))
