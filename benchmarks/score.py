"""The Data Science Bowl's score of 65 images with 4,000 nuclei, from two CSVs, against pycocotools.

    python benchmarks/score.py

`score_submission` against `pycocotools.mask.iou` with the same matching. Its run lengths are made from the same rows:
"counts" converts the numbers directly, the best case; "masks" goes through a whole mask, as is usual. It gets our own
reading of the CSVs. The images have the sizes of the data set; the submission shifts the nuclei by a pixel and misses a
tenth. Scores must agree to 12 digits. The sides alternate on one thread; each peak is of a separate process, including
files and results.
pycocotools comes with `pip install -e '.[test]'`.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # before NumPy reads them

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import in_own_process, peak_mib, print_table, race, readable, start_peak
from benchmarks.nuclei import draw_label_image, miss_a_little
from common.masks.rle import encode_label_image
from common.output.submission import read_rows
from common.scoring.dsb import DSB_THRESHOLDS, score_submission

try:
    from pycocotools import mask as coco
except ImportError:
    sys.exit("pycocotools is missing; run `pip install -e '.[test]'`")

# (height, width): images of that size, and nuclei in each.
IMAGES = {
    (256, 256): (32, 30),
    (256, 320): (11, 40),
    (360, 360): (9, 50),
    (520, 696): (9, 120),
    (1024, 1024): (3, 240),
    (1040, 1388): (1, 350),
}
TARGET, LIMIT = 3, 1.0  # times as fast as "counts"; seconds
REPEATS = 25


def main() -> None:
    """Check that the sides agree, then measure and print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as name:
        write_files(Path(name))
        sides = ("ours", "counts", "masks")
        seconds = in_own_process(race_sides, name, sides)
        peaks = {side: in_own_process(measure_peak, name, side) for side in sides}
    assert seconds["ours"] < LIMIT, f"more than {LIMIT} s"
    titles = ("ours", "pycocotools, counts", "pycocotools, masks")
    rows = []
    for side, title, target in zip(sides, titles, ("", str(TARGET), ""), strict=True):
        ratio = "" if side == "ours" else f"{seconds[side] / seconds['ours']:.1f}"
        rows.append((title, readable(seconds[side]), ratio, target, f"{peaks[side]:.1f} MiB"))
    print_table(("score", "time", "ratio", "at least", "peak"), rows)


def write_files(folder: Path) -> None:
    """Write a solution and a submission in Kaggle's columns."""
    solution, submission = ["ImageId,EncodedPixels,Height,Width,Usage"], ["ImageId,EncodedPixels"]
    drawn = [(shape, count) for shape, (images, count) in IMAGES.items() for _ in range(images)]
    for seed, (shape, count) in enumerate(drawn):
        label_image = draw_label_image(shape, count, seed)
        texts, found = encode_label_image(label_image), encode_label_image(miss_a_little(label_image, seed))
        solution += [f"{seed:064x},{text},{shape[0]},{shape[1]},Public" for text in texts]
        submission += [f"{seed:064x},{text}" for text in found]
    (folder / "solution.csv").write_text("\n".join([*solution, ""]))
    (folder / "submission.csv").write_text("\n".join([*submission, ""]))


def race_sides(folder: str, sides: tuple[str, ...]) -> dict[str, float]:
    """Return the seconds of each side, after a turn that checks that they agree."""
    turns = {side: prepare(folder, side) for side in sides}
    scores = [turn() for turn in turns.values()]
    np.testing.assert_allclose(scores, scores[0], rtol=1e-12)
    assert 0.3 < scores[0] < 0.9, "too easy or too hard a submission"
    slow = {side: turns.pop(side) for side in sides if side == "masks"}
    return race(turns, repeats=REPEATS) | race(slow, repeats=2)


def measure_peak(folder: str, side: str) -> float:
    """Return the memory, MiB, that a side needs."""
    turn = prepare(folder, side)
    before = start_peak()
    turn()
    return peak_mib() - before


def prepare(folder: str, side: str) -> Callable[[], float]:
    """Return a side's work."""
    submission, solution = Path(folder) / "submission.csv", Path(folder) / "solution.csv"
    if side == "ours":
        return lambda: score_submission(submission, solution).mean
    return partial(coco_score, submission, solution, {"counts": encode_counts, "masks": encode_mask}[side])


def coco_score(submission: Path, solution: Path, encode: Callable[[list[str], int, int], list[dict]]) -> float:
    """Return the mean score, by pycocotools' run lengths and IoU."""
    true, predicted = (read_rows(path, ("ImageId", "EncodedPixels")) for path in (solution, submission))
    sizes = zip(*(true[column].tolist() for column in ("ImageId", "Height", "Width")), strict=True)
    shapes = {image_id: (int(height), int(width)) for image_id, height, width in sizes}
    texts: list[dict[str, list[str]]] = [{}, {}]
    for of_image, table in zip(texts, (true, predicted), strict=True):
        for image_id, text in zip(table["ImageId"].tolist(), table["EncodedPixels"].tolist(), strict=True):
            of_image.setdefault(image_id, []).append(text)
    scores = []
    for image_id, shape in shapes.items():
        wanted, found = (encode(of_image[image_id], *shape) for of_image in texts)
        best = coco.iou(found, wanted, [0] * len(wanted)).max(axis=0)
        tp = (best[:, None] > DSB_THRESHOLDS).sum(axis=0)
        scores.append((tp / (len(wanted) + len(found) - tp)).mean())
    return float(np.mean(scores))


def encode_counts(texts: list[str], height: int, width: int) -> list[dict]:
    """Turn starts and lengths into pycocotools' alternating counts of zeros and ones."""
    encoded = []
    for text in texts:
        numbers, end = list(map(int, text.split())), 0
        counts: list[int] = []
        for start, length in zip(numbers[::2], numbers[1::2], strict=True):
            counts += (start - 1 - end, length)
            end = start - 1 + length
        encoded.append({"size": [height, width], "counts": [*counts, height * width - end]})
    return coco.frPyObjects(encoded, height, width)


def encode_mask(texts: list[str], height: int, width: int) -> list[dict]:
    """Fill a whole mask, and let pycocotools encode it."""
    encoded = []
    for text in texts:
        numbers = np.array(text.split(), dtype=int)
        mask = np.zeros(height * width, dtype=np.uint8)
        for start, length in zip(numbers[::2] - 1, numbers[1::2], strict=True):
            mask[start : start + length] = 1
        encoded.append(coco.encode(mask.reshape(height, width, order="F")))
    return encoded


if __name__ == "__main__":
    main()
