"""Run lengths: column-major, 1-based `start length` pairs, as Kaggle's segmentation competitions write masks."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import cv2
import numpy as np

from common.instances import Instances


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs of several masks, mask after mask, each mask's in ascending order.

    Attributes:
        starts: (R,) int64, first pixel of each run, 0-based, column-major.
        stops: (R,) int64, one past the last pixel.
        owners: (R,) int64, which mask each run belongs to.
    """

    starts: np.ndarray
    stops: np.ndarray
    owners: np.ndarray


def encode_rle(mask: np.ndarray) -> str:
    """Write a mask as run lengths.

    Args:
        mask: (H, W) bool.

    Returns:
        `start length` pairs, 1-based, column-major; '' for an empty mask.

    Source: the 2018 Data Science Bowl's evaluation page.

    Example:
        >>> encode_rle(np.array([[0, 1], [1, 1]]))
        '2 3'
    """
    return "".join(encode_label_image(np.asarray(mask).astype(bool)))


def decode_rle(text: str, image_shape: tuple[int, int]) -> np.ndarray:
    """Read a mask from run lengths.

    Args:
        text: `start length` pairs, 1-based, column-major.
        image_shape: (height, width).

    Returns:
        (H, W) bool.

    Raises:
        ValueError: the text is not a list of sorted, disjoint runs inside the picture.

    Example:
        >>> decode_rle("2 3", (2, 2)).astype(int).tolist()
        [[0, 1], [1, 1]]
    """
    return decode_instances([text], image_shape).to_masks(image_shape)[0]


def encode_label_image(label_image: np.ndarray) -> list[str]:
    """Write the objects of a label image as run lengths, in one pass over the picture.

    Args:
        label_image: (H, W) int or bool, 0 = background.

    Returns:
        One text a label present, labels ascending.

    Example:
        >>> encode_label_image(np.array([[5, 2], [5, 2]]))
        ['3 2', '1 2']
    """
    starts = _label_changes(label_image)
    stops = np.append(starts[1:], label_image.size)
    columns, rows = np.divmod(starts, max(label_image.shape[0], 1))
    labels = label_image[rows, columns]
    order = np.argsort(labels, kind="stable")
    order = order[np.searchsorted(labels[order], 0, side="right") :]
    first = np.flatnonzero(np.diff(labels[order], prepend=0))
    return _write_runs(starts[order], stops[order], first)


def encode_instances(instances: Instances, image_shape: tuple[int, int]) -> list[str]:
    """Write objects, which may overlap, as run lengths.

    Args:
        instances: N objects inside the picture.
        image_shape: (height, width).

    Returns:
        N texts; '' for an object without pixels.

    Example:
        >>> encode_instances(Instances.from_crops(np.array([[0, 1, 2, 2]]), [np.ones((2, 1))]), (2, 2))
        ['3 2']
    """
    runs = _join_touching(_crop_runs(instances, image_shape[0]))
    return _write_runs(runs.starts, runs.stops, np.searchsorted(runs.owners, np.arange(len(instances))))


def decode_instances(texts: Sequence[str], image_shape: tuple[int, int]) -> Instances:
    """Read objects from run lengths; memory follows the area of their boxes.

    Args:
        texts: N texts, one an object; '' for an object without pixels.
        image_shape: (height, width).

    Returns:
        N objects in their smallest boxes.

    Raises:
        ValueError: a text is not a list of sorted, disjoint runs inside the picture.

    Example:
        >>> decode_instances(["3 2", ""], (2, 2)).boxes.tolist()
        [[0, 1, 2, 2], [0, 0, 0, 0]]
    """
    height, width = image_shape
    runs = _split_at_columns(parse_runs(texts, height * width), height)
    columns, tops = np.divmod(runs.starts, height)
    bottoms = runs.stops - columns * height
    boxes = _run_boxes(tops, bottoms, columns, runs.owners, len(texts))
    heights, widths = (boxes[:, 2:] - boxes[:, :2]).T
    offsets = np.concatenate([[0], np.cumsum(heights * widths)])
    to_buffer = (offsets[:-1] - boxes[:, 1] * heights - boxes[:, 0])[runs.owners] + columns * heights[runs.owners]
    # A step up where a run starts and down where it stops; the running sum is the mask.
    steps = np.zeros(offsets[-1] + 1, dtype=np.int8)
    steps[to_buffer + tops] += 1
    steps[to_buffer + bottoms] -= 1
    filled = np.cumsum(steps, dtype=np.int8).view(bool)
    spans = zip(offsets, widths, heights, strict=False)
    crops = [filled[at : at + w * h].reshape(w, h).T.copy() for at, w, h in spans]
    return Instances.from_crops(boxes, crops)


