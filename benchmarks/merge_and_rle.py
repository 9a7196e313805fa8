"""Vote merging and run lengths in crops against the dense way, with a stack of whole masks a prediction.

Run `python benchmarks/merge_and_rle.py`. It checks that both give the same rows, then prints a table of times and of
the memory that each side needs beyond its input. Each side runs in a process of its own.
"""

import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.instances import Instances
from common.masks import tight_instances
from common.merge import merge_views
from common.rle import encode_instances

CASES = (((256, 256), 40), ((520, 696), 100))  # (height, width) and nuclei of the data set's usual pictures
NUM_VIEWS = 15
IOU_THRESHOLD, LOSS_THRESHOLD, MORE_THAN = 0.6, 0.7, 4

Result = TypeVar("Result")


@dataclass(frozen=True)
class Measurement:
    """What one side did: its rows, seconds for either part, and MiB beyond its input."""

    rows: list[str]
    merge_seconds: float
    rle_seconds: float
    peak_mib: float


def main() -> None:
    """Measure every case and print the table."""
    print("| picture | nuclei | part | dense | crops | ratio | dense, peak | crops, peak |")
    print("|---|---|---|---|---|---|---|---|")
    for image_shape, count in CASES:
        dense, crops = (_in_own_process(side, image_shape, count) for side in (measure_dense, measure_crops))
        assert dense.rows == crops.rows, "the two sides disagree"
        assert len(crops.rows) > count // 2, "too few objects to measure"
        parts = (
            ("merge 15 views", dense.merge_seconds, crops.merge_seconds),
            ("run lengths", dense.rle_seconds, crops.rle_seconds),
            ("both", dense.merge_seconds + dense.rle_seconds, crops.merge_seconds + crops.rle_seconds),
        )
        for part, slow, fast in parts:
            print(
                f"| {image_shape[0]}x{image_shape[1]} | {count} | {part} | {slow:.3f} s | {fast * 1000:.1f} ms "
                f"| {slow / fast:.0f} | {dense.peak_mib:.0f} MiB | {crops.peak_mib:.0f} MiB |"
            )


def measure_crops(image_shape: tuple[int, int], count: int) -> Measurement:
    """Measure the product's functions, the best of several times."""
    predictions = predict_views(image_shape, count)
    before = _peak_mib()
    merge_seconds, merged = _best_time(lambda: merge_views(predictions, image_shape), 7)
    rle_seconds, rows = _best_time(lambda: encode_instances(merged, image_shape), 7)
    return Measurement(rows, merge_seconds, rle_seconds, _peak_mib() - before)


def measure_dense(image_shape: tuple[int, int], count: int) -> Measurement:
    """Measure the dense way, the better of two times."""
    stacks = [view.to_masks(image_shape).transpose(1, 2, 0).copy() for view in predict_views(image_shape, count)]
    before = _peak_mib()
    merge_seconds, merged = _best_time(lambda: dense_merge(stacks), 2)
    rle_seconds, rows = _best_time(lambda: dense_rle(merged), 2)
    return Measurement(rows, merge_seconds, rle_seconds, _peak_mib() - before)


def predict_views(image_shape: tuple[int, int], count: int) -> list[Instances]:
    """Return what a good network might see in each view: elliptic nuclei, jittered, a few missed."""
    rng = np.random.default_rng(123)
    radius = 0.24 * np.sqrt(image_shape[0] * image_shape[1] / count)  # the data set's share of nuclei in a picture
    centres = rng.uniform(0, image_shape, size=(count, 2))
    radii = radius * rng.uniform(0.7, 1.3, size=(count, 2))
    views = []
    for _ in range(NUM_VIEWS):
        seen = rng.random(count) < 0.95
        jittered = centres + rng.normal(0, 0.7, size=(count, 2)), radii * rng.uniform(0.95, 1.05, size=(count, 2))
        views.append(draw_ellipses(jittered[0][seen], jittered[1][seen], image_shape))
    return views


