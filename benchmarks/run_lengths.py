"""Run lengths of an image of 1024x1024 with 200 nuclei, written and read, against pycocotools and against a loop.

    python benchmarks/run_lengths.py

Writing: `encode_label_image`, from a label image to Kaggle's texts, against `pycocotools.mask.encode`, from a stack
ready in its column-major order to its own strings; and against the loop over the pixels of each mask in Kaggle kernels,
reimplemented here, on a stack (H, W, N) as the Mask R-CNN library returns it.
Reading: `decode_instances`, from texts to crops, and `to_label_image` after it, from crops to a label image, against
`pycocotools.mask.decode`, from its own strings to a stack of whole masks. Every result is compared with the label image
before anything is timed.
The sides alternate on one thread; each peak is of a separate process, beyond the side's input.
pycocotools comes with `pip install -e '.[test]'`.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # before NumPy reads them

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.loop_rle import loop_rle
from benchmarks.measure import in_own_process, peak_mib, print_table, race, readable, start_peak
from benchmarks.nuclei import draw_label_image
from common.masks.instances import Instances
from common.masks.rle import decode_instances, encode_label_image

try:
    from pycocotools import mask as coco
except ImportError:
    sys.exit("pycocotools is missing; run `pip install -e '.[test]'`")

IMAGE_SHAPE, NUM_NUCLEI = (1024, 1024), 200
REPEATS = 12
# Each of our sides with its rivals, and how many times faster it has to be.
TARGETS = {
    "write: ours": {"write: pycocotools": 8, "write: loop": 50},
    "read crops: ours": {"read: pycocotools": 50},
    "read crops and label image: ours": {"read: pycocotools": 50},
}


def main() -> None:
    """Check that the sides agree, then measure and print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    names = [*TARGETS, "write: pycocotools", "write: loop", "read: pycocotools"]
    seconds = in_own_process(race_sides, names)
    peaks = {name: in_own_process(measure_peak, name) for name in names}
    rows = []
    for ours, rivals in TARGETS.items():
        for rival, target in rivals.items():
            ratio = seconds[rival] / seconds[ours]
            times = (*(readable(seconds[name]) for name in (rival, ours)), f"{ratio:.0f}", str(target))
            rows.append((ours.split(":")[0], rival.split(": ")[1], *times, *(_mib(peaks[n]) for n in (rival, ours))))
    print_table(("part", "against", "theirs", "ours", "ratio", "at least", "peak, theirs", "peak, ours"), rows)


def race_sides(names: list[str]) -> dict[str, float]:
    """Return the seconds of each side, after a turn that checks that they agree."""
    label_image = draw_label_image(IMAGE_SHAPE, NUM_NUCLEI, seed=1)
    sides = {name: prepare(name) for name in names}
    for name, side in sides.items():
        np.testing.assert_array_equal(_as_label_image(side()), label_image, err_msg=name)
    assert sides["write: loop"]() == sides["write: ours"](), "the texts differ"
    quick = {name: side for name, side in sides.items() if name != "write: loop"}
    return race(quick, repeats=REPEATS) | race({"write: loop": sides["write: loop"]}, repeats=2)


def measure_peak(name: str) -> float:
    """Return the memory, MiB, that a side needs beyond its input."""
    side = prepare(name)
    before = start_peak()
    side()
    return peak_mib() - before


def prepare(name: str) -> Callable[[], Any]:
    """Return a side's work on input of its own."""
    label_image = draw_label_image(IMAGE_SHAPE, NUM_NUCLEI, seed=1)
    texts = encode_label_image(label_image)
    match name:
        case "write: ours":
            return lambda: encode_label_image(label_image)
        case "write: pycocotools":
            stack = dense_stack(label_image)
            return lambda: coco.encode(stack)
        case "write: loop":
            stack = np.ascontiguousarray(dense_stack(label_image))
            return lambda: [loop_rle(stack[:, :, i]) for i in range(NUM_NUCLEI)]
        case "read crops: ours":
            return lambda: decode_instances(texts, IMAGE_SHAPE)
        case "read crops and label image: ours":
            return lambda: decode_instances(texts, IMAGE_SHAPE).to_label_image(IMAGE_SHAPE)
        case "read: pycocotools":
            masks = [np.asfortranarray(label_image == label, dtype=np.uint8) for label in range(1, NUM_NUCLEI + 1)]
            encoded = [coco.encode(mask) for mask in masks]
            return lambda: coco.decode(encoded)
    raise ValueError(name)


def dense_stack(label_image: np.ndarray) -> np.ndarray:
    """Return whole masks, (H, W, N) uint8, in column-major order, mask after mask."""
    stack = np.zeros((*IMAGE_SHAPE, NUM_NUCLEI), dtype=np.uint8, order="F")
    for i in range(NUM_NUCLEI):
        stack[:, :, i] = label_image == i + 1
    return stack


def _as_label_image(result: Any) -> np.ndarray:
    """Return the label image of any side's result."""
    if isinstance(result, list):
        if isinstance(result[0], str):
            return decode_instances(result, IMAGE_SHAPE).to_label_image(IMAGE_SHAPE)
        result = coco.decode(result)
    if isinstance(result, Instances):
        return result.to_label_image(IMAGE_SHAPE)
    if result.ndim == 2:
        return result
    assert result.sum(axis=2, dtype=np.uint8).max() == 1, "masks overlap"
    return sum(result[:, :, i].astype(np.int32) * (i + 1) for i in range(NUM_NUCLEI))


def _mib(peak: float) -> str:
    return f"{peak:.1f} MiB"


if __name__ == "__main__":
    main()
