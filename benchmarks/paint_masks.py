"""Painting 500 masks of 28x28 into their boxes in an image of 1024x1024, against the Mask R-CNN library's way.

    python benchmarks/paint_masks.py

The library, reimplemented here, resizes each mask to its box with scikit-image, thresholds it at 0.5, places it in a
mask of the whole image, and stacks these to (H, W, N). `paint_masks` makes crops. Boxes are whole pixels, as the
library needs. Beyond the small mask's border, scikit-image assumes 0, as in the library, while we repeat the border: so
with `mode="edge"`, both sides must agree in every pixel whose interpolated value is not within 0.0001 of 0.5, and
without it, each pair of masks must have an IoU of at least 0.98.
"Without stack" omits the stack, "resize" also the masks of the whole image, which leaves scikit-image's interpolation
against ours. The sides alternate on one thread; each peak is of a separate process.
"""

import argparse
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # before NumPy reads them

import cv2
import numpy as np
from skimage import transform

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import in_own_process, peak_mib, print_table, race, readable, start_peak
from benchmarks.nuclei import draw_label_image
from common.masks.crops import paint_masks
from common.masks.instances import Instances

IMAGE_SHAPE, NUM_MASKS, MASK_SIDE = (1024, 1024), 500, 28
REPEATS = 3
TARGET = 40  # times as fast as the library, including the stack


def main() -> None:
    """Check that the sides agree, then measure and print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    check()
    names = ("ours", "library", "library, without stack", "library, resize")
    seconds = in_own_process(race_sides, names)
    peaks = {name: in_own_process(measure_peak, name) for name in names}
    rows = []
    for name in names:
        ratio = "" if name == "ours" else f"{seconds[name] / seconds['ours']:.0f}"
        target = str(TARGET) if name == "library" else ""
        rows.append((name, readable(seconds[name]), ratio, target, f"{peaks[name]:.1f} MiB"))
    print_table((f"{NUM_MASKS} masks", "time", "ratio", "at least", "peak"), rows)


def check() -> None:
    """Compare our masks with scikit-image's."""
    boxes, probs = predict()
    painted = paint_masks(boxes, probs, IMAGE_SHAPE)
    for i, ((y1, x1, y2, x2), library) in enumerate(zip(boxes.tolist(), place(boxes, probs), strict=True)):
        window = painted.select([i]).to_masks(IMAGE_SHAPE)[0, y1:y2, x1:x2]
        values = resize(probs[i], (y2 - y1, x2 - x1), mode="edge")
        assert ((window == (values >= 0.5)) | (np.abs(values - 0.5) < 1e-4)).all(), "the sides disagree"
        other = library[y1:y2, x1:x2]
        iou = np.count_nonzero(window & other) / np.count_nonzero(window | other)
        assert iou >= 0.98, f"mask {i}: IoU {iou}"


def race_sides(names: tuple[str, ...]) -> dict[str, float]:
    """Return the seconds of each side."""
    return race({name: prepare(name) for name in names}, repeats=REPEATS)


def measure_peak(name: str) -> float:
    """Return the memory, MiB, that a side needs beyond its input."""
    side = prepare(name)
    before = start_peak()
    side()
    return peak_mib() - before


def prepare(name: str) -> Callable[[], Any]:
    """Return a side's work."""
    boxes, probs = predict()
    sides: dict[str, Callable[[], Any]] = {
        "ours": partial(paint_masks, boxes, probs, IMAGE_SHAPE),
        "library": lambda: np.stack(place(boxes, probs), axis=-1),
        "library, without stack": lambda: place(boxes, probs),
        "library, resize": lambda: [
            resize(prob, (y2 - y1, x2 - x1)) >= 0.5
            for (y1, x1, y2, x2), prob in zip(boxes.tolist(), probs, strict=True)
        ],
    }
    return sides[name]


def predict() -> tuple[np.ndarray, np.ndarray]:
    """Return boxes (N, 4) int64 and masks (N, 28, 28) float32 in [0, 1], like a network's."""
    nuclei = Instances.from_label_image(draw_label_image(IMAGE_SHAPE, NUM_MASKS, seed=1))
    soft = [cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.5) for mask in nuclei.masks]
    probs = [cv2.resize(mask, (MASK_SIDE, MASK_SIDE)) for mask in soft]
    return nuclei.boxes.astype(np.int64), np.stack(probs)


def place(boxes: np.ndarray, probs: np.ndarray) -> list[np.ndarray]:
    """Return masks of the whole image, (H, W) bool each."""
    masks = []
    for (y1, x1, y2, x2), prob in zip(boxes.tolist(), probs, strict=True):
        mask = np.zeros(IMAGE_SHAPE, dtype=bool)
        mask[y1:y2, x1:x2] = resize(prob, (y2 - y1, x2 - x1)) >= 0.5
        masks.append(mask)
    return masks


def resize(prob: np.ndarray, shape: tuple[int, int], mode: str = "constant") -> np.ndarray:
    """Resize a mask bilinearly, with the library's options."""
    return transform.resize(
        prob, shape, order=1, mode=mode, cval=0, clip=True, preserve_range=False, anti_aliasing=False
    )


if __name__ == "__main__":
    main()
