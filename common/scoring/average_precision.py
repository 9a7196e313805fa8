"""Average precision: of a set by COCO's rules, of a single image by the Mask R-CNN library's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from common.scoring.comparison import Comparison

COCO_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
ANY_AREA = (0.0, np.inf)
_ALMOST_ONE = 1 - 1e-10  # so that an equal mask meets a threshold of 1 despite rounding


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
    found: list[list[_Hits]] = [[] for _ in class_ids]
    for comparison in comparisons:
        for hits, class_id in zip(found, class_ids, strict=True):
            hits.append(_match(comparison.of_class(class_id), thresholds, max_detections, area_range))
    curves = [_precision_and_recall(hits, len(thresholds)) for hits in found]
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
    same = comparison.true_class_ids[:, None] == comparison.predicted_class_ids
    ious = np.where(same, comparison.ious, -1.0)
    order = np.argsort(-comparison.scores, kind="stable")
    nothing = np.zeros(len(ious), bool)
    (taken,) = _take_greedily(ious[:, order], np.array([threshold]), nothing, nothing)
    if not len(ious):
        return float("nan")
    hits = np.cumsum(taken >= 0)
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    return float((precision * np.diff(hits, prepend=0)).sum() / len(ious))


@dataclass(frozen=True, eq=False)
class _Hits:
    """The outcome of the M predictions of a class in an image, at T thresholds."""

    scores: np.ndarray
    hit: np.ndarray  # (T, M) bool
    counts: np.ndarray  # (T, M) bool
    num_true: int


def _line(name: str, count: int, columns: Sequence[np.ndarray]) -> str:
    means = [float(part.mean()) if part.size else float("nan") for part in columns]
    return f"{name:20} {count:7}" + "".join(f"{mean:7.3f}" for mean in means)


def _match(
    comparison: Comparison, thresholds: np.ndarray, max_detections: int, area_range: tuple[float, float]
) -> _Hits:
    """Match the objects of one class in one image."""
    order = np.argsort(-comparison.scores, kind="stable")[:max_detections]
    low, high = area_range
    ignored = comparison.crowd | (comparison.true_areas < low) | (comparison.true_areas > high)
    taken = _take_greedily(comparison.ious[:, order], thresholds, ignored, comparison.crowd)
    areas = comparison.predicted_areas[order]
    outside = (areas < low) | (areas > high)
    counts = np.where(taken >= 0, ~np.append(ignored, False)[taken], ~outside)
    return _Hits(comparison.scores[order], taken >= 0, counts, int(np.count_nonzero(~ignored)))


def _take_greedily(ious: np.ndarray, thresholds: np.ndarray, ignored: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Return which true object each prediction takes at each threshold, (T, M) int; -1 for none.

    Objects that count precede ignored ones, whatever their IoU; a crowd is never used up.

    Args:
        ious: (N, M) float, best prediction first.
        thresholds: (T,) float.
        ignored: (N,) bool, true objects that do not count.
        crowd: (N,) bool, all of them ignored.
    """
    taken = np.full((len(thresholds), ious.shape[1]), -1)
    at_least = np.minimum(thresholds, _ALMOST_ONE)
    candidates = np.flatnonzero(ious.max(axis=0, initial=-1.0) >= at_least.min(initial=np.inf)).tolist()
    ious, counted, crowd = ious[::-1], ~ignored[::-1], crowd[::-1]  # of equal IoUs, COCO takes the last
    for t, threshold in enumerate(at_least.tolist()):
        left = np.ones(len(ious), bool)
        for j in candidates:
            within = left & (ious[:, j] >= threshold)
            if not within.any():
                continue
            preferred = within & counted
            i = int(np.where(preferred if preferred.any() else within, ious[:, j], -1.0).argmax())
            taken[t, j] = len(ious) - 1 - i
            left[i] = crowd[i]
    return taken


def _precision_and_recall(images: Sequence[_Hits], num_thresholds: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return average precision and recall at each threshold, (T,) each, and the number of true objects."""
    num_true = sum(hits.num_true for hits in images)
    if not num_true:
        return np.full(num_thresholds, np.nan), np.full(num_thresholds, np.nan), 0
    order = np.argsort(-np.concatenate([hits.scores for hits in images]), kind="stable")
    hit, counts = (
        np.concatenate([getattr(hits, name) for hits in images], axis=1)[:, order] for name in ("hit", "counts")
    )
    tp, fp = np.cumsum(hit & counts, axis=1), np.cumsum(~hit & counts, axis=1)
    recall = tp / num_true
    precision = tp / np.maximum(tp + fp, 1)
    falling = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    padded = np.append(falling, np.zeros((num_thresholds, 1)), axis=1)  # 0 for recalls that are not reached
    at = [np.searchsorted(row, RECALLS, side="left") for row in recall]
    means = [row[columns].mean() for row, columns in zip(padded, at, strict=True)]
    return np.array(means), tp.max(axis=1, initial=0) / num_true, num_true
