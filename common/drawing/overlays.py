"""Images of a set beside themselves with true and predicted objects."""

from collections.abc import Callable, Iterator

import numpy as np

from common.drawing.contours import GREEN, ORANGE, YELLOW, draw_contours
from common.drawing.gallery import DRAWN_SCORE
from common.images.colours import stretch_contrast
from common.images.image_set import ImageSet
from common.masks.instances import Instances
from common.masks.resize import resize_image
from common.scoring.comparison import compare_masks

HEIGHT = 384  # pixels of an overlay, whatever the image's


def draw_overlays(
    predict: Callable[[np.ndarray], Instances], images: ImageSet, *, stretch: bool = False
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the id of each image, and the image beside itself with true and predicted objects, see `draw_overlay`.

    Args:
        predict: from an image (H, W, 3) uint8 to its objects; those with a score below `DRAWN_SCORE` are left out.
        images: with their objects.
        stretch: draw on images with stretched contrast.

    Yields:
        The id, and (`HEIGHT`, 2 w, 3) uint8, RGB.
    """
    for index, image_id in enumerate(images.image_ids):
        image = images.load_image(index)
        found = predict(image)
        seen = stretch_contrast(image) if stretch else image
        drawn = draw_overlay(seen, images.load_instances(index), found.select(found.scores >= DRAWN_SCORE))
        yield image_id, np.hstack([resize_image(seen, (drawn.shape[0], drawn.shape[1])), drawn])


def draw_overlay(image: np.ndarray, true: Instances, predicted: Instances, *, threshold: float = 0.5) -> np.ndarray:
    """Draw contours: the truth green, predictions that match an object yellow, others orange.

    Args:
        image: (H, W, 3) uint8, RGB; not modified.
        true: the true objects.
        predicted: the predicted objects.
        threshold: a prediction matches an object at an IoU above this, 0-1.

    Returns:
        (`HEIGHT`, w, 3) uint8.
    """
    met = compare_masks(true, predicted).ious.max(axis=0, initial=0) > threshold
    colours = [GREEN] * len(true) + [YELLOW if meets else ORANGE for meets in met]
    both = Instances.from_crops(np.concatenate([true.boxes, predicted.boxes]), [*true.masks, *predicted.masks])
    return draw_contours(image, both, height=HEIGHT, colours=colours)