def parse_runs(texts: Sequence[str], num_pixels: int) -> Runs:
    """Read and check the runs of several masks.

    Args:
        texts: `start length` pairs, one text a mask.
        num_pixels: of the picture.

    Returns:
        The runs, mask after mask.

    Raises:
        ValueError: odd count, something that is not a number, a zero or negative number, runs that are not
            sorted or overlap, a run past the picture's end. The message says which mask and run.

    Example:
        >>> parse_runs(["1 2 7 1"], 9).stops.tolist()
        [2, 7]
    """
    tokens = [text.split() for text in texts]
    counts = np.array([len(words) for words in tokens], dtype=np.int64)
    if (counts % 2).any():
        mask = int(np.flatnonzero(counts % 2)[0])
        raise ValueError(f"mask {mask}: {counts[mask]} numbers; runs are pairs of start and length")
    numbers = _parse_numbers(tokens).reshape(-1, 2)
    starts = numbers[:, 0] - 1
    runs = Runs(starts, starts + numbers[:, 1], np.repeat(np.arange(len(texts)), counts // 2))
    _check_runs(runs, num_pixels)
    return runs


def _parse_numbers(tokens: list[list[str]]) -> np.ndarray:
    """Return all the numbers, (K,) int64."""
    try:
        return np.array(list(map(int, chain.from_iterable(tokens))), dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"runs are whole numbers: {error}") from None


def _check_runs(runs: Runs, num_pixels: int) -> None:
    same_mask = runs.owners[1:] == runs.owners[:-1]
    too_early = np.zeros(len(runs.starts), dtype=bool)
    too_early[1:] = same_mask & (runs.starts[1:] < runs.stops[:-1])
    problems = {
        "starts are 1 or more": runs.starts < 0,
        "lengths are 1 or more": runs.stops <= runs.starts,
        f"the run ends past the picture's {num_pixels} pixels": runs.stops > num_pixels,
        "the run starts before the one in front of it ends; runs are sorted and never overlap": too_early,
    }
    for problem, where in problems.items():
        if where.any():
            i = int(np.argmax(where))
            start, length = runs.starts[i] + 1, runs.stops[i] - runs.starts[i]
            raise ValueError(f"mask {runs.owners[i]}, run '{start} {length}': {problem}")


def _label_changes(label_image: np.ndarray) -> np.ndarray:
    """Return the positions, column-major, at which a run of equal labels starts, background included."""
    height, width = label_image.shape
    if not label_image.size:
        return np.zeros(0, dtype=np.int64)
    changes = np.empty((height, width), dtype=np.uint8)
    changes[0, 0] = True
    np.not_equal(label_image[0, 1:], label_image[-1, :-1], out=changes[0, 1:], casting="unsafe")
    np.not_equal(label_image[1:], label_image[:-1], out=changes[1:], casting="unsafe")
    return np.flatnonzero(cv2.transpose(changes).view(bool))


def _crop_runs(instances: Instances, image_height: int) -> Runs:
    """Return the runs of the objects' columns, not yet joined where a run goes on in the next column."""
    boxes = instances.boxes.astype(np.int64)
    # Each column of a crop gets a blank pixel at its end, and all columns of all crops stand in one row.
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
    return Runs(starts, starts + edges[:, 1] - edges[:, 0], owners)


def _join_touching(runs: Runs) -> Runs:
    """Join the runs of a mask that go on where the one before stops."""
    parted = np.ones(len(runs.starts) + 1, dtype=bool)
    parted[1:-1] = (runs.starts[1:] != runs.stops[:-1]) | (runs.owners[1:] != runs.owners[:-1])
    return Runs(runs.starts[parted[:-1]], runs.stops[parted[1:]], runs.owners[parted[:-1]])


def _split_at_columns(runs: Runs, height: int) -> Runs:
    """Cut runs into parts that each lie within one column of the picture."""
    first = runs.starts // height
    parts = (runs.stops - 1) // height - first + 1
    runs_of_parts = np.repeat(np.arange(len(parts)), parts)
    columns = first[runs_of_parts] + np.arange(len(runs_of_parts)) - np.repeat(np.cumsum(parts) - parts, parts)
    starts = np.maximum(runs.starts[runs_of_parts], columns * height)
    stops = np.minimum(runs.stops[runs_of_parts], (columns + 1) * height)
    return Runs(starts, stops, runs.owners[runs_of_parts])


def _run_boxes(
    tops: np.ndarray, bottoms: np.ndarray, columns: np.ndarray, owners: np.ndarray, count: int
) -> np.ndarray:
    """Return the smallest boxes, (count, 4) int64, around runs within columns; zeros for a mask without runs."""
    boxes = np.zeros((count, 4), dtype=np.int64)
    present, first = np.unique(owners, return_index=True)
    if len(present):
        boxes[present, 0] = np.minimum.reduceat(tops, first)
        boxes[present, 1] = np.minimum.reduceat(columns, first)
        boxes[present, 2] = np.maximum.reduceat(bottoms, first)
        boxes[present, 3] = np.maximum.reduceat(columns, first) + 1
    return boxes


def _write_runs(starts: np.ndarray, stops: np.ndarray, first: np.ndarray) -> list[str]:
    """Return one text a mask; `first` holds the index of each mask's first run."""
    numbers = np.stack([starts + 1, stops - starts], axis=1).ravel().tolist()
    bounds = [*(2 * first).tolist(), len(numbers)]
    return [" ".join(map(str, numbers[a:b])) for a, b in pairwise(bounds)]
