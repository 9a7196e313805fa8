"""Vote merging of 15 views, from masks to run lengths, against the dense version of the published third-place code.

Run `python benchmarks/merge_views.py`; it takes three minutes and 3 GB. The published version has a stack of whole
masks, (H, W, N), for each prediction and for the votes. It is reimplemented here with the same arrays, data types and
loops, but without the second, dilated result that the published code computes and discards. Both sides must give the
same run lengths. They alternate on one thread; each peak is of a separate process, beyond the input. The last image has
the size and number of nuclei of the data set's fullest one, for which the dense version would need tens of GB.
"""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # before NumPy reads them

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.loop_rle import loop_rle
from benchmarks.measure import in_own_process, peak_mib, print_table, race, readable
from common.masks.crops import tight_instances
from common.masks.instances import Instances
from common.masks.rle import encode_instances
from common.prediction.votes import merge_views

BOTH, OURS = ("dense", "crops"), ("crops",)
CASES = (((256, 256), 40, BOTH), ((520, 696), 100, BOTH), ((1040, 1388), 375, OURS))  # (height, width), nuclei, sides
NUM_VIEWS, REPEATS = 15, 3
IOU_THRESHOLD, LOSS_THRESHOLD, MORE_THAN = 0.6, 0.7, 4


def main() -> None:
    """Measure every image and print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    rows = []
    for image_shape, count, sides in CASES:
        seconds = in_own_process(race_sides, image_shape, count, sides)
        peaks = {side: in_own_process(measure_peak, image_shape, count, side) for side in sides}
        row = ["{}x{}".format(*image_shape), str(count)]
        for values, write in ((seconds, readable), (peaks, "{:.0f} MiB".format)):
            row += [write(values[side]) if side in values else "" for side in BOTH]
            row.append(f"{values['dense'] / values['crops']:.0f}" if "dense" in values else "")
        rows.append(row)
    columns = ("dense", "crops", "ratio")
    print_table(("image", "nuclei", *columns, *(f"peak, {column}" for column in columns)), rows)


def race_sides(image_shape: tuple[int, int], count: int, sides: tuple[str, ...]) -> dict[str, float]:
    """Return the seconds of each side, after a turn that checks that they agree."""
    turns = {side: prepare(image_shape, count, side) for side in sides}
    first, *others = [turn() for turn in turns.values()]
    assert len(first) > count // 2, "too few objects to measure"
    assert all(rows == first for rows in others), "the sides disagree"
    return race(turns, repeats=REPEATS if "dense" in sides else 4 * REPEATS)


def measure_peak(image_shape: tuple[int, int], count: int, side: str) -> float:
    """Return the memory, MiB, that a side needs beyond its input, at least 1."""
    turn = prepare(image_shape, count, side)
    before = peak_mib()
    turn()
    return max(peak_mib() - before, 1.0)


def prepare(image_shape: tuple[int, int], count: int, side: str) -> Callable[[], list[str]]:
    """Return a side's work on input of its own."""
    views = predict_views(image_shape, count)
    if side == "crops":
        return lambda: crop_rows(views, image_shape)
    stacks = [np.ascontiguousarray(np.moveaxis(view.to_masks(image_shape), 0, 2)) for view in views]
    return lambda: dense_rows(stacks)


def predict_views(image_shape: tuple[int, int], count: int) -> list[Instances]:
    """Return what a good network might detect: jittered nuclei, in each view 5% missed and 5% that no other has."""
    rng = np.random.default_rng(123)
    radius = 0.24 * np.sqrt(image_shape[0] * image_shape[1] / count)  # the data set's share of nuclei in an image
    strays = count // 20
    centres = scatter(rng, image_shape, count + NUM_VIEWS * strays, 1.6 * radius)
    radii = radius * rng.uniform(0.7, 1.3, size=centres.shape)
    views = []
    for first_stray in range(count, len(centres), strays):
        seen = np.flatnonzero(rng.random(count) < 0.95)
        seen = np.append(seen, np.arange(first_stray, first_stray + strays))
        size = (len(seen), 2)
        jittered = centres[seen] + rng.normal(0, 0.7, size), radii[seen] * rng.uniform(0.95, 1.05, size)
        views.append(draw_ellipses(*jittered, image_shape))
    return views


