"""True and predicted objects of many images matched by COCO's rules, all classes and images at once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from common.scoring.comparison import Comparison

ANY_AREA = (0.0, np.inf)
_ALMOST_ONE = 1 - 1e-10  # so that an equal mask meets a threshold of 1 despite rounding


@dataclass(frozen=True, eq=False)
class Objects:
    """N true and M predicted objects of some images, and the K pairs of one class and image that may match.

    Attributes:
        true_class_ids: (N,) int.
        ignored: (N,) bool, true objects that do not count.
        crowd: (N,) bool, all of them ignored.
        class_ids: (M,) int, of the predictions.
        scores: (M,) float.
        outside: (M,) bool, predictions that are no misses.
        images: (M,) int, the number of each prediction's image.
        true: (K,) int, indices of true objects.
        predicted: (K,) int, indices of predictions.
        ious: (K,) float.
    """

    true_class_ids: np.ndarray
    ignored: np.ndarray
    crowd: np.ndarray
    class_ids: np.ndarray
    scores: np.ndarray
    outside: np.ndarray
    images: np.ndarray
    true: np.ndarray
    predicted: np.ndarray
    ious: np.ndarray


@dataclass(frozen=True, eq=False)
class Outcome:
    """The outcome of M predictions at T thresholds, in descending order of score within each class.

    Attributes:
        class_ids: (M,) int, ascending.
        scores: (M,) float.
        hit: (T, M) bool, whether a prediction takes a true object.
        counts: (T, M) bool, whether it is a hit or a miss.
        num_true: how many true objects of each class count.
    """

    class_ids: np.ndarray
    scores: np.ndarray
    hit: np.ndarray
    counts: np.ndarray
    num_true: Counter[int]

    def of_class(self, class_id: int) -> tuple[np.ndarray, np.ndarray, int]:
        """Return `hit`, `counts` and the number of true objects of one class."""
        first, last = np.searchsorted(self.class_ids, [class_id, class_id + 1])
        return self.hit[:, first:last], self.counts[:, first:last], self.num_true[class_id]


def find_pairs(comparison: Comparison, lowest: float, area_range: tuple[float, float]) -> Objects:
    """Return an image's objects, and the pairs of one class with at least the lowest IoU."""
    low, high = area_range
    true, predicted = np.nonzero(comparison.ious >= min(lowest, _ALMOST_ONE))
    same = comparison.true_class_ids[true] == comparison.predicted_class_ids[predicted]
    true, predicted = true[same], predicted[same]
    return Objects(
        comparison.true_class_ids,
        comparison.crowd | (comparison.true_areas < low) | (comparison.true_areas > high),
        comparison.crowd,
        comparison.predicted_class_ids,
        comparison.scores,
        (comparison.predicted_areas < low) | (comparison.predicted_areas > high),
        np.zeros(len(comparison.scores), int),
        true,
        predicted,
        comparison.ious[true, predicted],
    )


def join_objects(images: Sequence[Objects]) -> Objects:
    """Number the objects of several images in one row."""
    if not images:
        ids, areas = np.zeros(0, int), np.zeros(0)
        nothing = Comparison(np.zeros((0, 0)), ids, ids, areas, areas, areas, np.zeros(0, bool))
        return find_pairs(nothing, 1.0, ANY_AREA)
    joined = {field.name: np.concatenate([getattr(one, field.name) for one in images]) for field in fields(Objects)}
    num_pairs = [len(one.ious) for one in images]
    for name, counts in (
        ("true", [len(one.ignored) for one in images]),
        ("predicted", [len(one.scores) for one in images]),
    ):
        joined[name] = joined[name] + np.repeat(np.cumsum(counts) - counts, num_pairs)
    joined["images"] = np.repeat(np.arange(len(images)), [len(one.scores) for one in images])
    return Objects(**joined)


def match_objects(objects: Objects, thresholds: np.ndarray, max_detections: int) -> Outcome:
    """Match the best predictions of every class in every image."""
    order = np.lexsort((-objects.scores, objects.class_ids, objects.images))  # stable
    _, ranks = _ranks(objects.images[order], objects.class_ids[order])
    kept = np.zeros(len(order), bool)
    kept[order[ranks < max_detections]] = True
    pairs = kept[objects.predicted]
    parts = {name: getattr(objects, name)[pairs] for name in ("true", "predicted", "ious")}
    taken = take_greedily(replace(objects, **parts), thresholds)
    counts = np.where(taken >= 0, ~np.append(objects.ignored, False)[taken], ~objects.outside)
    best = order[kept[order]]
    best = best[np.lexsort((-objects.scores[best], objects.class_ids[best]))]
    num_true = Counter(objects.true_class_ids[~objects.ignored].tolist())
    return Outcome(objects.class_ids[best], objects.scores[best], taken[:, best] >= 0, counts[:, best], num_true)


def take_greedily(objects: Objects, thresholds: np.ndarray) -> np.ndarray:
    """Return which true object each prediction takes at each threshold, (T, M) int; -1 for none.

    Objects that count precede ignored ones, whatever their IoU; a crowd is never used up. The predictions of one rank
    among those of their class and image that have a pair are matched at once.
    """
    taken = np.full((len(objects.scores), len(thresholds)), -1)
    free = np.ones((len(objects.ignored), len(thresholds)), bool)
    at_least = np.minimum(thresholds, _ALMOST_ONE)
    # Each prediction's pairs in the order of its preference; of equal IoUs, COCO takes the last.
    true, predicted = objects.true, objects.predicted
    order = np.lexsort((-true, -objects.ious, objects.ignored[true], predicted))
    true, predicted, ious = true[order], predicted[order], objects.ious[order]
    firsts = np.flatnonzero(np.diff(predicted, prepend=-1))
    counts = np.diff(firsts, append=len(predicted))
    for chosen in _rounds(objects, predicted[firsts]):
        which, place = _count_up(counts[chosen])
        pairs = firsts[chosen][which] + place
        possible = free[true[pairs]] & (ious[pairs, None] >= at_least)
        starts = np.cumsum(counts[chosen]) - counts[chosen]
        places = np.minimum.reduceat(np.where(possible, place[:, None], len(place)), starts, axis=0)
        rows, columns = np.nonzero(places < len(place))
        found = true[firsts[chosen][rows] + places[rows, columns]]
        taken[predicted[firsts[chosen][rows]], columns] = found
        free[found, columns] = objects.crowd[found]
    return taken.T


def _rounds(objects: Objects, predicted: np.ndarray) -> Iterator[np.ndarray]:
    """Yield indices into some predictions: the best of each class and image, then the second best, and so on."""
    order = np.lexsort((-objects.scores[predicted], objects.class_ids[predicted], objects.images[predicted]))
    _, ranks = _ranks(objects.images[predicted][order], objects.class_ids[predicted][order])
    by_rank = np.argsort(ranks, kind="stable")
    bounds = np.cumsum(np.bincount(ranks))
    yield from np.split(order[by_rank], bounds[:-1]) if len(order) else []


def _ranks(*sorted_keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the group of each entry and its number within it, (N,) int each, where equal keys stand together."""
    new = np.any([np.diff(key, prepend=key[:1] - 1) != 0 for key in sorted_keys], axis=0)
    groups = np.cumsum(new) - 1
    return groups, np.arange(len(new)) - np.flatnonzero(new)[groups]


def _count_up(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each index repeated `counts` times, and beside each repeat its number."""
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
