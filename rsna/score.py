"""The competition's score: hits at eight thresholds of intersection over union, patient by patient."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from common.masks.boxes import box_ious
from rsna.submission import Predictions

THRESHOLDS = np.arange(8, 16) / 20  # 0.40, 0.45 ... 0.75, each correctly rounded


@dataclass(frozen=True, eq=False)
class Score:
    """The score of a set of patients.

    Attributes:
        mean: of the scores of the patients that count; NaN if none does.
        patients: one row per patient, columns patientId, boxes, predicted, score; the score is NaN for a patient that
            does not count.
        by_threshold: one row per threshold, columns iou, tp, fp, fn, precision, recall, score: counts summed over the
            patients, the rates of these sums, and the mean of tp / (tp + fp + fn) over the patients that count.
    """

    mean: float
    patients: pd.DataFrame
    by_threshold: pd.DataFrame

    def by_class(self, classes: Mapping[str, str]) -> pd.DataFrame:
        """Return one row per class: how many patients, how many that count, their boxes, and the mean score."""
        groups = self.patients.groupby(self.patients["patientId"].map(classes).rename("class"))
        counts = groups.agg(
            patients=("score", "size"),
            counting=("score", "count"),
            boxes=("boxes", "sum"),
            predicted=("predicted", "sum"),
        )
        return counts.assign(score=groups["score"].mean()).reset_index()


def count_hits(true: np.ndarray, predicted: Predictions) -> np.ndarray:
    """Return how many predictions hit at each threshold.

    In descending order of confidence, each prediction takes the free true box with the highest IoU, if that is above
    the threshold.

    Args:
        true: (N, 4) float, y1, x1, y2, x2, pixels.
        predicted: M boxes.

    Returns:
        (8,) int64.

    Source: the competition's evaluation page.
    """
    hits = np.zeros(len(THRESHOLDS), np.int64)
    if not len(true):
        return hits
    left = np.ones((len(THRESHOLDS), len(true)), bool)
    order = np.argsort(-predicted.scores, kind="stable")
    for ious in box_ious(predicted.boxes[order], true):
        candidates = np.where(left & (ious > THRESHOLDS[:, None]), ious, 0.0)
        best = candidates.argmax(axis=1)
        hit = candidates.max(axis=1) > 0
        left[hit, best[hit]] = False
        hits += hit
    return hits


def threshold_scores(tp: np.ndarray, num_true: np.ndarray, num_predicted: np.ndarray) -> np.ndarray:
    """Return tp / (tp + fp + fn); NaN, not to be counted, if there is nothing to find and nothing is predicted.

    Args:
        tp: (..., 8) int, hits.
        num_true: (...) int, true boxes.
        num_predicted: (...) int, predicted boxes.

    Example:
        >>> threshold_scores(np.array([[0], [0], [1]]), np.array([0, 0, 2]), np.array([0, 3, 1])).tolist()
        [[nan], [0.0], [0.5]]
    """
    either = (num_true + num_predicted)[..., None] - tp
    return np.divide(tp, either, out=np.full(tp.shape, np.nan), where=either > 0)


def score_predictions(true: Mapping[str, np.ndarray], predicted: Mapping[str, Predictions]) -> Score:
    """Score predictions by the competition's rules.

    Args:
        true: the true boxes of every patient, (N, 4) float, y1, x1, y2, x2, pixels.
        predicted: likewise; a missing patient has no box.
    """
    nothing = Predictions(np.zeros((0, 4)), np.zeros(0))
    found = [predicted.get(patient, nothing) for patient in true]
    tp = np.reshape([count_hits(*pair) for pair in zip(true.values(), found, strict=True)], (-1, len(THRESHOLDS)))
    num_true = np.array([len(boxes) for boxes in true.values()], int)
    num_predicted = np.array([len(predictions.scores) for predictions in found], int)
    scores = threshold_scores(tp, num_true, num_predicted)
    counting = scores[~np.isnan(scores[:, 0])]
    columns = {"patientId": list(true), "boxes": num_true, "predicted": num_predicted, "score": scores.mean(axis=1)}
    hits = tp.sum(axis=0)
    by_threshold = {
        "iou": THRESHOLDS,
        "tp": hits,
        "fp": num_predicted.sum() - hits,
        "fn": num_true.sum() - hits,
        "precision": hits / max(num_predicted.sum(), 1),
        "recall": hits / max(num_true.sum(), 1),
        "score": counting.mean(axis=0) if len(counting) else np.full(len(THRESHOLDS), np.nan),
    }
    mean = float(counting.mean()) if len(counting) else float("nan")
    return Score(mean, pd.DataFrame(columns), pd.DataFrame(by_threshold))
