"""COCO's segmentations, polygons or run lengths, to objects and back.

pycocotools fills the polygons, so that masks equal the scorer's to the last pixel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from pycocotools import mask as coco_mask

from common.annotations.values import read_polygon
from common.masks.instances import Instances
from common.masks.runs import Runs, fill_runs

LONGEST_NUMBER = 12  # characters of a compressed count: 60 bits


@dataclass(frozen=True, slots=True)
class RunLengths:
    """A mask as alternating counts of pixels outside and inside, column by column.

    Attributes:
        image_shape: (height, width), pixels.
        counts: (K,) int64.
    """

    image_shape: tuple[int, int]
    counts: np.ndarray


Segmentation: TypeAlias = list[np.ndarray] | RunLengths  # polygons, (2 K,) float64 x, y, x, y ... each


def read_segmentation(value: object) -> Segmentation:
    """Parse an annotation's `segmentation`.

    Args:
        value: from JSON: a list of polygons, or an object with size and counts, compressed or not.

    Raises:
        ValueError: neither, or damaged.
    """
    if isinstance(value, list):
        if not value:
            raise ValueError("no polygons")
        return [read_polygon(numbers) for numbers in value]
    if not isinstance(value, dict) or not {"size", "counts"} <= value.keys():
        raise ValueError("neither polygons nor run lengths")
    counts = value["counts"]
    decoded = decode_counts(counts) if isinstance(counts, str) else np.array(counts)
    if decoded.dtype.kind == "f" and (decoded == np.rint(decoded)).all():
        decoded = decoded.astype(np.int64)
    height, width = map(int, value["size"])
    if decoded.ndim != 1 or decoded.dtype.kind != "i" or decoded.min(initial=0) < 0:
        raise ValueError("counts must be non-negative integers")
    if decoded.sum() != height * width:
        raise ValueError(f"counts sum to {decoded.sum()} pixels, but {height} x {width} has {height * width}")
    return RunLengths((height, width), decoded.astype(np.int64))


def segmentation_instances(
    segmentations: Sequence[Segmentation],
    image_shape: tuple[int, int],
    class_ids: Sequence[int] | np.ndarray | None = None,
) -> Instances:
    """Fill segmentations; memory grows with the area of their boxes.

    Args:
        segmentations: of N objects.
        image_shape: (height, width), pixels; also that of the run lengths.
        class_ids: (N,) int, 1-based; 1 by default.

    Returns:
        N objects; one without a pixel is empty.

    Example:
        >>> square = [np.array([1.0, 0, 3, 0, 3, 2, 1, 2])]
        >>> segmentation_instances([square], (4, 4)).boxes.tolist()
        [[0, 1, 2, 3]]
    """
    edges = [np.cumsum(_counts(segmentation, image_shape)) for segmentation in segmentations]
    starts = [part[0::2][: len(part) // 2] for part in edges]  # an odd last count ends the image
    stops = [part[1::2] for part in edges]
    owners = np.repeat(np.arange(len(edges)), [len(part) for part in stops])
    nothing = np.zeros(0, np.int64)
    runs = Runs(np.concatenate([nothing, *starts]), np.concatenate([nothing, *stops]), owners, len(edges))
    long = runs.stops > runs.starts
    objects = fill_runs(Runs(runs.starts[long], runs.stops[long], owners[long], len(edges)), image_shape[0])
    return Instances.from_crops(objects.boxes, objects.masks, class_ids)


def runs_to_segmentations(runs: Runs, image_shape: tuple[int, int]) -> list[dict]:
    """Encode masks in COCO's results format.

    Args:
        runs: of N masks, joined where they touch.
        image_shape: (height, width), pixels.

    Returns:
        N times `size` and compressed `counts`.

    Example:
        >>> runs_to_segmentations(Runs(np.array([2]), np.array([5]), np.array([0]), 1), (3, 3))
        [{'size': [3, 3], 'counts': '234'}]
    """
    height, width = image_shape
    bounds = np.searchsorted(runs.owners, np.arange(runs.num_masks + 1))
    written = []
    for first, last in pairwise(bounds.tolist()):
        edges = np.stack([runs.starts[first:last], runs.stops[first:last]], axis=1).ravel()
        counts = np.diff(edges, prepend=0, append=height * width)
        whole = counts[:-1] if len(edges) and not counts[-1] else counts
        compressed = coco_mask.frPyObjects({"size": [height, width], "counts": whole.tolist()}, height, width)
        written.append({"size": [height, width], "counts": compressed["counts"].decode()})
    return written


def decode_counts(text: str) -> np.ndarray:
    """Decode compressed counts.

    Every character holds five bits of a number, lowest first, and a sixth that tells whether more follow; the highest
    bit is the sign. From the fourth number on, each is the difference from the one two before it.

    Args:
        text: from an annotation or a result.

    Returns:
        (K,) int64.

    Raises:
        ValueError: malformed text.

    Example:
        >>> decode_counts("234").tolist()
        [2, 3, 4]
    """
    codes = np.frombuffer(text.encode(), np.uint8).astype(np.int64) - ord("0")
    (ends,) = np.nonzero(codes & 32 == 0)
    if codes.min(initial=0) < 0 or codes.max(initial=0) > 63 or (len(codes) and ends[-1:] != len(codes) - 1):
        raise ValueError("counts are damaged")
    lengths = np.diff(ends, prepend=-1)
    if lengths.max(initial=0) > LONGEST_NUMBER:
        raise ValueError("counts are damaged")
    places = np.arange(len(codes)) - np.repeat(ends + 1 - lengths, lengths)
    numbers = np.add.reduceat((codes & 31) << 5 * places, ends + 1 - lengths) if len(codes) else codes
    numbers -= (codes[ends] >> 4 & 1) << 5 * lengths
    numbers[1::2], numbers[2::2] = np.cumsum(numbers[1::2]), np.cumsum(numbers[2::2])
    return numbers


def _counts(segmentation: Segmentation, image_shape: tuple[int, int]) -> np.ndarray:
    if isinstance(segmentation, RunLengths):
        return segmentation.counts
    union = coco_mask.merge(coco_mask.frPyObjects(segmentation, *image_shape))
    return decode_counts(union["counts"].decode())


def outer_box(segmentation: Segmentation) -> tuple[float, float, float, float] | None:
    """Return the box around an outline, y1, x1, y2, x2, pixels, which may reach beyond the image; None without area.

    Example:
        >>> outer_box([np.array([1.0, 0, 3, 0, 3, 2, 1, 2])])
        (0.0, 1.0, 2.0, 3.0)
        >>> outer_box(RunLengths((2, 2), np.array([4])))
    """
    if isinstance(segmentation, RunLengths):
        return _run_box(segmentation)
    spread = [polygon for polygon in segmentation if _doubled_area(polygon)]
    if not spread:
        return None
    corners = (spread[0] if len(spread) == 1 else np.concatenate(spread)).reshape(-1, 2)
    (x1, y1), (x2, y2) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return y1, x1, y2, x2


def box_fits(box: object, segmentation: Segmentation) -> bool:
    """Return whether an annotation's `bbox` overlaps the box around its outline by at least half of both.

    Args:
        box: from JSON: x, y, width, height; one that is missing or empty fits.
        segmentation: the outline.
    """
    outer = outer_box(segmentation)
    if not isinstance(box, list) or not box or outer is None:
        return True
    if len(box) != 4 or not all(isinstance(side, int | float) and np.isfinite(side) for side in box):
        return False
    y1, x1, y2, x2 = outer
    height, width = (max(0.0, min(a + b, d) - max(a, c)) for a, b, c, d in ((*box[1::2], y1, y2), (*box[::2], x1, x2)))
    union = (y2 - y1) * (x2 - x1) + box[2] * box[3] - height * width
    return height * width >= union / 2 or min(y2 - y1, x2 - x1) < 2  # of what is thin, a rounding is much


def _run_box(runs: RunLengths) -> tuple[float, float, float, float] | None:
    edges = np.cumsum(runs.counts)
    starts, stops = edges[::2][: len(edges) // 2], edges[1::2]
    starts, stops = starts[stops > starts], stops[stops > starts]
    height = runs.image_shape[0]
    if not len(starts):
        return None
    first, last = starts // height, (stops - 1) // height
    whole = (last > first).any()
    y1, y2 = (0, height) if whole else ((starts % height).min(), ((stops - 1) % height).max() + 1)
    return float(y1), float(first.min()), float(y2), float(last.max() + 1)


def _doubled_area(polygon: np.ndarray) -> float:
    x, y = polygon[::2], polygon[1::2]
    return float(x[1:] @ y[:-1] - y[1:] @ x[:-1] + x[0] * y[-1] - y[0] * x[-1])
