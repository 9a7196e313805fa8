"""At which step objects are lost, of those on the way from an image to its prediction."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from common.masks.boxes import box_ious
from common.masks.instances import Instances
from common.scoring.comparison import compare_masks

FOUND = "found"


def best_box_ious(true_boxes: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return the highest IoU of each true box with any of the boxes, (N,) float64; 0 without boxes.

    One true box at a time: there may be hundreds of thousands of boxes.

    Args:
        true_boxes: (N, 4), pixels.
        boxes: (M, 4), pixels.

    Example:
        >>> best_box_ious(np.array([[0, 0, 2, 2]]), np.array([[0, 0, 2, 1], [5, 5, 6, 6]])).tolist()
        [0.5]
    """
    return np.array([box_ious(box[None], boxes).max(initial=0.0) for box in true_boxes], float)


def best_mask_ious(true: Instances, predicted: Instances) -> np.ndarray:
    """Return the highest IoU of each true object's mask with any prediction's, (N,) float64; 0 without any."""
    return compare_masks(true, predicted).ious.max(axis=1, initial=0.0)


def find_losses(ious: Mapping[str, np.ndarray], thresholds: Mapping[str, float] | float = 0.5) -> list[str]:
    """Return the step that loses each object: the one behind the last step that still had it.

    A step has an object if something in it overlaps the object enough; later steps may win back what an earlier one
    had moved away from it.

    Args:
        ious: by step, in their order, the highest IoU of each of N objects with what the step returns, (N,).
        thresholds: an object needs an IoU above this, of all steps, or by step.

    Returns:
        N names of steps, `FOUND` for objects that the last step has.

    Example:
        >>> find_losses({"anchors": np.array([0.6, 0.6, 0.1]), "boxes": np.array([0.7, 0.2, 0.2])})
        ['found', 'boxes', 'anchors']
    """
    limits = thresholds if isinstance(thresholds, Mapping) else dict.fromkeys(ious, thresholds)
    has = np.array([values > limits[step] for step, values in ious.items()])
    names = [*ious, FOUND]
    last = np.where(has.any(axis=0), len(has) - has[::-1].argmax(axis=0), 0)
    return [names[place] for place in last.tolist()]


def count_losses(losses: Sequence[str], steps: Sequence[str]) -> pd.DataFrame:
    """Return how many objects each step loses, one row per step, and one for those that are found.

    Args:
        losses: see `find_losses`.
        steps: all of them, in their order.

    Returns:
        Indexed by step: objects, and their share of all, in [0, 1].
    """
    counts = pd.Series(losses, dtype=str).value_counts().reindex([*steps, FOUND], fill_value=0)
    table = pd.DataFrame({"objects": counts, "share": counts / max(len(losses), 1)})
    return table.rename_axis("lost at")
