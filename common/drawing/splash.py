"""Colour splash: a grey image in which only the objects keep their colour."""

import cv2
import numpy as np

from common.masks.instances import Instances


def colour_splash(image: np.ndarray, instances: Instances) -> np.ndarray:
    """Return a grey copy of an image in which the objects keep their colour.

    Args:
        image: (H, W, 3) uint8, RGB; not modified.
        instances: N objects inside the image.

    Returns:
        (H, W, 3) uint8; all grey without objects.

    Source: the Mask R-CNN library's balloon sample.

    Example:
        >>> red = np.full((1, 2, 3), (255, 0, 0), np.uint8)
        >>> colour_splash(red, Instances.from_masks(np.array([[[1, 0]]]))).tolist()
        [[[255, 0, 0], [76, 76, 76]]]
    """
    splashed = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    for (y1, x1, y2, x2), mask in zip(instances.boxes.tolist(), instances.masks, strict=True):
        splashed[y1:y2, x1:x2][mask] = image[y1:y2, x1:x2][mask]
    return splashed
