"""Merging by majority: the objects that most views find, with the mean of their masks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from common.masks.crops import drop_empty, tight_instances
from common.masks.instances import Instances, SoftInstances
from common.masks.overlaps import shared_pixels


def elect_instances(
    predictions: Iterable[SoftInstances], threshold: float, *, iou_threshold: float = 0.5, share: float = 0.5
) -> Instances:
    """Let several predictions of one image vote on which objects there are, and average their masks.

    The predictions are taken in turn. Objects found so far and new ones are paired, best pairs first; an object without
    a partner is added. Unlike in `merge_views`, a pixel's probability is averaged over only those predictions that have
    the object: objects that some views miss do not shrink.

    Args:
        predictions: one per view, in image pixels; consumed one at a time.
        threshold: lowest probability of a mask pixel.
        iou_threshold: lowest intersection over union of a pair.
        share: fraction of the predictions that must have an object.

    Returns:
        Objects, highest score first, none empty; they may overlap slightly. Class ids are 1; the score is the sum of
        the paired objects' scores over the number of predictions, so that a view that misses the object counts 0.

    Example:
        >>> box, none = np.array([[0, 0, 1, 3]]), np.zeros((0, 4), int)
        >>> views = [SoftInstances(box, [np.array([probs])], np.ones(1)) for probs in ([1, 0.8, 0.4], [1, 0.6, 0])]
        >>> elect_instances(views, 0.5).boxes.tolist()
        [[0, 0, 1, 2]]
        >>> len(elect_instances([*views, *3 * [SoftInstances(none, [], np.zeros(0))]], 0.5))
        0
    """
    candidates: list[_Candidate] = []
    count = 0
    for prediction in predictions:
        count += 1
        found = _cut(candidates, threshold)
        new = prediction.cut(threshold)
        partners = dict(_pairs(found, new, iou_threshold))
        for j, (box, probs, score) in enumerate(
            zip(prediction.boxes, prediction.probs, prediction.scores.tolist(), strict=True)
        ):
            if j in partners:
                candidates[partners[j]].add(box, probs, score)
            elif new.areas[j]:
                candidates.append(_Candidate(box, probs, [score]))
    elected = [one for one in candidates if len(one.scores) >= share * count]
    elected.sort(key=lambda one: -sum(one.scores))
    scores = [sum(one.scores) / count for one in elected]
    objects = _cut(elected, threshold)
    return drop_empty(tight_instances(Instances.from_crops(objects.boxes, objects.masks, scores=scores)))


_CORNER = [0, 1, 0, 1]  # a box's upper left corner, twice


@dataclass
class _Candidate:
    """An object with its votes.

    Attributes:
        box: (4,) int, y1, x1, y2, x2.
        sums: float32 crop of the box, the sum of each pixel's probabilities.
        scores: from the predictions that have it.
    """

    box: np.ndarray
    sums: np.ndarray
    scores: list[float]

    def add(self, box: np.ndarray, probs: np.ndarray, score: float) -> None:
        """Add a prediction; the crop grows to hold it."""
        grown = np.append(np.minimum(self.box[:2], box[:2]), np.maximum(self.box[2:], box[2:]))
        sums = np.zeros(grown[2:] - grown[:2], np.float32)
        for part_box, part in ((self.box, self.sums), (box, probs)):
            y1, x1, y2, x2 = part_box - grown[_CORNER]
            sums[y1:y2, x1:x2] += part
        self.box, self.sums = grown, sums
        self.scores.append(score)


def _cut(candidates: Sequence[_Candidate], threshold: float) -> Instances:
    """Return the objects with the pixels whose mean probability reaches the threshold."""
    masks = [one.sums >= np.float32(threshold * len(one.scores)) for one in candidates]
    return Instances.from_crops(np.array([one.box for one in candidates]), masks)


def _pairs(found: Instances, new: Instances, iou_threshold: float) -> list[tuple[int, int]]:
    """Return pairs of indices into `new` and `found`, greedily by IoU; none occurs twice."""
    first, second, shared = shared_pixels(found, new)
    ious = shared / np.maximum(found.areas[first] + new.areas[second] - shared, 1)
    free, wanted = np.ones(len(found), bool), np.ones(len(new), bool)
    pairs = []
    for k in np.argsort(-ious, kind="stable").tolist():
        i, j = int(first[k]), int(second[k])
        if ious[k] < iou_threshold:
            break
        if free[i] and wanted[j]:
            free[i] = wanted[j] = False
            pairs.append((j, i))
    return pairs
