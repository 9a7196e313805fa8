"""Detection and a training step of Mask R-CNN, ResNet-50 FPN at 512x512, against torchvision's.

    pip install torchvision==0.29.2
    python benchmarks/mask_rcnn.py

Both sides have equal work, see `benchmarks/mask_rcnn_sides.py`. Each runs in its own process, and the two alternate, in
float32 and in bfloat16.
"""

import argparse
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.mask_rcnn_sides import Ours, Torchvision, Work
from benchmarks.measure import print_table, race, readable

SIDE: list[Ours | Torchvision] = []  # of this process


def main() -> None:
    """Race both sides at both tasks and precisions, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7, help="turns of each side")
    repeats = parser.parse_args().repeats
    rows = []
    for precision in ("float32", "bfloat16"):
        with _pool("ours", precision) as ours, _pool("torchvision", precision) as theirs:
            pools = {"torchvision": theirs, "ours": ours}
            for task in ("detect", "train"):
                done = [_run(pool, task) for pool in pools.values()]
                assert done[0] == done[1], f"{task}: unequal work {done}"
                seconds = race({name: partial(_run, pool, task) for name, pool in pools.items()}, repeats=repeats)
                ratio = seconds["torchvision"] / seconds["ours"]
                rows.append((task, precision, *map(readable, seconds.values()), f"{ratio:.2f}"))
    print_table(("task", "precision", "torchvision", "ours", "ratio"), rows)


def set_up(side: str, precision: str) -> None:
    """Build the model of this process."""
    work = Work(precision=precision)
    try:
        SIDE.append(Ours(work) if side == "ours" else Torchvision(work, "cpu"))
    except ImportError as error:
        raise SystemExit(f"{error}: pip install torchvision==0.29.2") from None


def run_task(task: str) -> Any:
    """Run a task in this process and return how much it did."""
    return getattr(SIDE[0], task)()


def _run(pool: ProcessPoolExecutor, task: str) -> Any:
    return pool.submit(run_task, task).result()


def _pool(side: str, precision: str) -> ProcessPoolExecutor:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, spawn, initializer=set_up, initargs=(side, precision))


if __name__ == "__main__":
    main()
