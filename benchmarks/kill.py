"""Inference and training, repeatedly killed with SIGKILL at random moments and restarted.

    python benchmarks/kill.py
    python benchmarks/kill.py --kills 5 --tasks inference

Runs the scripts themselves, `dsb/my_train_1.py` and `dsb/my_inference_tta.py`, with a tiny network on a small generated
set. Most kills come soon after a run has made progress; every fourth comes while the program starts. Asserts that the
submission is byte-identical to an undisturbed run's, that training ends with a log of all epochs, each once, and that
weights and state can be loaded after each kill.
"""

import argparse
import csv
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import print_table
from tests.scripts import TINY, finish, start

NUM_EPOCHS = 60
NUM_IMAGES = 150
START_UP = 6.0  # seconds; a kill within them finds nothing new
A_MOMENT = 0.3  # seconds
DATA = ["--images", 8, "--test-images", NUM_IMAGES, "--sizes", "64x64,64x96"]
TRAIN = ["my_train_1.py", *TINY, "--epochs", NUM_EPOCHS]
INFER = ["my_inference_tta.py", "--dataset", "data/stage1_test", "--workers", 2, "--output"]


class Plan(NamedTuple):
    """How often a script is killed, and when.

    Attributes:
        rng: source of the moments.
        num_kills: at least 1.
        most: units of work before a kill, without those of the last moment.
    """

    rng: np.random.Generator
    num_kills: int
    most: int


def main() -> None:
    """Kill both scripts and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="kills of each script")
    parser.add_argument("--seed", type=int, default=1, help="seed of the moments")
    parser.add_argument("--tasks", nargs="+", choices=["training", "inference"], default=["training", "inference"])
    flags = parser.parse_args()
    rng = np.random.default_rng(flags.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        must_finish(folder, "generate.py", "--output", "data", *DATA)
        tasks = {"training": kill_training, "inference": kill_inference}
        rows = [(task, str(flags.kills), *tasks[task](folder, rng, flags.kills)) for task in flags.tasks]
    print_table(("script", "kills", "done at each kill", "in the end"), rows)


def kill_inference(folder: Path, rng: np.random.Generator, num_kills: int) -> tuple[str, str]:
    """Kill inference with TTA, and compare its file with an undisturbed run's."""
    if not (folder / "logs").exists():
        must_finish(folder, *TRAIN[:-1], 1)
    must_finish(folder, *INFER, "undisturbed.csv")
    partial = folder / "killed.csv.partial"

    def images_done() -> int:
        lines = partial.read_bytes().split(b"\n")[1:-1] if partial.exists() else []
        return sum(b"," not in line for line in lines)

    def check() -> None:
        assert not (folder / "killed.csv").exists(), "finished before the last kill: give it more images"

    most = max(NUM_IMAGES // (2 * num_kills), 1)
    done = kill_often(folder, [*INFER, "killed.csv"], Plan(rng, num_kills, most), images_done, check)
    must_finish(folder, *INFER, "killed.csv")
    assert (folder / "killed.csv").read_bytes() == (folder / "undisturbed.csv").read_bytes(), "another submission"
    assert not partial.exists()
    return done, f"the bytes of an undisturbed run, {NUM_IMAGES} images"


def kill_training(folder: Path, rng: np.random.Generator, num_kills: int) -> tuple[str, str]:
    """Kill step 1 of training, and check what it leaves."""
    run = folder / "logs" / "001"

    def epochs_done() -> int:
        if not (run / "last.npz").exists():
            return 0
        with np.load(run / "last.npz") as state:
            return int(state["epoch"])

    def check() -> None:
        if epochs_done():
            with h5py.File(run / "last.h5") as weights, np.load(run / "last.npz") as state:
                assert len(weights)
                assert all(np.isfinite(state[name]).all() for name in state.files)

    done = kill_often(folder, TRAIN, Plan(rng, num_kills, 1), epochs_done, check)
    must_finish(folder, *TRAIN)
    check()
    with (run / "log.csv").open(newline="") as file:
        epochs = [int(row["epoch"]) for row in csv.DictReader(file)]
    assert epochs == list(range(1, NUM_EPOCHS + 1)), f"epochs in the log: {epochs}"
    assert epochs_done() == NUM_EPOCHS
    return done, f"{NUM_EPOCHS} epochs in the log, each once; weights and state load"


def kill_often(
    folder: Path,
    command: list,
    plan: Plan,
    progress: Callable[[], int],
    check: Callable[[], None],
) -> str:
    """Start and kill a script repeatedly; return its progress at each kill.

    Args:
        folder: working directory.
        command: the script and its flags.
        plan: how often and when.
        progress: reads from the files how much is done.
        check: checks the files after each kill.
    """
    done = []
    for number in range(plan.num_kills):
        before = progress()
        process = start(folder, *command)
        starting = number % 4 == 3
        goal = before if starting else before + plan.rng.integers(1, plan.most + 1)
        while progress() < goal and process.poll() is None:
            time.sleep(0.01)
        time.sleep(plan.rng.uniform(0, START_UP if starting else A_MOMENT))
        process.kill()
        output, errors = process.communicate()
        assert process.returncode == -9, f"ended by itself with code {process.returncode}: {output}{errors}"
        check()
        done.append(progress())
        assert done[-1] >= before, f"a kill undid progress: {done[-1]} of {before}"
        print(f"kill {number + 1}: {done[-1]} done", file=sys.stderr)
    return " ".join(map(str, done))


def must_finish(folder: Path, *command: object) -> None:
    """Run a script to completion."""
    code, _, errors = finish(start(folder, *command))
    assert code == 0, errors


if __name__ == "__main__":
    main()