def scatter(rng: np.random.Generator, image_shape: tuple[int, int], count: int, distance: float) -> np.ndarray:
    """Return points (count, 2), y and x, no two nearer than `distance`: none swallows another."""
    points = np.empty((0, 2))
    while len(points) < count:
        point = rng.uniform(0, image_shape)
        if (np.hypot(*(points - point).T) >= distance).all():
            points = np.vstack([points, point])
    return points


def draw_ellipses(centres: np.ndarray, radii: np.ndarray, image_shape: tuple[int, int]) -> Instances:
    """Return upright ellipses, cut at the border; centres and radii are (N, 2), y and x."""
    lows = np.clip(np.floor(centres - radii), 0, image_shape).astype(int)
    highs = np.clip(np.ceil(centres + radii) + 1, 0, image_shape).astype(int)
    crops = []
    for centre, radius, low, high in zip(centres, radii, lows, highs, strict=True):
        rows, columns = np.ogrid[low[0] : high[0], low[1] : high[1]]
        crops.append(((rows - centre[0]) / radius[0]) ** 2 + ((columns - centre[1]) / radius[1]) ** 2 < 1)
    return tight_instances(Instances.from_crops(np.concatenate([lows, highs], axis=1), crops))


def crop_rows(views: list[Instances], image_shape: tuple[int, int]) -> list[str]:
    """Do what `dense_rows` does with our functions."""
    fresh = [replace(view) for view in views]  # objects cache their areas, and no turn may benefit from that
    return encode_instances(merge_views(fresh, published=True), image_shape)


def dense_rows(stacks: list[np.ndarray]) -> list[str]:
    """Merge predictions, (H, W, N) bool each, and write the run lengths."""
    votes = stacks[0]
    for stack in stacks[1:]:
        votes = dense_merge(votes, stack.copy())  # it works in place, and the next turn needs the stack again
    elected = (votes > MORE_THAN).astype(np.uint8)
    elected = dense_separate(elected[:, :, elected.sum(axis=(0, 1)) > 0])
    rows = [loop_rle(elected[:, :, i]) for i in range(elected.shape[2])]
    return [row for row in rows if row]


def dense_merge(votes: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return the votes, (H, W, N) int64, after one more prediction."""
    mine = dense_separate(np.clip(votes, 0, 1))
    alive = mine.sum(axis=(0, 1)) != 0
    votes, mine = votes[:, :, alive], mine[:, :, alive]
    theirs = dense_separate(theirs)
    best, best_iou = dense_matches(dense_labels(mine), dense_labels(theirs))
    best[best_iou < IOU_THRESHOLD] = theirs.shape[2]
    new = np.setdiff1d(np.arange(theirs.shape[2]), best)
    no_match = np.zeros_like(theirs[:, :, :1])
    matched = np.concatenate([theirs, no_match], axis=2)[:, :, best]
    return np.concatenate([np.sum(np.array([votes, matched]), axis=0), theirs[:, :, new]], axis=2)


def dense_separate(masks: np.ndarray) -> np.ndarray:
    """Give contested pixels of an (H, W, N) stack to the mask of the highest number, in place; empty the losers."""
    areas = masks.sum(axis=(0, 1))
    numbers = np.argsort(areas)[::-1] + 1
    owners = (masks * numbers).max(axis=2)
    for i, number in enumerate(numbers):
        masks[:, :, i] = masks[:, :, i] * (owners == number)
    lost = (areas - masks.sum(axis=(0, 1))) / areas
    masks[:, :, lost > LOSS_THRESHOLD] = 0
    return masks


def dense_labels(masks: np.ndarray) -> np.ndarray:
    """Return the label image (H, W) int64 of an (H, W, N) stack without overlaps."""
    return (masks * np.arange(1, masks.shape[2] + 1)).sum(axis=2)


def dense_matches(mine: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each object's best mask and their IoU, (N,), by histograms of label images with the background."""
    bins = len(np.unique(mine)), len(np.unique(theirs))
    shared = np.histogram2d(mine.ravel(), theirs.ravel(), bins=bins)[0]
    areas, their_areas = np.histogram(mine, bins=bins[0])[0], np.histogram(theirs, bins=bins[1])[0]
    ious = shared / (areas[:, None] + their_areas[None, :] - shared)
    return ious.argmax(axis=1)[1:] - 1, ious.max(axis=1)[1:]


if __name__ == "__main__":
    main()
