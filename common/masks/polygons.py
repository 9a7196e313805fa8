"""Polygons, as annotation tools draw them, filled into crops."""

from collections.abc import Sequence

import numpy as np

from common.masks.crops import tight_instances
from common.masks.instances import Instances


def polygon_instances(
    outlines: Sequence[Sequence[np.ndarray]],
    image_shape: tuple[int, int],
    class_ids: Sequence[int] | np.ndarray | None = None,
) -> Instances:
    """Fill objects given as polygons; an object of several polygons is their union.

    Args:
        outlines: N objects, each a list of polygons, (K, 2) float, y and x of the corners; pixel centres are at .5.
        image_shape: (height, width), pixels; polygons are clipped to it.
        class_ids: (N,) int, 1-based; 1 by default.

    Returns:
        N objects; one without a pixel is empty.

    Example:
        >>> square = np.array([[0.0, 1], [0, 3], [2, 3], [2, 1]])
        >>> polygon_instances([[square]], (9, 9)).boxes.tolist()
        [[0, 1, 2, 3]]
    """
    boxes, crops = [], []
    for polygons in outlines:
        y1, x1, y2, x2 = _outer_box(polygons, image_shape)
        mask = np.zeros((y2 - y1, x2 - x1), bool)
        for polygon in polygons:
            mask |= fill_polygon(np.asarray(polygon, np.float64) - (y1, x1), mask.shape)
        boxes.append((y1, x1, y2, x2))
        crops.append(mask)
    return tight_instances(Instances.from_crops(np.array(boxes), crops, class_ids))


def fill_polygon(polygon: np.ndarray, image_shape: tuple[int, ...]) -> np.ndarray:
    """Return which pixels have their centre inside a polygon, by the even-odd rule.

    Args:
        polygon: (K, 2) float, y and x of its corners, which may lie outside the image; pixel centres are at .5.
        image_shape: (height, width), pixels.

    Returns:
        (height, width) bool.

    Example:
        >>> fill_polygon(np.array([[0, 0], [0, 3], [3, 0]]), (3, 3)).astype(int).tolist()
        [[1, 1, 0], [1, 0, 0], [0, 0, 0]]
    """
    height, width = image_shape
    starts, stops = polygon, np.roll(polygon, -1, axis=0)
    upward = starts[:, 0] > stops[:, 0]
    tops, bottoms = np.where(upward[:, None], stops, starts), np.where(upward[:, None], starts, stops)
    # An edge crosses the rows whose centres lie between its ends; each crossing toggles the pixels to its right.
    first = np.clip(np.ceil(tops[:, 0] - 0.5), 0, height).astype(int)
    counts = np.clip(np.ceil(bottoms[:, 0] - 0.5), 0, height).astype(int) - first
    edges = np.repeat(np.arange(len(polygon)), counts)
    rows = np.arange(len(edges)) - np.repeat(np.cumsum(counts) - counts, counts) + first[edges]
    shares = (rows + 0.5 - tops[edges, 0]) / (bottoms - tops)[edges, 0]
    crossings = tops[edges, 1] + shares * (bottoms - tops)[edges, 1]
    columns = np.clip(np.ceil(crossings - 0.5), 0, width).astype(int)
    crossed = np.bincount(rows * (width + 1) + columns, minlength=height * (width + 1)).reshape(height, width + 1)
    return np.cumsum(crossed, axis=1)[:, :width] % 2 == 1


def _outer_box(polygons: Sequence[np.ndarray], image_shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the box of whole image pixels around polygons."""
    corners = np.concatenate([np.zeros((0, 2)), *polygons])
    if not len(corners):
        return 0, 0, 0, 0
    lows = np.clip(np.floor(corners.min(axis=0)), 0, image_shape).astype(int)
    highs = np.clip(np.ceil(corners.max(axis=0)), 0, image_shape).astype(int)
    return int(lows[0]), int(lows[1]), int(highs[0]), int(highs[1])
