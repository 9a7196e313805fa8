"""Boxes: y1, x1, y2, x2 in absolute pixels, half-open, so that `image[y1:y2, x1:x2]` is the box."""

import numpy as np


def box_areas(boxes: np.ndarray) -> np.ndarray:
    """Return the areas of boxes; an inverted box has area 0.

    Args:
        boxes: (N, 4) int or float, pixels.

    Returns:
        (N,) of the same dtype, square pixels.

    Example:
        >>> box_areas(np.array([[0, 0, 2, 3]])).tolist()
        [6]
    """
    return np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)


def box_intersections(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the area that each box shares with each of the others.

    Args:
        boxes: (N, 4), pixels.
        others: (M, 4), pixels.

    Returns:
        (N, M), square pixels.
    """
    tops_lefts = np.maximum(boxes[:, None, :2], others[None, :, :2])
    bottoms_rights = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.prod(np.maximum(bottoms_rights - tops_lefts, 0), axis=2)


def box_ious(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the intersection over union of each box with each of the others; 0 where the union is empty.

    Args:
        boxes: (N, 4), pixels.
        others: (M, 4), pixels.

    Returns:
        (N, M) float64 in [0, 1].

    Example:
        >>> box_ious(np.array([[0, 0, 2, 2]]), np.array([[0, 1, 2, 3]])).round(3).tolist()
        [[0.333]]
    """
    intersections = box_intersections(boxes, others).astype(np.float64)
    unions = box_areas(boxes)[:, None] + box_areas(others)[None, :] - intersections
    return np.divide(intersections, unions, out=np.zeros_like(intersections), where=unions > 0)


def touching_pairs(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs of boxes that share area.

    Args:
        boxes: (N, 4), pixels; a box without area is all zeros.

    Returns:
        Indices, (K,) int64 each, the lower one first: every pair once, in no particular order.

    Example:
        >>> touching_pairs(np.array([[0, 0, 2, 2], [0, 2, 2, 4], [1, 1, 3, 3]]))
        (array([0, 1]), array([2, 2]))
    """
    y1, x1, y2, x2 = np.ascontiguousarray(np.transpose(boxes))
    order = y1.argsort(kind="stable")
    places = np.arange(len(order))
    # Sorted by upper side, the boxes that start above a box's lower side directly follow it.
    counts = np.maximum(y1[order].searchsorted(y2[order]) - places - 1, 0)
    earlier = places.repeat(counts)
    later = earlier + 1 + np.arange(len(earlier)) - (counts.cumsum() - counts).repeat(counts)
    first, second = order[earlier], order[later]
    touch = (x1[first] < x2[second]) & (x1[second] < x2[first])
    first, second = first[touch], second[touch]
    return np.minimum(first, second), np.maximum(first, second)


def shared_boxes(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the intersections of pairs of touching boxes.

    Args:
        boxes: (N, 4), pixels.
        others: (N, 4), their partners.

    Returns:
        (N, 4) of the same dtype.

    Example:
        >>> shared_boxes(np.array([[0, 0, 2, 2]]), np.array([[1, 1, 3, 3]])).tolist()
        [[1, 1, 2, 2]]
    """
    lows, highs = np.maximum(boxes[:, :2], others[:, :2]), np.minimum(boxes[:, 2:], others[:, 2:])
    return np.concatenate([lows, highs], axis=1)


def clip_boxes(boxes: np.ndarray, image_shape: tuple[int, int]) -> np.ndarray:
    """Clip boxes to the image.

    Args:
        boxes: (N, 4), pixels.
        image_shape: (height, width).

    Returns:
        (N, 4) of the same dtype.
    """
    height, width = image_shape
    return np.clip(boxes, 0, np.array([height, width, height, width], dtype=boxes.dtype))


def boxes_from_xywh(boxes: np.ndarray) -> np.ndarray:
    """Convert x, y, width, height (COCO, RSNA) to y1, x1, y2, x2.

    Args:
        boxes: (N, 4), pixels.

    Returns:
        (N, 4) of the same dtype.

    Example:
        >>> boxes_from_xywh(np.array([[5, 1, 10, 2]])).tolist()
        [[1, 5, 3, 15]]
    """
    x, y, width, height = boxes.T
    return np.stack([y, x, y + height, x + width], axis=1)


def label_boxes(label_image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels present in a label image and the smallest box around each.

    Args:
        label_image: (H, W) int32, 0 = background.

    Returns:
        labels (N,) int, ascending; boxes (N, 4) int32, y1, x1, y2, x2.

    Example:
        >>> label_boxes(np.array([[0, 7, 7]]))
        (array([7]), array([[0, 1, 1, 3]], dtype=int32))
    """
    from scipy import ndimage  # slow to import

    found = [(label, s) for label, s in enumerate(ndimage.find_objects(label_image), start=1) if s is not None]
    boxes = [(rows.start, columns.start, rows.stop, columns.stop) for _, (rows, columns) in found]
    return np.array([label for label, _ in found], dtype=int), np.array(boxes, dtype=np.int32).reshape(-1, 4)
