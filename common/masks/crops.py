"""Masks as crops: pasted from a network's small masks, dilated, separated, tightened to their smallest boxes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np

from common.masks.bits import BitMasks, find_priorities, pack_masks, unpack_masks
from common.masks.boxes import touching_pairs
from common.masks.instances import Instances


def paint_masks(
    boxes: np.ndarray,
    probs: np.ndarray,
    image_shape: tuple[int, int],
    *,
    threshold: float = 0.5,
    zero_border: bool = False,
) -> Instances:
    """Resize each box's probabilities bilinearly to image pixels, and threshold them.

    The pixel centre y + 0.5 has the coordinate (y + 0.5 - y1) / (y2 - y1) * h - 0.5 in the small mask.

    Args:
        boxes: (N, 4) float, y1, x1, y2, x2, pixels; may be fractional and leave the image.
        probs: (N, h, w) float in [0, 1], spread over the boxes.
        image_shape: (height, width).
        threshold: lowest probability of a mask pixel.
        zero_border: beyond its outermost samples, a mask falls to 0 within one sample's distance, as in the Mask R-CNN
            library; otherwise they are replicated.

    Returns:
        N objects of class 1 and score 1.0; empty where the box has no area or the mask no pixel.

    Source: He et al., Mask R-CNN (2017), section 3.1: the mask is resized to the box and thresholded at 0.5.

    Example:
        >>> paint_masks(np.array([[0.5, 1, 2.5, 4]]), np.ones((1, 2, 2)), (9, 9)).boxes.tolist()
        [[0, 1, 3, 4]]
    """
    image_boxes, crops = paint_probs(boxes, probs, image_shape, zero_border=zero_border)
    return tight_instances(Instances.from_crops(image_boxes, [crop >= threshold for crop in crops]))


def paint_probs(
    boxes: np.ndarray, probs: np.ndarray, image_shape: tuple[int, int], *, zero_border: bool = False
) -> tuple[np.ndarray, Iterator[np.ndarray]]:
    """Resize each box's probabilities bilinearly to image pixels; arguments as for `paint_masks`.

    Returns:
        The pixels that the boxes touch, (N, 4) int64, zeros for a box without area; their probabilities, float32 crops
        of these sizes, generated one at a time.
    """
    image_boxes = _pixel_boxes(boxes, image_shape)
    heights, widths = (image_boxes[:, 2:] - image_boxes[:, :2]).T
    row_weights = _bilinear_weights(boxes[:, 0], boxes[:, 2], image_boxes[:, 0], heights, probs.shape[1], zero_border)
    column_weights = _bilinear_weights(boxes[:, 1], boxes[:, 3], image_boxes[:, 1], widths, probs.shape[2], zero_border)
    row_ends, column_ends = np.cumsum(heights), np.cumsum(widths)
    crops = (
        row_weights[bottom - height : bottom] @ prob @ column_weights[right - width : right].T
        for prob, bottom, height, right, width in zip(
            probs, row_ends.tolist(), heights.tolist(), column_ends.tolist(), widths.tolist(), strict=True
        )
    )
    return image_boxes, crops


def mean_inside(probs: np.ndarray) -> np.ndarray:
    """Return the confidence of masks: the mean probability of the pixels with at least 0.5.

    Args:
        probs: (N, h, w) float in [0, 1].

    Returns:
        (N,) float in [0.5, 1]; 0 without such pixels.

    Source: Wang et al.: SOLO, 2020, which multiplies its scores by it.

    Example:
        >>> mean_inside(np.array([[[0.75, 0.25], [0.5, 0.0]], [[0.0, 0.0], [0.0, 0.25]]])).tolist()
        [0.625, 0.0]
    """
    inside = probs >= 0.5
    return np.sum(probs * inside, axis=(1, 2)) / np.maximum(np.count_nonzero(inside, axis=(1, 2)), 1)


def tight_instances(instances: Instances) -> Instances:
    """Tighten each object's box and crop to its pixels.

    Args:
        instances: N objects.

    Returns:
        N objects; one without pixels has the box (0, 0, 0, 0).
    """
    return _tighten(instances, list(instances.masks), np.arange(len(instances)))


def drop_empty(instances: Instances) -> Instances:
    """Return the objects that have pixels, in order."""
    present = instances.areas > 0
    return instances if present.all() else instances.select(present)


def cut_instances(instances: Instances, box: Sequence[int]) -> Instances:
    """Return the parts of objects in a part of their image, none empty, in its pixels.

    Args:
        instances: N objects.
        box: y1, x1, y2, x2 of the part.

    Example:
        >>> cut_instances(Instances.from_masks(np.eye(3, dtype=bool)[None]), (1, 0, 3, 3)).boxes.tolist()
        [[0, 1, 2, 3]]
    """
    top, left, bottom, right = box
    lows, highs = np.array([top, left, top, left]), np.array([bottom, right, bottom, right])
    boxes = np.clip(instances.boxes, lows, highs)
    masks = [
        mask[y1 - y : y2 - y, x1 - x : x2 - x]
        for mask, (y, x), (y1, x1, y2, x2) in zip(
            instances.masks, instances.boxes[:, :2].tolist(), boxes.tolist(), strict=True
        )
    ]
    cut = Instances.from_crops(boxes - np.tile([top, left], 2), masks, instances.class_ids, instances.scores)
    return drop_empty(tight_instances(cut))


def dilate(instances: Instances, image_shape: tuple[int, int]) -> Instances:
    """Grow each object by one step of binary dilation with a 3x3 cross, clipped to the image.

    Args:
        instances: N objects inside the image; they may overlap, before and after.
        image_shape: (height, width).

    Returns:
        N objects; an empty one stays empty.

    Example:
        >>> dilate(Instances.from_masks(np.eye(1, 4, dtype=bool)[None]), (1, 4)).boxes.tolist()
        [[0, 0, 1, 2]]
    """
    limits = (*image_shape, *image_shape)
    boxes, masks = instances.boxes.copy(), []
    for i, (mask, box) in enumerate(zip(instances.masks, instances.boxes.tolist(), strict=True)):
        if not mask.size:
            masks.append(mask)
            continue
        y1, x1, y2, x2 = (min(max(side + step, 0), limit) for side, step, limit in zip(box, _GROW, limits, strict=True))
        boxes[i] = (y1, x1, y2, x2)
        masks.append(_grown(mask)[y1 - box[0] + 1 : y2 - box[0] + 1, x1 - box[1] + 1 : x2 - box[1] + 1])
    return Instances(boxes, masks, instances.class_ids, instances.scores)


def remove_overlaps(
    instances: Instances,
    *,
    priorities: Sequence[float] | np.ndarray | None = None,
    loss_threshold: float = 0.7,
    published: bool = False,
) -> Instances:
    """Give each contested pixel to one object; empty the objects that lose too much.

    Args:
        instances: N objects.
        priorities: (N,) float; the higher wins, ties go to the earlier; by default the areas.
        loss_threshold: an object that loses more than this fraction of its area is emptied but keeps its place.
        published: as in the published third-place code, use the sorting permutation as the rank, and measure the loss
            against the priorities.

    Returns:
        N disjoint objects, in the same order.

    Source: the 2018 Data Science Bowl's third place.

    Example:
        >>> pair = Instances.from_masks(np.array([[[1, 1, 0]], [[1, 1, 1]]]))
        >>> remove_overlaps(pair).areas.tolist()
        [0, 3]
    """
    areas = instances.areas
    values = np.asarray(areas if priorities is None else priorities, dtype=np.float64)
    masks = BitMasks(instances.boxes, pack_masks(instances.boxes, instances.masks))
    ranks, bases = find_priorities(values, published), values if published else areas
    masks.separate(*touching_pairs(instances.boxes), ranks, bases, loss_threshold)
    kept = np.array(masks.areas, dtype=np.int64)
    changed = np.flatnonzero((kept < areas) | (kept == 0))
    crops = list(instances.masks)
    bits = [masks.bits[i] for i in changed.tolist()]
    for i, crop in zip(changed.tolist(), unpack_masks(instances.boxes[changed], bits), strict=True):
        crops[i] = crop
    # The areas are known; counting them again would double the time.
    return replace(_tighten(instances, crops, changed), known_areas=kept)


_GROW = (-1, -1, 1, 1)  # y1, x1, y2, x2


def _tighten(instances: Instances, masks: list[np.ndarray], which: np.ndarray) -> Instances:
    """Return the objects with new masks, tightening the boxes of those at `which`, (K,) int."""
    boxes, corners = instances.boxes.copy(), instances.boxes[which, :2].tolist()
    for i, (top, left) in zip(which.tolist(), corners, strict=True):
        mask = masks[i]
        x, y, width, height = cv2.boundingRect(mask.view(np.uint8)) if mask.size else (0, 0, 0, 0)
        masks[i] = np.ascontiguousarray(mask[y : y + height, x : x + width])  # counts three times as fast as a view
        boxes[i] = (top + y, left + x, top + y + height, left + x + width) if height else 0
    return Instances(boxes, masks, instances.class_ids, instances.scores)


def _grown(mask: np.ndarray) -> np.ndarray:
    """Return the dilated mask, (h + 2, w + 2)."""
    height, width = mask.shape
    grown = np.zeros((height + 2, width + 2), dtype=bool)
    grown[1:-1, 1:-1] = mask
    for top, left in ((0, 1), (2, 1), (1, 0), (1, 2)):
        grown[top : top + height, left : left + width] |= mask
    return grown


def _pixel_boxes(boxes: np.ndarray, image_shape: tuple[int, int]) -> np.ndarray:
    """Return the image pixels that boxes touch, (N, 4) int64; zeros for a box without area."""
    sides = np.nan_to_num(np.asarray(boxes, dtype=np.float64), nan=0.0)
    outer = np.concatenate([np.floor(sides[:, :2]), np.ceil(sides[:, 2:])], axis=1)
    limits = np.array([*image_shape, *image_shape])
    clipped = np.clip(outer, 0, limits).astype(np.int64)
    usable = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    usable &= (clipped[:, 2:] > clipped[:, :2]).all(axis=1)
    return np.where(usable[:, None], clipped, 0)


def _bilinear_weights(
    lows: np.ndarray, highs: np.ndarray, starts: np.ndarray, lengths: np.ndarray, size: int, zero_border: bool
) -> np.ndarray:
    """Return the weight at each pixel of `size` samples between `lows` and `highs`, (sum of lengths, size)."""
    owners = np.repeat(np.arange(len(lengths)), lengths)
    pixels = np.arange(len(owners)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + starts[owners]
    low, high = lows[owners].astype(np.float64), highs[owners].astype(np.float64)
    unclipped = (pixels + 0.5 - low) / (high - low) * size - 0.5
    at = np.clip(unclipped, 0, size - 1)
    below = at.astype(np.int64)
    weights = np.zeros((len(owners), size), dtype=np.float32)
    every = np.arange(len(owners))
    # The last sample is its own upper neighbour: write that weight of 0 first.
    weights[every, np.minimum(below + 1, size - 1)] = at - below
    weights[every, below] = 1 - (at - below)
    if zero_border:
        weights *= np.maximum(1 - np.abs(unclipped - at), 0)[:, None]
    return weights
