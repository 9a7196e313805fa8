"""Merge the predictions of several views of one picture by voting, with a small crop of counts an object."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.instances import Instances
from common.masks import drop_empty, paint_labels, remove_overlaps, tight_instances


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
    votes: list[_Votes] = []
    for prediction in predictions:
        if not votes:
            votes = _start_votes(prediction)
        elif len(prediction):
            votes = _cast_votes(votes, prediction, image_shape, iou_threshold, loss_threshold, published)
    masks = [vote.counts > more_than for vote in votes]
    scores = [vote.score / len(predictions) for vote in votes]
    elected = Instances.from_crops(np.array([vote.box for vote in votes]), masks, scores=scores)
    elected = drop_empty(tight_instances(elected))
    return drop_empty(remove_overlaps(elected, image_shape, loss_threshold=loss_threshold, published=published))


@dataclass
class _Votes:
    """The votes for one object.

    Attributes:
        box: y1, x1, y2, x2.
        counts: uint16, the size of the box, votes for each pixel.
        score: sum of the voters' scores.
    """

    box: list[int]
    counts: np.ndarray
    score: float

    def add(self, box: list[int], mask: np.ndarray, score: float) -> None:
        """Count one vote for the pixels of a mask; the crop grows to hold them."""
        outer = [min(self.box[0], box[0]), min(self.box[1], box[1]), max(self.box[2], box[2]), max(self.box[3], box[3])]
        if outer != self.box:
            grown = np.zeros((outer[2] - outer[0], outer[3] - outer[1]), dtype=np.uint16)
            _crop_at(grown, outer, self.box)[...] = self.counts
            self.box, self.counts = outer, grown
        inner = _crop_at(self.counts, self.box, box)
        inner += mask
        self.score += score


def _crop_at(crop: np.ndarray, box: list[int], inner: list[int]) -> np.ndarray:
    """Return the part of a crop with the given box that lies in the box `inner`."""
    return crop[inner[0] - box[0] : inner[2] - box[0], inner[1] - box[1] : inner[3] - box[1]]


def _start_votes(instances: Instances) -> list[_Votes]:
    fields = zip(instances.boxes.tolist(), instances.masks, instances.scores.tolist(), strict=True)
    return [_Votes(box, mask.astype(np.uint16), score) for box, mask, score in fields]


def _cast_votes(
    votes: list[_Votes],
    prediction: Instances,
    image_shape: tuple[int, int],
    iou_threshold: float,
    loss_threshold: float,
    published: bool,
) -> list[_Votes]:
    """Return the votes after one more prediction; objects that vanish among the others are dropped."""
    support = Instances.from_crops(np.array([vote.box for vote in votes]), [vote.counts > 0 for vote in votes])
    mine = remove_overlaps(support, image_shape, loss_threshold=loss_threshold, published=published)
    votes = [vote for vote, mask in zip(votes, mine.masks, strict=True) if mask.size]
    mine = drop_empty(mine)
    theirs = drop_empty(remove_overlaps(prediction, image_shape, loss_threshold=loss_threshold, published=published))
    matches = _match(mine, theirs, image_shape, iou_threshold)
    boxes, scores = theirs.boxes.tolist(), theirs.scores.tolist()
    for vote, best in zip(votes, matches.tolist(), strict=True):
        if best >= 0:
            vote.add(boxes[best], theirs.masks[best], scores[best])
    unmatched = np.setdiff1d(np.arange(len(theirs)), matches)
    return votes + _start_votes(theirs.select(unmatched))


def _match(mine: Instances, theirs: Instances, image_shape: tuple[int, int], iou_threshold: float) -> np.ndarray:
    """Return the index of each object's best mask in `theirs`, (N,) int; -1 where no mask reaches the threshold."""
    if not len(mine) or not len(theirs):
        return np.full(len(mine), -1)
    intersections = _intersections(mine, theirs, image_shape)
    unions = mine.areas[:, None] + theirs.areas[None, :] - intersections
    ious = intersections / unions
    best = ious.argmax(axis=1)
    best_ious = ious.max(axis=1)
    return np.where((best_ious >= iou_threshold) & (best_ious > 0), best, -1)


def _intersections(mine: Instances, theirs: Instances, image_shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels that each object shares with each of `theirs`, (N, M); neither has overlaps within itself."""
    labels = paint_labels(theirs, image_shape, np.arange(len(theirs)))
    pairs = np.zeros((len(mine), len(theirs) + 1), dtype=np.int64)  # column 0 is the background
    for row, mask, (y1, x1, y2, x2) in zip(pairs, mine.masks, mine.boxes.tolist(), strict=True):
        counts = np.bincount(labels[y1:y2, x1:x2][mask])
        row[: len(counts)] = counts
    return pairs[:, 1:]
