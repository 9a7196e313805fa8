"""A prediction on a cluster whose workers, scheduler and client are killed with SIGKILL at random moments.

    python benchmarks/kill_cluster.py
    python benchmarks/kill_cluster.py --kills 5 --seed 2
    python benchmarks/kill_cluster.py --work network

One run on a scheduler and two workers on 127.0.0.1: of stub images, whose work takes a fixed time and no processor, or
of `dsb/my_inference.py` on generated images, with the pretrained weights. What was killed is started again: a worker
and the client alone, after the scheduler everything. Asserts that the CSV is byte for byte that of an undisturbed run
in one process, that a client which loses its scheduler ends with one line and code 2, and that no kill undoes progress.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import print_table
from common.output.rows import make_rows, write_rows
from tests.cluster.processes import ROOT, Processes, stop
from tests.cluster.stubs import stub_images, stub_maker
from tests.scripts import DSB

DELAY = 0.05  # seconds of a stub image
TARGETS = ("worker", "worker", "scheduler", "client")
PATIENCE = 300.0  # seconds without a new image after which the run counts as stuck


class Work(NamedTuple):
    """What is predicted.

    Attributes:
        each: images for each kill.
        moment: seconds of the random wait before a kill, at most; about what a worker takes for its bundle.
        write_undisturbed: writes the CSV of so many images to a folder in one process, and returns its path.
        client: the command of the client, from the folder, the scheduler's address, the CSV and the number of images.
    """

    each: int
    moment: float
    write_undisturbed: Callable[[Path, int], Path]
    client: Callable[[Path, str, Path, int], list[str]]


def write_stub_rows(folder: Path, count: int) -> Path:
    """Write the CSV of stub images in this process."""
    images = stub_images([number % 100 for number in range(count)])
    maker, _ = stub_maker(folder)
    path = folder / "undisturbed.csv"
    write_rows(images, images.image_ids, lambda indices: make_rows(images, maker, 0, indices), path, fingerprint="")
    return path


def stub_client(_: Path, address: str, output: Path, count: int) -> list[str]:
    """Return the command that predicts stub images."""
    return [sys.executable, "-m", "tests.cluster.stub_run", address, str(output), str(count), str(DELAY)]


def write_network_rows(folder: Path, count: int) -> Path:
    """Generate images, and write the CSV of the network in one process."""
    made = [
        "--output",
        str(folder / "data"),
        "--images",
        "1",
        "--test-images",
        str(count),
        "--sizes",
        "256x256,256x320",
    ]
    subprocess.run([sys.executable, str(DSB / "generate.py"), *made], check=True)
    path = folder / "undisturbed.csv"
    subprocess.run(infer(folder, path), env=environment(folder), check=True)
    return path


def network_client(folder: Path, address: str, output: Path, _: int) -> list[str]:
    """Return the command that predicts the generated images on a cluster."""
    return [*infer(folder, output), "--scheduler", address]


def infer(folder: Path, output: Path) -> list[str]:
    """Return the command that predicts the generated images in one process."""
    flags = ["--weights", "small", "--csv-only", "--dataset", str(folder / "data" / "stage1_test")]
    return [sys.executable, str(DSB / "my_inference.py"), *flags, "--output", str(output)]


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a client: no progress bars, and caches in the folder."""
    return os.environ | {"TQDM_DISABLE": "1", "XDG_CACHE_HOME": str(folder / "cache")}


WORK = {
    "stub": Work(60, 0.3, write_stub_rows, stub_client),
    "network": Work(24, 3.0, write_network_rows, network_client),
}


class Run:
    """The run, its cluster and its client.

    Args:
        folder: for everything.
        work: what is predicted.
        count: images.
    """

    def __init__(self, folder: Path, work: Work, count: int) -> None:
        self.folder, self.work, self.count, self.output = folder, work, count, folder / "killed.csv"
        self.cluster = Processes(folder / "cluster", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
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
        command = self.work.client(self.folder, self.cluster.address, self.output, self.count)
        self.client = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(self.folder),
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    def done(self) -> int:
        """Return how many images are in the file."""
        partial = self.output.with_name(self.output.name + ".partial")
        lines = partial.read_bytes().split(b"\n")[1:-1] if partial.exists() else []
        return sum(b"," not in line for line in lines)

    def wait(self, goal: int) -> None:
        """Wait until so many images are in the file."""
        last, since = self.done(), time.monotonic()
        while (done := self.done()) < goal:
            assert self.client.poll() is None, self.last_words()
            if done > last:
                last, since = done, time.monotonic()
            assert time.monotonic() - since < PATIENCE, f"stuck after {last} images"
            time.sleep(0.05)

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
            assert self.client.wait(timeout=PATIENCE) == 2, self.last_words()
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
    parser.add_argument("--work", choices=WORK, default="stub")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1, help="seed of the moments and targets")
    flags = parser.parse_args()
    rng = np.random.default_rng(flags.seed)
    work = WORK[flags.work]
    count = work.each * (flags.kills + 1)
    with tempfile.TemporaryDirectory() as name:
        folder, killed = Path(name), Counter[str]()
        undisturbed = work.write_undisturbed(folder, count)
        run, start = Run(folder, work, count), time.monotonic()
        try:
            before = 0
            for number in range(flags.kills):
                run.wait(before + int(rng.integers(1, work.each)))
                time.sleep(rng.uniform(0, work.moment))
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
    columns = ("work", "images", *sorted(set(TARGETS)), "seconds", "in the end")
    counts = [str(killed[target]) for target in sorted(set(TARGETS))]
    print_table(
        columns, [(flags.work, str(count), *counts, f"{time.monotonic() - start:.0f}", "the bytes of one process")]
    )


if __name__ == "__main__":
    main()
