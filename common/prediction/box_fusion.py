"""Fusion of an image's boxes from several views or models."""

import importlib
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from common.errors import InputError
from common.masks.boxes import box_areas, clip_boxes


def fuse_boxes(
    boxes: Sequence[np.ndarray],
    scores: Sequence[np.ndarray],
    class_ids: Sequence[np.ndarray],
    image_shape: tuple[int, int],
    *,
    iou_threshold: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fuse the boxes of V views or models: overlapping boxes of a class become their score-weighted mean.

    The score is the mean over all views; a view without the box counts 0.

    Args:
        boxes: V times (N, 4) float, y1, x1, y2, x2, image pixels; clipped to the image.
        scores: V times (N,) float in [0, 1].
        class_ids: V times (N,) int, 1-based.
        image_shape: (height, width), pixels.
        iou_threshold: a box whose IoU with a fused one exceeds this belongs to it.

    Returns:
        boxes (M, 4) float32, scores (M,) float32, descending, class ids (M,) int32.

    Raises:
        InputError: the package ensemble-boxes is not installed.

    Source: Solovyev, Wang, Gabruseva: Weighted boxes fusion, 2019.
    """
    fuse = import_fusion()
    shares, kept_scores, kept_ids = [], [], []
    for some, some_scores, some_ids in zip(boxes, scores, class_ids, strict=True):
        cut = clip_boxes(np.asarray(some, np.float64).reshape(-1, 4), image_shape)
        whole = box_areas(cut) > 0
        shares.append((cut[whole] / np.tile(image_shape, 2))[:, [1, 0, 3, 2]].tolist())
        kept_scores.append(np.asarray(some_scores, np.float64)[whole])
        kept_ids.append(np.asarray(some_ids)[whole].tolist())
    fused, fused_scores, fused_ids = fuse(shares, _without_ties(kept_scores), kept_ids, iou_thr=iou_threshold)
    order = np.lexsort((*fused.T, fused_ids, -fused_scores))
    pixels = fused[order][:, [1, 0, 3, 2]] * np.tile(image_shape, 2)
    return pixels.astype(np.float32), fused_scores[order].astype(np.float32), fused_ids[order].astype(np.int32)


def _without_ties(scores: Sequence[np.ndarray]) -> list[list[float]]:
    """Lower equal scores, float64, by the least possible step, the earlier staying higher.

    ensemble-boxes sorts by score, unstably: NumPy's order of ties depends on the processor.

    Example:
        >>> [[a], [b]] = _without_ties([np.array([0.5]), np.array([0.5])])
        >>> a > b, round(b, 9)
        (True, 0.5)
    """
    values = np.concatenate([*scores, np.zeros(0)])
    order = np.argsort(-values, kind="stable")
    for before, at in itertools.pairwise(order.tolist()):
        values[at] = min(values[at], np.nextafter(values[before], 0))
    ends = np.cumsum([len(some) for some in scores])
    return [part.tolist() for part in np.split(values, ends[:-1])]


def shrink_boxes(boxes: np.ndarray, factor: float) -> np.ndarray:
    """Scale the sides of boxes about their centres.

    Args:
        boxes: (N, 4) float, pixels.
        factor: on both sides.

    Returns:
        (N, 4) float.

    Example:
        >>> shrink_boxes(np.array([[0.0, 0.0, 8.0, 16.0]]), 0.875).tolist()
        [[0.5, 1.0, 7.5, 15.0]]
    """
    centres, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    return np.concatenate([centres - sides * factor / 2, centres + sides * factor / 2], axis=1)


def import_fusion() -> Callable:
    """Return weighted boxes fusion from the package ensemble-boxes.

    Raises:
        InputError: the package is not installed.
    """
    try:
        return importlib.import_module("ensemble_boxes").weighted_boxes_fusion
    except ImportError as error:
        remedy = "pip install ensemble-boxes, or predict one view with one weights file"
        raise InputError(f"box fusion needs ensemble-boxes, which cannot be imported ({error}): {remedy}") from None
