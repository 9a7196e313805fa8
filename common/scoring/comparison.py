"""An image's true and predicted objects compared, as input to average precision."""

from dataclasses import dataclass

import numpy as np

from common.masks.instances import Instances
from common.masks.runs import find_runs, shared_run_pixels


@dataclass(frozen=True, eq=False)
class Comparison:
    """What scores need of an image's N true and M predicted objects.

    Attributes:
        ious: (N, M) float64, intersection over union; over the prediction's area for a crowd.
        true_class_ids: (N,) int.
        predicted_class_ids: (M,) int.
        scores: (M,) float.
        true_areas: (N,) float, pixels.
        predicted_areas: (M,) float, pixels.
        crowd: (N,) bool, regions of many objects: any number of predictions may match one, and none counts.
    """

    ious: np.ndarray
    true_class_ids: np.ndarray
    predicted_class_ids: np.ndarray
    scores: np.ndarray
    true_areas: np.ndarray
    predicted_areas: np.ndarray
    crowd: np.ndarray


def compare_masks(true: Instances, predicted: Instances, crowd: np.ndarray | None = None) -> Comparison:
    """Compare the masks of an image's objects.

    Args:
        true: N objects.
        predicted: M objects.
        crowd: (N,) bool, see `Comparison`; none by default.
    """
    rows = np.concatenate([true.boxes, predicted.boxes])[:, ::2]
    height = int(rows.max(initial=0) - rows.min(initial=0))
    shared = np.zeros((len(true), len(predicted)), np.int64)
    first, second, pixels = shared_run_pixels(find_runs(true, height), find_runs(predicted, height))
    shared[first, second] = pixels
    crowd = np.zeros(len(true), bool) if crowd is None else np.asarray(crowd, bool)
    unions = np.where(crowd[:, None], predicted.areas, true.areas[:, None] + predicted.areas - shared)
    ious = np.divide(shared, unions, out=np.zeros(shared.shape), where=unions > 0)
    fields = (true.class_ids, predicted.class_ids, predicted.scores)
    return Comparison(ious, *fields, true.areas, predicted.areas, crowd)
