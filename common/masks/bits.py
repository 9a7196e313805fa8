"""Masks as integers, one bit per pixel: Python compares and counts all pixels of a mask at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from common.masks.boxes import shared_boxes

_STRIDES = 96 * 4 ** np.arange(12)  # few values, so that most masks share one
_BATCH = 64  # masks packed at a time, to bound memory
_CORNER = [0, 1, 0, 1]  # a box's upper left corner, twice


@dataclass(eq=False)
class BitMasks:
    """N masks of one image.

    Pixel y, x is bit y * stride + x, counted from the upper left corner of the mask's box. The stride is at least twice
    the box's width, so that a shift aligns masks of the same stride whose boxes touch. Masks of different strides are
    compared as crops: restriding a small mask to a large one's rows would make it as slow as the large one.

    Attributes:
        boxes: (N, 4) int, y1, x1, y2, x2, pixels, half-open.
        bits: N integers.
        areas: N integers, pixels in each mask.
    """

    boxes: np.ndarray
    bits: list[int]
    areas: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.areas = [bits.bit_count() for bits in self.bits]
        self._strides = find_strides(self.boxes)
        self._corners = (self.boxes[:, 0] * self._strides + self.boxes[:, 1]).tolist()

    def shared_pixels(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return the number of pixels that pairs of masks, (K,) int each, share, (K,) int64; their boxes must touch.

        Example:
            >>> masks = BitMasks(np.array([[0, 0, 1, 2], [0, 1, 1, 3]]), [0b11, 0b11])
            >>> masks.shared_pixels(np.array([0]), np.array([1]))
            array([1])
        """
        alike = self._strides[first] == self._strides[second]
        counts = np.empty(len(first), dtype=np.int64)
        pairs = zip(first[alike].tolist(), second[alike].tolist(), strict=True)
        counts[alike] = [self._shared(i, j).bit_count() for i, j in pairs]
        if not alike.all():
            first, second = first[~alike], second[~alike]
            windows = self._windows(self._crops(first, second), first, second)
            counts[~alike] = [np.count_nonzero(window & other) for window, other in windows]
        return counts

    def separate(
        self, first: np.ndarray, second: np.ndarray, priorities: np.ndarray, bases: np.ndarray, loss_threshold: float
    ) -> None:
        """Give each contested pixel to one mask; empty those that lose too much.

        Args:
            first: (K,) int, one mask of each pair that may overlap.
            second: (K,) int, the other; the boxes of a pair touch.
            priorities: (N,) int, all different; the higher wins.
            bases: (N,) number, what a mask's loss is measured against, such as its area.
            loss_threshold: a mask that loses more than this fraction is emptied.

        Example:
            >>> masks = BitMasks(np.array([[0, 0, 1, 2], [0, 0, 1, 3]]), [0b011, 0b111])
            >>> masks.separate(np.array([0]), np.array([1]), np.array([1, 2]), np.array([2, 3]), 0.7)
            >>> masks.bits, masks.areas
            ([0, 7], [0, 3])
        """
        wins = priorities[first] > priorities[second]
        winners, losers = np.where(wins, first, second), np.where(wins, second, first)
        alike = self._strides[first] == self._strides[second]
        for winner, loser in zip(winners[alike].tolist(), losers[alike].tolist(), strict=True):
            shared = self._shared(winner, loser)
            if shared:
                self.bits[loser] ^= shared
                self.areas[loser] -= shared.bit_count()
        if not alike.all():
            self._cut_crops(winners[~alike], losers[~alike])
        with np.errstate(invalid="ignore", divide="ignore"):
            losses = (bases - np.array(self.areas, dtype=np.int64)) / bases
        for i in np.flatnonzero(losses > loss_threshold).tolist():
            self.bits[i] = self.areas[i] = 0

    def _shared(self, first: int, second: int) -> int:
        """Return the pixels shared by two masks of the same stride, as bits of the second."""
        offset = self._corners[first] - self._corners[second]
        bits = self.bits[first]
        return self.bits[second] & (bits << offset if offset >= 0 else bits >> -offset)

    def _cut_crops(self, winners: np.ndarray, losers: np.ndarray) -> None:
        """Remove from the losers what they share with the winners, (K,) int each, whatever their strides."""
        crops = self._crops(winners, losers)
        for window, cut in self._windows(crops, winners, losers):
            np.greater(cut, window, out=cut)  # for bools: cut and not window
        changed = np.unique(losers)
        bits = pack_masks(self.boxes[changed], [crops[i] for i in changed.tolist()])
        for i, mask in zip(changed.tolist(), bits, strict=True):
            self.bits[i], self.areas[i] = mask, mask.bit_count()

    def _crops(self, first: np.ndarray, second: np.ndarray) -> dict[int, np.ndarray]:
        """Return the bool crops of all masks in the pairs."""
        which = np.unique([first, second])
        crops = unpack_masks(self.boxes[which], [self.bits[i] for i in which.tolist()])
        return dict(zip(which.tolist(), crops, strict=True))

    def _windows(
        self, crops: dict[int, np.ndarray], first: np.ndarray, second: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield both crops of each pair within the intersection of their boxes."""
        boxes, others = self.boxes[first], self.boxes[second]
        both = shared_boxes(boxes, others)
        windows = (both - boxes[:, _CORNER]).tolist(), (both - others[:, _CORNER]).tolist()
        for i, j, (y1, x1, y2, x2), (v1, u1, v2, u2) in zip(first.tolist(), second.tolist(), *windows, strict=True):
            yield crops[i][y1:y2, x1:x2], crops[j][v1:v2, u1:u2]


def find_strides(boxes: np.ndarray) -> np.ndarray:
    """Return the strides, (N,) int64, of masks with the given boxes, (N, 4) int.

    Example:
        >>> find_strides(np.array([[0, 0, 5, 48], [0, 0, 5, 49]])).tolist()
        [96, 384]
    """
    return _STRIDES[(_STRIDES // 2).searchsorted(boxes[:, 3] - boxes[:, 1])]


def find_offsets(boxes: np.ndarray, new_boxes: np.ndarray, strides: np.ndarray) -> np.ndarray:
    """Return the shifts in bits, (N,) int64, that move masks from their boxes into others, (N, 4) int each."""
    return (boxes[:, 0] - new_boxes[:, 0]) * strides + boxes[:, 1] - new_boxes[:, 1]


def restride(bits: int, stride: int, new_stride: int) -> int:
    """Move the rows of a mask to a wider stride.

    Example:
        >>> hex(restride(0x0302, 8, 16))
        '0x30002'
    """
    if stride == new_stride:
        return bits
    height = -(-bits.bit_length() // stride)
    rows = np.zeros((height, new_stride // 8), dtype=np.uint8)
    packed = np.frombuffer(bits.to_bytes(height * stride // 8, "little"), dtype=np.uint8)
    rows[:, : stride // 8] = packed.reshape(height, stride // 8)
    return int.from_bytes(rows.tobytes(), "little")


def pack_masks(boxes: np.ndarray, masks: Sequence[np.ndarray]) -> list[int]:
    """Return the bool crops of boxes, (N, 4) int, as integers.

    Example:
        >>> pack_masks(np.array([[0, 7, 1, 9]]), [np.array([[True, True]])])
        [3]
    """
    bits: list[int] = []
    for start in range(0, len(masks), _BATCH):
        bits += _pack_batch(boxes[start : start + _BATCH], masks[start : start + _BATCH])
    return bits


def unpack_masks(boxes: np.ndarray, bits: Sequence[int]) -> list[np.ndarray]:
    """Return the masks of boxes, (N, 4) int, as bool crops.

    Example:
        >>> unpack_masks(np.array([[0, 7, 1, 9]]), [3])
        [array([[ True,  True]])]
    """
    crops = []
    sizes = (boxes[:, 2:] - boxes[:, :2]).tolist()
    for mask, (height, width), stride in zip(bits, sizes, find_strides(boxes).tolist(), strict=True):
        packed = np.frombuffer(mask.to_bytes(height * stride // 8, "little"), dtype=np.uint8)
        rows = packed.reshape(height, stride // 8)[:, : -(-width // 8)]
        crops.append(np.unpackbits(rows, axis=1, count=width, bitorder="little").view(bool))
    return crops


def find_priorities(values: np.ndarray, published: bool) -> np.ndarray:
    """Return priorities, (N,) int; the highest wins a contested pixel.

    Args:
        values: (N,) float; the higher wins, ties go to the earlier.
        published: as in the published third-place code, use the sorting permutation as the rank. Its sort was unstable,
            with another order of ties on another processor; this one is stable, as that one was for up to 16 values on
            processors without AVX-512.
    """
    if published:
        return np.argsort(values, kind="stable")[::-1]
    priorities = np.empty(len(values), dtype=np.intp)
    priorities[np.argsort(-values, kind="stable")] = np.arange(len(values), 0, -1)
    return priorities


def _pack_batch(boxes: np.ndarray, masks: Sequence[np.ndarray]) -> list[int]:
    strides = find_strides(boxes)
    heights, widths = (boxes[:, 2:] - boxes[:, :2]).T
    ends = np.cumsum(heights * strides)
    pixels = np.zeros(ends[-1], dtype=bool)
    spans = pairwise([0, *ends.tolist()])
    for mask, (start, end), stride, width in zip(masks, spans, strides.tolist(), widths.tolist(), strict=True):
        pixels[start:end].reshape(-1, stride)[:, :width] = mask
    packed = np.packbits(pixels, bitorder="little").tobytes()
    return [int.from_bytes(packed[start:end], "little") for start, end in pairwise([0, *(ends // 8).tolist()])]
