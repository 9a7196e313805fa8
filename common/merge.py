"""Merge the predictions of several views of one picture by voting, with a small crop of counts an object."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from common.boxes import box_areas, shared_boxes, touching_boxes
from common.instances import Instances
from common.masks import drop_empty, remove_overlaps, shared_pixels, tight_instances

_CORNER = [0, 1, 0, 1]  # a box's upper left corner, once for either corner


def merge_views(
    predictions: Sequence[Instances],
    image_shape: tuple[int, int],
    *,
    iou_threshold: float = 0.6,
    loss_threshold: float = 0.7,
    more_than: int = 4,
    published: bool = False,
) -> Instances:
    """Let several predictions of one picture vote on each object's pixels.

    The first prediction with objects starts the votes. For each further one, overlaps are removed within the votes'
    support and within the prediction. Every object so far is matched with its best new mask: at `iou_threshold` or
    more that mask adds one vote to its pixels, and new masks that matched nothing become new objects.

    Args:
        predictions: one a view, in the picture's own pixels; a view that counts twice appears twice.
        image_shape: (height, width).
        iou_threshold: lowest intersection over union of a match.
        loss_threshold: an object that loses more than this share of its area to overlaps is dropped.
        more_than: a pixel stays in an object that has more votes than this for it.
        published: as in the published third-place code; see `remove_overlaps`.

    Returns:
        Objects without common pixels and none empty; class ids 1; the score is the sum of the matched masks' scores
        over the number of predictions, so that a view that misses the object counts 0.

    Source: the 2018 Data Science Bowl's third place.

    Example:
        >>> square = Instances.from_crops(np.array([[1, 1, 3, 3]]), [np.ones((2, 2))])
        >>> merge_views([square] * 5, (4, 4)).boxes.tolist(), len(merge_views([square] * 4, (4, 4)))
        ([[1, 1, 3, 3]], 0)
    """
    votes = _Votes.start(Instances.empty())
    for prediction in predictions:
        if not votes.counts:
            votes = _Votes.start(prediction)
        elif len(prediction):
            votes = _cast_votes(votes, prediction, image_shape, iou_threshold, loss_threshold, published)
    masks = [counts > more_than for counts in votes.counts]
    elected = Instances.from_crops(votes.boxes, masks, scores=votes.scores / len(predictions))
    elected = drop_empty(tight_instances(elected))
    return drop_empty(remove_overlaps(elected, image_shape, loss_threshold=loss_threshold, published=published))


@dataclass
class _Votes:
    """The votes for N objects.

    Attributes:
        boxes: (N, 4) int32, y1, x1, y2, x2.
        counts: N uint8 crops, votes for each pixel of the box.
        scores: (N,) float64, sum of the voters' scores.
    """

    boxes: np.ndarray
    counts: list[np.ndarray]
    scores: np.ndarray

    @classmethod
    def start(cls, instances: Instances) -> "_Votes":
        """Return one vote for each object."""
        counts = [mask.astype(np.uint8) for mask in instances.masks]
        return cls(instances.boxes.copy(), counts, instances.scores.astype(np.float64))

    def support(self) -> Instances:
        """Return the pixels with votes."""
        class_ids = np.ones(len(self.counts), dtype=np.int32)
        return Instances(self.boxes, [counts.astype(bool) for counts in self.counts], class_ids, self.scores)

    def add(self, voted: np.ndarray, voters: Instances) -> None:
        """Count the votes of K masks for the objects at `voted`, (K,) int; the crops grow to hold them."""
        old = self.boxes[voted]
        lows, highs = np.minimum(old[:, :2], voters.boxes[:, :2]), np.maximum(old[:, 2:], voters.boxes[:, 2:])
        grown = np.concatenate([lows, highs], axis=1)
        growing = np.flatnonzero((grown != old).any(axis=1))
        windows, sizes = old[growing] - grown[growing][:, _CORNER], highs[growing] - lows[growing]
        for i, (y1, x1, y2, x2), size in zip(voted[growing].tolist(), windows.tolist(), sizes.tolist(), strict=True):
            crop = np.zeros(size, dtype=np.uint8)
            crop[y1:y2, x1:x2] = self.counts[i]
            self.counts[i] = crop
        self.boxes[voted] = grown
        self.scores[voted] += voters.scores
        windows = (voters.boxes - grown[:, _CORNER]).tolist()
        for i, (y1, x1, y2, x2), mask in zip(voted.tolist(), windows, voters.masks, strict=True):
            window = self.counts[i][y1:y2, x1:x2]
            window += mask.view(np.uint8)  # of another type it would take three times as long

    def join(self, others: "_Votes", alive: np.ndarray) -> "_Votes":
        """Return the objects that are alive, (N,) bool, and others behind them."""
        return _Votes(
            np.concatenate([self.boxes[alive], others.boxes]),
            [*compress(self.counts, alive), *others.counts],
            np.concatenate([self.scores[alive], others.scores]),
        )


def _cast_votes(
    votes: _Votes,
    prediction: Instances,
    image_shape: tuple[int, int],
    iou_threshold: float,
    loss_threshold: float,
    published: bool,
) -> _Votes:
    """Return the votes after one more prediction; objects that vanish among the others are dropped."""
    mine, theirs = (
        remove_overlaps(instances, image_shape, loss_threshold=loss_threshold, published=published)
        for instances in (votes.support(), prediction)
    )
    voted, voters = _match(mine, theirs, iou_threshold)
    votes.add(voted, theirs.select(voters))
    new = theirs.areas > 0
    new[voters] = False
    return votes.join(_Votes.start(theirs.select(new)), mine.areas > 0)


def _match(mine: Instances, theirs: Instances, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return which objects have a mask that reaches the threshold and which is the best, (K,) int each."""
    first, second = touching_boxes(mine.boxes, theirs.boxes)
    areas = mine.areas[first], theirs.areas[second]
    # Most pairs are neighbours that share a corner of their boxes: too little to reach the threshold.
    most = np.minimum(box_areas(shared_boxes(mine.boxes[first], theirs.boxes[second])), np.minimum(*areas))
    hopeful = most >= threshold * (areas[0] + areas[1] - most)
    first, second, total = first[hopeful], second[hopeful], (areas[0] + areas[1])[hopeful]
    shared = shared_pixels(mine, theirs, first, second)
    ious = np.zeros((len(mine), len(theirs) + 1))  # the last column is for an object that meets no mask
    ious[first, second] = shared / (total - shared)
    best = ious.argmax(axis=1)
    best_ious = ious[np.arange(len(mine)), best]
    voted = np.flatnonzero((best_ious >= threshold) & (best_ious > 0))
    return voted, best[voted]