def draw_ellipses(centres: np.ndarray, radii: np.ndarray, image_shape: tuple[int, int]) -> Instances:
    """Return upright ellipses, cut at the border; centres and radii are (N, 2), y and x."""
    lows = np.clip(np.floor(centres - radii), 0, image_shape).astype(int)
    highs = np.clip(np.ceil(centres + radii) + 1, 0, image_shape).astype(int)
    crops = []
    for centre, radius, low, high in zip(centres, radii, lows, highs, strict=True):
        rows, columns = np.ogrid[low[0] : high[0], low[1] : high[1]]
        crops.append(((rows - centre[0]) / radius[0]) ** 2 + ((columns - centre[1]) / radius[1]) ** 2 < 1)
    return tight_instances(Instances.from_crops(np.concatenate([lows, highs], axis=1), crops))


def dense_merge(stacks: list[np.ndarray]) -> np.ndarray:
    """Merge (H, W, N) stacks by votes; every step works on whole stacks."""
    votes = stacks[0].astype(int)
    for stack in stacks[1:]:
        mine, theirs = dense_separate(votes > 0), dense_separate(stack)
        alive = mine.any(axis=(0, 1))
        votes, mine, theirs = votes[:, :, alive], mine[:, :, alive], theirs[:, :, theirs.any(axis=(0, 1))]
        ious = dense_ious(mine, theirs)
        best = ious.argmax(axis=1)
        matched = ious.max(axis=1) >= IOU_THRESHOLD
        votes[:, :, matched] += theirs[:, :, best[matched]]
        new = np.setdiff1d(np.arange(theirs.shape[2]), best[matched])
        votes = np.concatenate([votes, theirs[:, :, new]], axis=2)
    elected = votes > MORE_THAN
    elected = dense_separate(elected[:, :, elected.any(axis=(0, 1))])
    return elected[:, :, elected.any(axis=(0, 1))]


def dense_separate(masks: np.ndarray) -> np.ndarray:
    """Give each contested pixel of an (H, W, N) stack to the larger mask; empty masks that lose too much."""
    areas = masks.sum(axis=(0, 1))
    priorities = np.empty(len(areas), dtype=int)
    priorities[np.argsort(-areas, kind="stable")] = np.arange(len(areas), 0, -1)
    owners = (masks * priorities).max(axis=2)
    separate = masks & (owners[:, :, None] == priorities)
    lost = (areas - separate.sum(axis=(0, 1))) / areas
    return separate & (lost <= LOSS_THRESHOLD)


def dense_ious(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return the IoU of each mask with each other one, (N, M), by the histogram of two label images."""
    labels, others = ((stack * np.arange(1, stack.shape[2] + 1)).max(axis=2) for stack in (mine, theirs))
    bins = (mine.shape[2] + 1, theirs.shape[2] + 1)
    shared = np.histogram2d(labels.ravel(), others.ravel(), bins=[np.arange(size + 1) for size in bins])[0][1:, 1:]
    return shared / (mine.sum(axis=(0, 1))[:, None] + theirs.sum(axis=(0, 1))[None, :] - shared)


def dense_rle(masks: np.ndarray) -> list[str]:
    """Write each whole mask of an (H, W, N) stack as run lengths."""
    rows = []
    for mask in np.moveaxis(masks, 2, 0):
        edges = np.flatnonzero(np.diff(mask.T.ravel().astype(int), prepend=0, append=0))
        edges[1::2] -= edges[::2]
        edges[::2] += 1
        rows.append(" ".join(map(str, edges)))
    return rows


def _best_time(function: Callable[[], Result], repeats: int) -> tuple[float, Result]:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def _peak_mib() -> float:
    """Return this process's largest memory so far; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _in_own_process(
    side: Callable[[tuple[int, int], int], Measurement], image_shape: tuple[int, int], count: int
) -> Measurement:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(side, image_shape, count).result()


if __name__ == "__main__":
    main()
