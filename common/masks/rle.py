"""Run lengths: 1-based `start length` pairs, Kaggle's format for masks; mostly column-major, sometimes row-major."""

from collections.abc import Sequence
from itertools import chain, pairwise

import cv2
import numpy as np

from common.masks.instances import Instances
from common.masks.runs import Runs, fill_runs, find_runs, join_touching


def encode_rle(mask: np.ndarray) -> str:
    """Encode a mask as run lengths, column by column.

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
    """Decode a mask from run lengths, column by column.

    Args:
        text: `start length` pairs, 1-based, column-major.
        image_shape: (height, width).

    Returns:
        (H, W) bool.

    Raises:
        ValueError: the text is not a list of sorted, disjoint runs within the image.

    Example:
        >>> decode_rle("2 3", (2, 2)).astype(int).tolist()
        [[0, 1], [1, 1]]
    """
    return decode_instances([text], image_shape).to_masks(image_shape)[0]


def encode_label_image(label_image: np.ndarray) -> list[str]:
    """Encode the objects of a label image as run lengths, column by column, in one pass over the image.

    Args:
        label_image: (H, W) int or bool, 0 = background.

    Returns:
        One text per label, ascending.

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


def encode_instances(instances: Instances, image_shape: tuple[int, int], *, by_rows: bool = False) -> list[str]:
    """Encode objects, which may overlap, as run lengths.

    Args:
        instances: N objects inside the image.
        image_shape: (height, width).
        by_rows: count the pixels row by row instead of column by column.

    Returns:
        N texts; '' for an object without pixels.

    Example:
        >>> encode_instances(Instances.from_crops(np.array([[0, 1, 2, 2]]), [np.ones((2, 1))]), (2, 2))
        ['3 2']
    """
    if by_rows:
        return encode_instances(instances.transpose(), image_shape[::-1])
    runs = join_touching(find_runs(instances, image_shape[0]))
    return _write_runs(runs.starts, runs.stops, np.searchsorted(runs.owners, np.arange(runs.num_masks)))


def decode_instances(texts: Sequence[str], image_shape: tuple[int, int], *, by_rows: bool = False) -> Instances:
    """Decode objects from run lengths; memory grows with the area of their boxes.

    Args:
        texts: one per object; '' for an object without pixels.
        image_shape: (height, width).
        by_rows: the pixels are counted row by row instead of column by column.

    Returns:
        N objects in their smallest boxes.

    Raises:
        ValueError: a text is not a list of sorted, disjoint runs within the image.

    Example:
        >>> decode_instances(["3 2", ""], (2, 2)).boxes.tolist()
        [[0, 1, 2, 2], [0, 0, 0, 0]]
        >>> decode_instances(["3 2"], (2, 2), by_rows=True).boxes.tolist()
        [[1, 0, 2, 2]]
    """
    if by_rows:
        return decode_instances(texts, image_shape[::-1]).transpose()
    return fill_runs(parse_runs(texts, image_shape[0] * image_shape[1]), image_shape[0])


def parse_runs(texts: Sequence[str], num_pixels: int) -> Runs:
    """Parse and check the runs of several masks.

    Args:
        texts: `start length` pairs, one text per mask.
        num_pixels: of the image.

    Returns:
        The runs, mask after mask.

    Raises:
        ValueError: an odd count, not a number, zero or a negative number, unsorted or overlapping runs, a run past the
            end of the image. The message names the mask and the run.

    Example:
        >>> parse_runs(["1 2 7 1"], 9).stops.tolist()
        [2, 7]
    """
    numbers, counts = _parse_numbers(texts)
    if (counts % 2).any():
        mask = int(np.flatnonzero(counts % 2)[0])
        raise ValueError(f"mask {mask}: {counts[mask]} numbers; runs are start-length pairs")
    starts = numbers[::2] - 1
    runs = Runs(starts, starts + numbers[1::2], np.arange(len(texts)).repeat(counts // 2), len(texts))
    _check_runs(runs, num_pixels)
    return runs


_LARGEST = 2**62 - 1  # so that start + length does not overflow


def _parse_numbers(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return all the numbers, (K,) int64, and how many each text has, (N,) int64."""
    joined = " ".join(texts)
    if joined and not joined.encode().translate(None, delete=b"0123456789 "):
        numbers = np.fromstring(joined, dtype=np.int64, sep=" ")
        counts = np.array([text.count(" ") + 1 for text in texts], dtype=np.int64)
        # Without single spaces between all numbers, the counts are too high; numbers beyond 64 bits are saturated.
        if counts.sum() == len(numbers) and numbers.max() <= _LARGEST:
            return numbers, counts
    tokens = [text.split() for text in texts]
    counts = np.array([len(words) for words in tokens], dtype=np.int64)
    try:
        numbers = np.array(list(map(int, chain.from_iterable(tokens))), dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"runs must be integers: {error}") from None
    if numbers.max(initial=0) > _LARGEST:
        raise ValueError(f"{numbers.max()} is past the end of any image")
    return numbers, counts


def _check_runs(runs: Runs, num_pixels: int) -> None:
    too_early = np.zeros(len(runs.starts), dtype=bool)
    too_early[1:] = runs.starts[1:] < runs.stops[:-1]
    too_early[1:] &= runs.owners[1:] == runs.owners[:-1]
    problems = {
        "starts must be at least 1": runs.starts < 0,
        "lengths must be at least 1": runs.stops <= runs.starts,
        f"the run ends past the image's {num_pixels} pixels": runs.stops > num_pixels,
        "the run starts before the previous one ends; runs must be sorted and disjoint": too_early,
    }
    for problem, where in problems.items():
        if where.any():
            i = int(np.argmax(where))
            start, length = runs.starts[i] + 1, runs.stops[i] - runs.starts[i]
            raise ValueError(f"mask {runs.owners[i]}, run '{start} {length}': {problem}")


def _label_changes(label_image: np.ndarray) -> np.ndarray:
    """Return the column-major positions at which runs of equal labels start, background included."""
    height, width = label_image.shape
    if not label_image.size:
        return np.zeros(0, dtype=np.int64)
    changes = np.empty((height, width), dtype=np.uint8)
    changes[0, 0] = True
    np.not_equal(label_image[0, 1:], label_image[-1, :-1], out=changes[0, 1:], casting="unsafe")
    np.not_equal(label_image[1:], label_image[:-1], out=changes[1:], casting="unsafe")
    return np.flatnonzero(cv2.transpose(changes).view(bool))


def _write_runs(starts: np.ndarray, stops: np.ndarray, first: np.ndarray) -> list[str]:
    """Return one text per mask; `first` holds the index of each mask's first run."""
    numbers = np.stack([starts + 1, stops - starts], axis=1).ravel().tolist()
    bounds = [*(2 * first).tolist(), len(numbers)]
    return [" ".join(map(str, numbers[a:b])) for a, b in pairwise(bounds)]
