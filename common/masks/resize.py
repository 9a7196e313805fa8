"""Images, masks and maps of probabilities at another size."""

import cv2
import numpy as np

from common.masks.instances import Instances


def resize_image(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize an image or a map: averaged where it shrinks along both axes, else bilinear, pixel centres at halves.

    Args:
        image: (H, W) or (H, W, C), uint8 or float32, at least one pixel.
        shape: (height, width) of the result; the aspect ratio need not be kept.

    Returns:
        (height, width) or (height, width, C), of the same dtype; the same array if it has this size.
    """
    if image.shape[:2] == tuple(shape):
        return image
    shrinks = shape[0] <= image.shape[0] and shape[1] <= image.shape[1]
    return cv2.resize(image, shape[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def resize_mask(mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize a mask, and make it binary again: a pixel is set where at least half of it was.

    Args:
        mask: (H, W) bool.
        shape: (height, width) of the result.

    Returns:
        (height, width) bool.

    Example:
        >>> resize_mask(np.array([[1, 1, 0, 0, 0, 1]], bool), (1, 3)).tolist()
        [[True, False, True]]
    """
    return resize_image(mask.astype(np.uint8) * np.uint8(255), shape) >= 128


def resize_instances(instances: Instances, scale: np.ndarray) -> Instances:
    """Return objects in their image at another size; boxes end on whole pixels, and no side gets shorter than one.

    Args:
        instances: N objects, none empty.
        scale: (2,) float, factors on height and width.

    Example:
        >>> resize_instances(Instances.from_masks(np.ones((1, 4, 6), bool)), np.array([0.5, 0.5])).boxes.tolist()
        [[0, 0, 2, 3]]
    """
    boxes = np.rint(instances.boxes * np.tile(scale, 2)).astype(np.int32)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
    shapes = (boxes[:, 2:] - boxes[:, :2]).tolist()
    masks = [resize_mask(mask, (height, width)) for mask, (height, width) in zip(instances.masks, shapes, strict=True)]
    return Instances.from_crops(boxes, masks, instances.class_ids, instances.scores)
