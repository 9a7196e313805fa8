"""Runs of pixels down the columns of an image: found in crops, joined, split, and intersected between two sets."""

from dataclasses import dataclass

import numpy as np

from common.masks.instances import Instances


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of N masks, mask after mask, each mask's in ascending order.

    Attributes:
        starts: (R,) int64, first pixel of each run, 0-based, column-major.
        stops: (R,) int64, one past the last pixel.
        owners: (R,) int64, the mask that each run belongs to.
        num_masks: N, including masks without runs.
    """

    starts: np.ndarray
    stops: np.ndarray
    owners: np.ndarray
    num_masks: int

    @property
    def areas(self) -> np.ndarray:
        """(N,) int64, pixels in each mask."""
        return np.bincount(self.owners, self.stops - self.starts, self.num_masks).astype(np.int64)


def find_runs(instances: Instances, image_height: int) -> Runs:
    """Return the runs of objects; those that continue in the next column are not yet joined.

    Args:
        instances: N objects inside the image.
        image_height: pixels.
    """
    boxes = instances.boxes.astype(np.int64)
    # All columns of all crops in one row, each followed by a blank pixel.
    pitches, widths = boxes[:, 2] - boxes[:, 0] + 1, boxes[:, 3] - boxes[:, 1]
    offsets = np.concatenate([[0], np.cumsum(pitches * widths)])
    buffer = np.zeros(offsets[-1] + 1, dtype=np.int8)
    spans = zip(offsets.tolist(), pitches.tolist(), widths.tolist(), strict=False)
    for mask, (at, pitch, width) in zip(instances.masks, spans, strict=True):
        buffer[at : at + pitch * width].reshape(width, pitch)[:, :-1] = mask.T
    edges = np.flatnonzero(np.diff(buffer, prepend=0)).reshape(-1, 2)
    owners = np.searchsorted(offsets, edges[:, 0], side="right") - 1
    columns, rows = np.divmod(edges[:, 0] - offsets[owners], pitches[owners])
    starts = (boxes[owners, 1] + columns) * image_height + boxes[owners, 0] + rows
    return Runs(starts, starts + edges[:, 1] - edges[:, 0], owners, len(instances))


def fill_runs(runs: Runs, image_height: int) -> Instances:
    """Return the objects of runs; memory grows with the area of their boxes.

    Args:
        runs: of N masks.
        image_height: pixels.

    Returns:
        N objects in their smallest boxes.
    """
    runs = _split_at_columns(runs, image_height)
    columns, tops = np.divmod(runs.starts, image_height)
    bottoms = runs.stops - columns * image_height
    boxes = _run_boxes(tops, bottoms, columns, runs)
    heights, widths = (boxes[:, 2:] - boxes[:, :2]).T
    offsets = np.concatenate([[0], np.cumsum(heights * widths)])
    to_buffer = (offsets[:-1] - boxes[:, 1] * heights - boxes[:, 0])[runs.owners] + columns * heights[runs.owners]
    # +1 where a run starts, -1 where it stops; the cumulative sum is the mask.
    steps = np.zeros(offsets[-1] + 1, dtype=np.int8)
    steps[to_buffer + tops] += 1
    steps[to_buffer + bottoms] -= 1
    filled = np.cumsum(steps, dtype=np.int8).view(bool)
    spans = zip(offsets, widths, heights, strict=False)
    crops = [filled[at : at + w * h].reshape(w, h).T.copy() for at, w, h in spans]
    return Instances.from_crops(boxes, crops)


def join_touching(runs: Runs) -> Runs:
    """Join the runs of a mask that start where the previous one stops."""
    parted = np.ones(len(runs.starts) + 1, dtype=bool)
    parted[1:-1] = (runs.starts[1:] != runs.stops[:-1]) | (runs.owners[1:] != runs.owners[:-1])
    first, last = parted[:-1], parted[1:]
    return Runs(runs.starts[first], runs.stops[last], runs.owners[first], runs.num_masks)


def shared_run_pixels(runs: Runs, others: Runs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count the pixels shared between masks of two sets.

    Args:
        runs: of N masks, which may overlap.
        others: of M masks of the same image, likewise.

    Returns:
        Indices into both sets, and the number of shared pixels, (K,) int64 each: every pair that shares any, once,
        sorted by the first, then the second.

    Example:
        >>> pair = Runs(np.array([0, 1]), np.array([2, 3]), np.array([0, 1]), 2)
        >>> [part.tolist() for part in shared_run_pixels(pair, pair)]
        [[0, 0, 1, 1], [0, 1, 0, 1], [2, 1, 1, 2]]
    """
    starts, stops = np.concatenate([runs.starts, others.starts]), np.concatenate([runs.stops, others.stops])
    cells = np.concatenate([runs.owners * others.num_masks, others.owners])  # the sum of two is an index into (N, M)
    # The order rides along in the lower bits: twice as fast as argsort.
    num_bits = len(starts).bit_length()
    keys = np.sort(starts << num_bits | np.arange(len(starts)))
    starts, order = keys >> num_bits, keys & (1 << num_bits) - 1
    stops, cells, mine = stops[order], cells[order], order < len(runs.starts)
    reaching = np.flatnonzero(starts[1:] < stops[:-1])  # into the next run or beyond
    which, count = _count_up(starts.searchsorted(stops[reaching]) - reaching - 1)
    earlier = reaching[which]
    later = earlier + 1 + count
    across = mine[earlier] != mine[later]
    if not across.all():
        earlier, later = earlier[across], later[across]
    lengths = np.minimum(stops[earlier], stops[later]) - starts[later]
    shared = np.bincount(cells[earlier] + cells[later], lengths, runs.num_masks * others.num_masks)
    present = np.flatnonzero(shared > 0)
    return *np.divmod(present, max(others.num_masks, 1)), shared[present].astype(np.int64)


def _split_at_columns(runs: Runs, image_height: int) -> Runs:
    """Split runs into parts that each lie within one column of the image."""
    first = runs.starts // image_height
    num_parts = (runs.stops - 1) // image_height - first + 1
    whole, part = _count_up(num_parts)
    columns = first[whole] + part
    starts = np.maximum(runs.starts[whole], columns * image_height)
    stops = np.minimum(runs.stops[whole], (columns + 1) * image_height)
    return Runs(starts, stops, runs.owners[whole], runs.num_masks)


def _run_boxes(tops: np.ndarray, bottoms: np.ndarray, columns: np.ndarray, runs: Runs) -> np.ndarray:
    """Return the smallest boxes, (N, 4) int64, around runs that lie within columns; zeros for a mask without runs."""
    boxes = np.zeros((runs.num_masks, 4), dtype=np.int64)
    present, first = np.unique(runs.owners, return_index=True)
    if len(present):
        boxes[present, 0] = np.minimum.reduceat(tops, first)
        boxes[present, 1] = np.minimum.reduceat(columns, first)
        boxes[present, 2] = np.maximum.reduceat(bottoms, first)
        boxes[present, 3] = np.maximum.reduceat(columns, first) + 1
    return boxes


def _count_up(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each index repeated `counts`, (N,) int, times, and beside each repeat its number: 0, 1, 2 ..."""
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
