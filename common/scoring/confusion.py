"""The confusion matrix of matched masks."""

from collections.abc import Iterable

import numpy as np

from common.scoring.comparison import Comparison


def confusion_matrix(
    comparisons: Iterable[Comparison], num_classes: int, *, threshold: float = 0.5, lowest_score: float = 0.5
) -> np.ndarray:
    """Count the pairs of true and predicted classes.

    In descending order of score, each prediction takes the free true object of any class with the highest IoU, if that
    reaches the threshold.

    Args:
        comparisons: one per image.
        num_classes: K, background included.
        threshold: IoU.
        lowest_score: predictions below it do not count.

    Returns:
        (K, K) int64, one row per true class, one column per predicted class. Row 0 counts predictions that took
        nothing, column 0 true objects that were not taken.
    """
    matrix = np.zeros((num_classes, num_classes), np.int64)
    for comparison in comparisons:
        left = comparison.true_class_ids.copy()
        for j in np.argsort(-comparison.scores, kind="stable").tolist():
            if comparison.scores[j] < lowest_score:
                break
            ious = np.where(left > 0, comparison.ious[:, j], 0.0)
            taken = int(ious.argmax()) if ious.max(initial=0.0) >= threshold else None
            matrix[0 if taken is None else left[taken], comparison.predicted_class_ids[j]] += 1
            if taken is not None:
                left[taken] = 0
        np.add.at(matrix[:, 0], left[left > 0], 1)
    return matrix
