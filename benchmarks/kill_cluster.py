"""A prediction on a cluster whose workers, scheduler and client are killed with SIGKILL at random moments.

    python benchmarks/kill_cluster.py
    python benchmarks/kill_cluster.py --kills 5 --seed 2

One run of stub images on a scheduler and two workers on 127.0.0.1. What was killed is started again: a worker and the
client alone, after the scheduler everything. Asserts that the CSV is byte for byte that of an undisturbed run in this
process, that a client which loses its scheduler ends with one line and code 2, and that no kill undoes progress.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import print_table
from common.output.rows import make_rows, write_rows
from tests.cluster.processes import ROOT, Processes, stop
from tests.cluster.stubs import stub_images, stub_maker

DELAY = 0.05  # seconds an image
EACH = 60  # images for each kill
TARGETS = ("worker", "worker", "scheduler", "client")
PATIENCE = 120.0  # seconds without a new image after which the run counts as stuck


class Run:
    """The run, its cluster and its client.

    Args:
        folder: for everything.
        count: images.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.count, self.output = count, folder / "killed.csv"
        self.cluster = Processes(folder / "cluster")
        self.log = (folder / "client.log").open("a+")
        self.start_cluster()
        self.start_client()

    def start_cluster(self) -> None:
        """Start the scheduler and two workers."""
        self.cluster.start_scheduler()
        for name in ("w0", "w1"):
            self.cluster.start_worker(name)

    def start_client(self) -> None:
        """Start the client."""
        program = [sys.executable, "-m", "tests.cluster.stub_run"]
        arguments = [self.cluster.address, str(self.output), str(self.count), str(DELAY)]
        environment = os.environ | {"TQDM_DISABLE": "1"}
        self.client = subprocess.Popen(
            [*program, *arguments], cwd=ROOT, env=environment, stdout=self.log, stderr=self.log, start_new_session=True
        )

    def done(self) -> int:
        """Return how many images are in the file."""
        partial = self.output.with_name(self.output.name + ".partial")
        lines = partial.read_bytes().split(b"\n")[1:-1] if partial.exists() else []
        return sum(b"," not in line for line in lines)

    def wait(self, goal: int) -> None:
        """Wait until so many images are in the file."""
        last, since = self.done(), time.monotonic()
        while self.done() < goal:
            assert self.client.poll() is None, self.last_words()
            if self.done() > last:
                last, since = self.done(), time.monotonic()
            assert time.monotonic() - since < PATIENCE, f"stuck after {last} images"
            time.sleep(0.02)

    def last_words(self) -> str:
        """Return how the client ended."""
        self.log.seek(0)
        return f"the client ended with code {self.client.returncode}: {self.log.read()[-2000:]}"

    def kill(self, target: str, rng: np.random.Generator) -> None:
        """Kill something, and start it again."""
        if target == "worker":
            name = f"w{rng.integers(2)}"
            self.cluster.kill_worker(name)
            self.cluster.start_worker(name)
        elif target == "client":
            stop(self.client)
            self.start_client()
        else:
            self.cluster.kill_scheduler()
            assert self.client.wait(timeout=PATIENCE) == 2, "the client should end with code 2"
            for name in list(self.cluster.workers):
                self.cluster.kill_worker(name)
            self.start_cluster()
            self.start_client()

    def end(self) -> None:
        """End all processes that are left."""
        stop(self.client)
        self.cluster.__exit__()
        self.log.close()


def main() -> None:
    """Kill, compare, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="seed of the moments and targets")
    flags = parser.parse_args()
    rng = np.random.default_rng(flags.seed)
    count = EACH * (flags.kills + 1)
    with tempfile.TemporaryDirectory() as name:
        folder, killed = Path(name), Counter[str]()
        undisturbed = write_undisturbed(folder, count)
        run, start = Run(folder, count), time.monotonic()
        try:
            before = 0
            for number in range(flags.kills):
                run.wait(before + int(rng.integers(1, EACH)))
                time.sleep(rng.uniform(0, 0.3))
                target = TARGETS[rng.integers(len(TARGETS))]
                done = run.done()
                run.kill(target, rng)
                killed[target] += 1
                assert done >= before, f"a kill undid progress: {done} of {before} images"
                before = run.done()
                print(f"kill {number + 1}: {target}, {before} done", file=sys.stderr)
            assert run.client.wait(timeout=20 * PATIENCE) == 0, run.last_words()
            assert run.output.read_bytes() == undisturbed.read_bytes(), "another CSV"
        finally:
            run.end()
        lines = (folder / "client.log").read_text().count("the scheduler is gone")
    assert lines == killed["scheduler"], f"{lines} lines for {killed['scheduler']} lost schedulers"
    columns = ("images", *sorted(set(TARGETS)), "seconds", "in the end")
    counts = [str(killed[target]) for target in sorted(set(TARGETS))]
    print_table(columns, [(str(count), *counts, f"{time.monotonic() - start:.0f}", "the bytes of one process")])


def write_undisturbed(folder: Path, count: int) -> Path:
    """Write the CSV in this process."""
    images = stub_images([number % 100 for number in range(count)])
    maker, _ = stub_maker(folder)
    path = folder / "undisturbed.csv"
    write_rows(images, images.image_ids, lambda indices: make_rows(images, maker, 0, indices), path, fingerprint="")
    return path


if __name__ == "__main__":
    main()
