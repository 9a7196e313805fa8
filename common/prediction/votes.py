"""Merge the predictions of several views of one image by voting, with a few bits per pixel of each object."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.masks.bits import BitMasks, find_offsets, find_priorities, find_strides, pack_masks, restride, unpack_masks
from common.masks.boxes import touching_pairs
from common.masks.crops import drop_empty, remove_overlaps, tight_instances
from common.masks.instances import Instances


def merge_views(
    predictions: Sequence[Instances],
    *,
    iou_threshold: float = 0.6,
    loss_threshold: float = 0.7,
    more_than: int = 4,
    published: bool = False,
) -> Instances:
    """Let several predictions of one image vote on each object's pixels.

    The first prediction with objects starts the votes. For each further one, overlaps are removed within the votes'
    support and within the prediction. Every object so far is matched with its best new mask: from `iou_threshold` on,
    that mask adds one vote to its pixels; new masks without a match become new objects.

    Args:
        predictions: one per view, in image pixels; a view that counts twice appears twice.
        iou_threshold: lowest intersection over union of a match.
        loss_threshold: an object that loses more than this fraction of its area to overlaps is dropped.
        more_than: an object keeps the pixels with more votes than this.
        published: as in the published third-place code; see `remove_overlaps`.

    Returns:
        Disjoint objects, none empty; class ids are 1; the score is the sum of the matched masks' scores over the number
        of predictions, so that a view that misses the object counts 0.

    Source: the 2018 Data Science Bowl's third place.

    Example:
        >>> square = Instances.from_crops(np.array([[1, 1, 3, 3]]), [np.ones((2, 2))])
        >>> merge_views([square] * 5).boxes.tolist(), len(merge_views([square] * 4))
        ([[1, 1, 3, 3]], 0)
    """
    votes = _Votes.none(more_than)
    for prediction in predictions:
        count = len(votes.levels)
        votes.join(prediction)
        if 0 < count < len(votes.levels):
            _cast_votes(votes, count, iou_threshold, loss_threshold, published)
    elected = tight_instances(votes.elect(len(predictions)))
    return drop_empty(remove_overlaps(elected, loss_threshold=loss_threshold, published=published))


@dataclass
class _Votes:
    """The votes for N objects.

    Attributes:
        boxes: (N, 4) int32, y1, x1, y2, x2.
        levels: N lists: bits of the pixels with more than 0, 1 ... votes, up to the highest possible.
        scores: (N,) float64, sum of the voters' scores.
        more_than: the last level to count.
    """

    boxes: np.ndarray
    levels: list[list[int]]
    scores: np.ndarray
    more_than: int

    @classmethod
    def none(cls, more_than: int) -> "_Votes":
        """Return no objects."""
        return cls(np.zeros((0, 4), dtype=np.int32), [], np.zeros(0), more_than)

    def join(self, prediction: Instances) -> None:
        """Add objects with one vote each."""
        self.boxes = np.concatenate([self.boxes, prediction.boxes])
        self.levels += [[bits] for bits in pack_masks(prediction.boxes, prediction.masks)]
        self.scores = np.concatenate([self.scores, prediction.scores])

    def support(self) -> BitMasks:
        """Return the pixels with votes."""
        return BitMasks(self.boxes, [levels[0] for levels in self.levels])

    def add(self, voted: Sequence[int], voters: Sequence[int], masks: Sequence[int]) -> None:
        """Add the votes of K objects, with their `masks`, for K others; the boxes grow to hold them."""
        old, new = self.boxes[voted], self.boxes[voters]
        grown = np.concatenate([np.minimum(old[:, :2], new[:, :2]), np.maximum(old[:, 2:], new[:, 2:])], axis=1)
        strides = find_strides(grown)
        moves = (
            find_strides(old),
            find_offsets(old, grown, strides),
            find_strides(new),
            find_offsets(new, grown, strides),
        )
        columns = [part.tolist() for part in (strides, *moves)]
        for i, j, stride, old_stride, old_offset, new_stride, new_offset in zip(voted, voters, *columns, strict=True):
            if old_offset or old_stride < stride:
                self.levels[i] = [restride(level, old_stride, stride) << old_offset for level in self.levels[i]]
            voter = restride(masks[j], new_stride, stride) << new_offset
            self.levels[i] = _count(self.levels[i], voter, self.more_than + 1)
        self.boxes[voted] = grown
        self.scores[voted] += self.scores[voters]

    def keep(self, indices: list[int]) -> None:
        """Keep only the objects at `indices`."""
        self.boxes, self.scores = self.boxes[indices], self.scores[indices]
        self.levels = [self.levels[i] for i in indices]

    def elect(self, num_views: int) -> Instances:
        """Return the objects with their elected pixels and mean scores; those without such pixels are dropped."""
        self.keep([i for i, levels in enumerate(self.levels) if any(levels[self.more_than :])])
        masks = unpack_masks(self.boxes, [levels[self.more_than] for levels in self.levels])
        return Instances.from_crops(self.boxes, masks, scores=self.scores / num_views)


def _count(levels: list[int], voter: int, limit: int) -> list[int]:
    """Return the pixels with more than 0, 1 ... votes, at most `limit` levels, after one more vote."""
    raised, below = [], -1  # every pixel has more than -1 votes
    for level in levels:
        raised.append(level | below & voter)
        below = level
    return raised if len(raised) == limit else [*raised, below & voter]


def _cast_votes(votes: _Votes, count: int, iou_threshold: float, loss_threshold: float, published: bool) -> None:
    """Let the objects from `count` on vote for those before; drop the voters and what overlaps leave empty."""
    masks = votes.support()
    areas = np.array(masks.areas, dtype=np.float64)
    priorities = [find_priorities(part, published) for part in (areas[:count], areas[count:])]
    first, second = touching_pairs(votes.boxes)
    rivals = (first < count) == (second < count)
    masks.separate(first[rivals], second[rivals], np.concatenate(priorities), areas, loss_threshold)
    for i in range(count, len(areas)):
        votes.levels[i] = [masks.bits[i]]
    matches = _match(masks, first[~rivals], second[~rivals], iou_threshold)
    votes.add(list(matches), list(matches.values()), masks.bits)
    gone = set(matches.values())
    votes.keep([i for i, area in enumerate(masks.areas) if area and i not in gone])


def _match(masks: BitMasks, first: np.ndarray, second: np.ndarray, threshold: float) -> dict[int, int]:
    """Return the best match of each first mask, among pairs, (K,) int each, that reach the threshold."""
    areas = masks.areas
    best: dict[int, tuple[float, int]] = {}
    pixels = masks.shared_pixels(first, second).tolist()
    for mine, other, shared in zip(first.tolist(), second.tolist(), pixels, strict=True):
        if shared:
            iou = shared / (areas[mine] + areas[other] - shared)
            if iou >= threshold and (iou, -other) > best.get(mine, (0.0, 0)):
                best[mine] = iou, -other
    return {mine: -other for mine, (_, other) in best.items()}
