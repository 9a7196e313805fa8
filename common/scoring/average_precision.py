"""Average precision: of a set by COCO's rules, of a single image by the Mask R-CNN library's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from common.scoring.comparison import Comparison
from common.scoring.matching import ANY_AREA, Outcome, find_pairs, join_objects, match_objects, take_greedily

COCO_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, eq=False)
class AveragePrecision:
    """Average precision and recall of K classes at T thresholds.

    Attributes:
        class_ids: (K,) int.
        thresholds: (T,) float, IoU.
        precision: (K, T) float64, average precision; NaN for a class without true objects.
        recall: (K, T) float64, fraction of the true objects that were found; NaN likewise.
        num_true: (K,) int, true objects that count.
    """

    class_ids: np.ndarray
    thresholds: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    num_true: np.ndarray

    @property
    def mean(self) -> float:
        """Mean over thresholds and the classes with true objects; NaN if there are none."""
        present = self.num_true > 0
        return float(self.precision[present].mean()) if present.any() else float("nan")

    def at(self, threshold: float) -> "AveragePrecision":
        """Return the values at one threshold."""
        (columns,) = np.nonzero(np.isclose(self.thresholds, threshold))
        fields = (self.thresholds[columns], self.precision[:, columns], self.recall[:, columns])
        return AveragePrecision(self.class_ids, *fields, self.num_true)

    def table(self, class_names: Sequence[str]) -> str:
        """Return a table with one line per class, names in order of class id, and the means over those with objects.

        AP is the mean over all thresholds, AP50 that at an IoU of 0.5, R50 the recall there; NaN where not computed.
        """
        parts = [self, self.at(0.5), self.at(0.75)]
        lines = [f"{'class':20} objects     AP   AP50   AP75    R50"]
        for k, class_id in enumerate(self.class_ids.tolist()):
            columns = [*(part.precision[k] for part in parts), parts[1].recall[k]]
            lines.append(_line(class_names[class_id - 1], int(self.num_true[k]), columns))
        present = self.num_true > 0
        columns = [*(part.precision[present].ravel() for part in parts), parts[1].recall[present].ravel()]
        lines.append(_line("all", int(self.num_true.sum()), columns))
        return "\n".join(lines)


def average_precision(
    comparisons: Iterable[Comparison],
    class_ids: Sequence[int],
    *,
    thresholds: Sequence[float] | np.ndarray = COCO_THRESHOLDS,
    max_detections: int = 100,
    area_range: tuple[float, float] = ANY_AREA,
) -> AveragePrecision:
    """Return the average precision of a set of images, by COCO's rules.

    In descending order of score, each prediction takes the free true object of its class with the highest IoU, if that
    reaches the threshold. One that takes a crowd or an object outside `area_range` counts neither as a hit nor as a
    miss; nor does one that takes nothing and is itself outside the range. Precision, made monotonically decreasing in
    recall, is averaged over 101 recalls. Ties in score keep their order, also across images.

    Args:
        comparisons: one per image; consumed one at a time.
        class_ids: K classes.
        thresholds: (T,) IoU.
        max_detections: per class and image; the best count.
        area_range: of true objects that count, pixels, inclusive.

    Source: Lin et al.: Microsoft COCO, 2014; pycocotools' `COCOeval`, with which it agrees.

    Example:
        >>> from common.scoring.comparison import compare_masks
        >>> from common.masks.instances import Instances
        >>> pixel = Instances.from_crops(np.array([[0, 0, 1, 1]]), [np.ones((1, 1))])
        >>> round(average_precision([compare_masks(pixel, other) for other in (pixel, Instances.empty())], [1]).mean, 3)
        0.505
    """
    thresholds = np.asarray(thresholds, np.float64)
    lowest = float(thresholds.min(initial=np.inf))
    objects = join_objects([find_pairs(comparison, lowest, area_range) for comparison in comparisons])
    return precision_of(match_objects(objects, thresholds, max_detections), class_ids, thresholds)


def precision_of(outcome: Outcome, class_ids: Sequence[int], thresholds: np.ndarray) -> AveragePrecision:
    """Return the average precision of matched predictions.

    Args:
        outcome: of the predictions at T thresholds.
        class_ids: K classes.
        thresholds: (T,) IoU.
    """
    curves = [_precision_and_recall(*outcome.of_class(class_id), len(thresholds)) for class_id in class_ids]
    precision, recall, num_true = (list(part) for part in zip(*curves, strict=True)) if curves else ([], [], [])
    shape = (len(class_ids), len(thresholds))
    return AveragePrecision(
        np.array(class_ids, int),
        thresholds,
        np.reshape(precision, shape),
        np.reshape(recall, shape),
        np.array(num_true, int),
    )


def image_average_precision(comparison: Comparison, threshold: float = 0.5) -> float:
    """Return one image's average precision over all classes together, like the Mask R-CNN library's `compute_ap`.

    The area under precision, made monotonically decreasing, over recall; crowds are not treated specially.

    Args:
        comparison: of the image.
        threshold: lowest IoU at which a prediction may take an object of its class.

    Returns:
        In [0, 1]; NaN without true objects.

    Source: the Mask R-CNN library; Everingham et al.: The PASCAL visual object classes challenge, from 2010 on.
    """
    if not len(comparison.ious):
        return float("nan")
    objects = find_pairs(replace(comparison, crowd=np.zeros_like(comparison.crowd)), threshold, ANY_AREA)
    (taken,) = take_greedily(objects, np.array([threshold]))
    taken = taken[np.argsort(-comparison.scores, kind="stable")]
    hits = np.cumsum(taken >= 0)
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    return float((precision * np.diff(hits, prepend=0)).sum() / len(comparison.ious))


def _line(name: str, count: int, columns: Sequence[np.ndarray]) -> str:
    means = [float(part.mean()) if part.size else float("nan") for part in columns]
    return f"{name:20} {count:7}" + "".join(f"{mean:7.3f}" for mean in means)


def _precision_and_recall(
    hit: np.ndarray, counts: np.ndarray, num_true: int, num_thresholds: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return average precision and recall at each threshold, (T,) each, and the number of true objects.

    Args:
        hit: (T, M) bool, predictions of one class that take an object, best first.
        counts: (T, M) bool, predictions that count.
        num_true: true objects that count.
        num_thresholds: T.
    """
    if not num_true:
        return np.full(num_thresholds, np.nan), np.full(num_thresholds, np.nan), 0
    tp, fp = np.cumsum(hit & counts, axis=1), np.cumsum(~hit & counts, axis=1)
    precision = tp / np.maximum(tp + fp, 1)
    falling = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    padded = np.append(falling, np.zeros((num_thresholds, 1)), axis=1)  # 0 for recalls that are not reached
    # A recall is reached where so many are found; whole numbers, shifted apart, let one search serve all thresholds.
    needed = np.searchsorted(np.arange(num_true + 1) / num_true, RECALLS)
    shifts = np.arange(num_thresholds)[:, None] * (num_true + 2)
    ended = np.append(tp + shifts, shifts + num_true + 1, axis=1)
    at = np.searchsorted(ended.ravel(), (needed + shifts).ravel()).reshape(num_thresholds, -1)
    means = padded.ravel()[at].mean(axis=1)
    return means, tp.max(axis=1, initial=0) / num_true, num_true
