"""Suppression by masks, and merging by majority: of the views of a picture that see an object, most decide."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from common.bit_masks import BitMasks, pack_masks
from common.boxes import box_intersections
from common.instances import Instances
from common.masks import drop_empty, tight_instances


def suppress_covered(instances: Instances, largest_share: float) -> Instances:
    """Drop each object that shares too many pixels with one of a higher score: non-maximum suppression by masks.

    Slanted neighbours, whose boxes overlap much and whose masks do not, stay.

    Args:
        instances: N objects.
        largest_share: pixels that two objects may share, as a part of the smaller one's; from 1 on none is dropped.

    Returns:
        The objects that are left, the highest score first.

    Example:
        >>> pair = Instances.from_masks(np.array([[[1, 1, 1, 0]], [[0, 1, 1, 1]]]), scores=[0.5, 0.75])
        >>> suppress_covered(pair, 0.5).scores.tolist(), len(suppress_covered(pair, 0.7))
        ([0.75], 2)
    """
    if largest_share >= 1:
        return instances
    instances = instances.select(np.argsort(-instances.scores, kind="stable"))
    better, worse, shared = shared_pixels(instances, instances)
    areas = instances.areas
    covers = (better < worse) & (shared > largest_share * np.minimum(areas[better], areas[worse]))
    alive = np.ones(len(instances), bool)
    for i, j in zip(better[covers].tolist(), worse[covers].tolist(), strict=True):  # the best first: they are decided
        alive[j] &= not alive[i]
    return instances.select(alive)


def shared_pixels(instances: Instances, others: Instances) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which objects share how many pixels with which of the others.

    Args:
        instances: N objects.
        others: M objects.

    Returns:
        Indices in `instances` and in `others`, (K,) int64 each, of the pairs whose boxes touch, sorted by the first,
        then the second; and their common pixels, (K,) int64.

    Example:
        >>> pair = Instances.from_masks(np.array([[[1, 1, 0]], [[0, 1, 1]]]))
        >>> [values.tolist() for values in shared_pixels(pair, pair)]
        [[0, 0, 1, 1], [0, 1, 0, 1], [2, 1, 1, 2]]
    """
    first, second = np.nonzero(box_intersections(instances.boxes, others.boxes))
    boxes = np.concatenate([instances.boxes, others.boxes])
    masks = BitMasks(boxes, pack_masks(boxes, [*instances.masks, *others.masks]))
    return first, second, masks.shared_pixels(first, second + len(instances))


def elect_instances(predictions: Sequence[Instances], *, iou_threshold: float = 0.5, share: float = 0.5) -> Instances:
    """Let several predictions of one picture vote on which objects there are, and on each one's pixels.

    The predictions are taken in turn. Objects found so far and new masks are paired, the best pairs first; what has no
    partner becomes an object. Other than in `merge_views`, a pixel needs the votes of half of the object's voters,
    however many these are: objects that some views miss do not shrink.

    Args:
        predictions: one a view, in the picture's own pixels.
        iou_threshold: lowest intersection over union of a pair.
        share: an object needs so many of the predictions.

    Returns:
        Objects, the highest score first, none empty; they may overlap a little. Class ids are 1; the score is the sum
        of the paired masks' scores over the number of predictions, so that a view that misses the object counts 0.

    Example:
        >>> wide, narrow = (Instances.from_masks(np.array([[row]])) for row in ([1, 1, 1, 0], [1, 1, 0, 0]))
        >>> elect_instances([wide, narrow, narrow]).boxes.tolist(), len(elect_instances([wide] + 2 * [wide.empty()]))
        ([[0, 0, 1, 2]], 0)
    """
    candidates: list[_Candidate] = []
    for prediction in predictions:
        prediction = drop_empty(prediction)
        pairs = dict(_pairs(_instances_of(candidates), prediction, iou_threshold))
        for j, (box, mask, score) in enumerate(
            zip(prediction.boxes, prediction.masks, prediction.scores.tolist(), strict=True)
        ):
            if j in pairs:
                candidates[pairs[j]].add(box, mask, score)
            else:
                candidates.append(_Candidate(box, mask.astype(np.uint16), [score]))
    elected = [c for c in candidates if len(c.scores) >= share * len(predictions)]
    elected.sort(key=lambda candidate: -sum(candidate.scores))
    scores = [sum(candidate.scores) / len(predictions) for candidate in elected]
    objects = _instances_of(elected)
    return drop_empty(tight_instances(Instances.from_crops(objects.boxes, objects.masks, scores=scores)))


_CORNER = [0, 1, 0, 1]  # a box's upper left corner, once for either corner


@dataclass
class _Candidate:
    """An object with its votes.

    Attributes:
        box: (4,) int32, y1, x1, y2, x2.
        counts: uint16 crop of the box, the masks that have each pixel.
        scores: of the masks.
    """

    box: np.ndarray
    counts: np.ndarray
    scores: list[float] = field(default_factory=list)

    def add(self, box: np.ndarray, mask: np.ndarray, score: float) -> None:
        """Count one more mask; the crop grows to hold it."""
        grown = np.append(np.minimum(self.box[:2], box[:2]), np.maximum(self.box[2:], box[2:]))
        counts = np.zeros(grown[2:] - grown[:2], np.uint16)
        for part_box, part in ((self.box, self.counts), (box, mask)):
            y1, x1, y2, x2 = part_box - grown[_CORNER]
            counts[y1:y2, x1:x2] += part
        self.box, self.counts = grown, counts
        self.scores.append(score)

    @property
    def mask(self) -> np.ndarray:
        """The pixels that half of the masks have, bool crop of the box."""
        return 2 * self.counts >= len(self.scores)


def _instances_of(candidates: Sequence[_Candidate]) -> Instances:
    return Instances.from_crops(np.array([c.box for c in candidates]), [c.mask for c in candidates])


def _pairs(found: Instances, new: Instances, iou_threshold: float) -> list[tuple[int, int]]:
    """Return pairs of an index in `new` and one in `found`; none occurs twice, and the best IoU chooses first."""
    first, second, shared = shared_pixels(found, new)
    ious = shared / (found.areas[first] + new.areas[second] - shared)
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
