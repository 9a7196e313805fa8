"""A simulation of large clusters, checked against small real ones: workers, failures, stragglers, storage.

    python benchmarks/simulate_cluster.py               # both tables
    python benchmarks/simulate_cluster.py --real none   # without the real clusters

Discrete events, with simpy. A client keeps as many images on the way as `common/cluster/prediction.py` does, in bundles
of the same sizes; the scheduler passes them on one after another; a worker reads from shared storage and computes; it
fails now and then, is started again, and its bundle is done again. The first table compares runs on 127.0.0.1 with
their simulations, which must agree within 15%; the numbers of the simulation come from another run, of no work.
The second one says how long large runs take.
"""

import argparse
import heapq
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import simpy

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.cluster import cluster_of, rows_on
from benchmarks.cluster_work import SLOWER, stub_work
from benchmarks.measure import print_table
from common.cluster.job import PREDICTED
from common.cluster.prediction import AHEAD, bundle_size

AGREEMENT = 0.15
CALIBRATING, COMPARED = 800, 160  # images
WORK = 0.25  # seconds an image


@dataclass(frozen=True)
class Case:
    """A run on a cluster.

    Attributes:
        images: how many.
        workers: of one thread each.
        work: seconds of an image on a usual worker.
        spread: standard deviation of the logarithm of that.
        overhead: seconds of a worker for an image, besides its work.
        scheduling: seconds of the scheduler and the client for a bundle.
        start: seconds until a worker that was started takes its first bundle.
        stragglers: share of workers that are slower.
        slower: by this factor.
        failures: for each worker and hour.
        kills: times at which worker 0 is killed.
        away: seconds until a worker that failed is there again, `start` not included.
        megabytes: of an image in storage.
        bandwidth: of the storage, megabytes a second.
    """

    images: int
    workers: int
    work: float = WORK
    spread: float = 0.0
    overhead: float = 0.002
    scheduling: float = 0.002
    start: float = 10.0
    stragglers: float = 0.0
    slower: float = 3.0
    failures: float = 0.0
    kills: tuple[float, ...] = ()
    away: float = 60.0
    megabytes: float = 0.17
    bandwidth: float = 1000.0


class Simulation:
    """One run of a case."""

    def __init__(self, case: Case, seed: int = 0) -> None:
        self.case, self.rng = case, np.random.default_rng(seed)
        self.world = simpy.Environment()
        self.scheduler = simpy.Resource(self.world)
        self.storage = simpy.Resource(self.world)
        self.waiting = simpy.PriorityStore(self.world)  # bundles by their first image
        self.done: list[tuple[int, int]] = []  # finished out of order: first image and size
        self.written, self.redone = 0, 0
        self.room = self.world.event()
        self.finished = self.world.event()

    def seconds(self) -> float:
        """Return how long the run takes, from the first bundle that is sent."""
        self.world.process(self._client())
        slow = round(self.case.stragglers * self.case.workers)
        for number in range(self.case.workers):
            self.world.process(self._worker(number, self.case.slower if number >= self.case.workers - slow else 1.0))
        self.world.run(until=self.finished)
        return float(self.world.now)

    def _client(self) -> Generator[Any, Any, None]:
        sent = 0
        while sent < self.case.images:
            while sent - self.written >= AHEAD * PREDICTED * self.case.workers:
                yield self.room
            left = self.case.images - sent
            size = min(bundle_size(left, self.case.workers, PREDICTED), left)
            with self.scheduler.request() as turn:
                yield turn
                yield self.world.timeout(self.case.scheduling)
            yield self.waiting.put(simpy.PriorityItem(sent, size))
            sent += size

    def _worker(self, number: int, factor: float) -> Generator[Any, Any, None]:
        case = self.case
        kills = list(case.kills) if number == 0 else []
        ends = self._lives(kills)
        yield self.world.timeout(case.start)
        end = next(ends)
        while True:
            item = yield self.waiting.get()
            needed = item.item * case.overhead + sum(self._work() for _ in range(item.item)) * factor
            yield from self._read(item.item)
            if self.world.now + needed > end:  # the worker is lost with its bundle
                yield self.world.timeout(max(end - self.world.now, 0.0))
                self.redone += item.item
                yield self.waiting.put(item)
                yield self.world.timeout(case.away + case.start)
                end = next(ends)
                continue
            yield self.world.timeout(needed)
            self._keep(item.priority, item.item)

    def _lives(self, kills: list[float]) -> Iterator[float]:
        """Yield when a worker ends, in each of its lives."""
        while True:
            if kills:
                yield kills.pop(0)
            elif self.case.failures:
                yield self.world.now + self.rng.exponential(3600 / self.case.failures)
            else:
                yield float("inf")

    def _work(self) -> float:
        spread = self.case.spread
        return float(self.case.work * (self.rng.lognormal(-spread * spread / 2, spread) if spread else 1.0))

    def _read(self, count: int) -> Generator[Any, Any, None]:
        """Wait for the first image of a bundle; the worker reads the others ahead, unless the storage is too slow."""
        if self.case.megabytes == 0:
            return
        with self.storage.request() as turn:
            yield turn
            yield self.world.timeout(count * self.case.megabytes / self.case.bandwidth)

    def _keep(self, first: int, size: int) -> None:
        """Write what is due, in order."""
        heapq.heappush(self.done, (first, size))
        while self.done and self.done[0][0] == self.written:
            self.written += heapq.heappop(self.done)[1]
        if self.written == self.case.images:
            self.finished.succeed()
        self.room.succeed()
        self.room = self.world.event()


def measure(folder: Path, case: Case, *, kill_after: float | None = None) -> tuple[float, float, float]:
    """Run a case on real processes; return seconds until the first rows, the last ones, and a worker was killed."""
    images, job = stub_work(folder, case.images, case.work)
    killed = float("nan")
    with cluster_of(folder / "cluster", 0) as cluster:
        slow = round(case.stragglers * case.workers)
        for number in range(case.workers):
            settings = {SLOWER: str(case.slower)} if number >= case.workers - slow else {}
            cluster.start_worker(f"w{number}", "--no-nanny", **settings)
        cluster.wait_for_workers(case.workers)
        start = time.perf_counter()

        def kill() -> None:
            nonlocal killed
            cluster.kill_worker("w0")
            killed = time.perf_counter() - start
            cluster.start_worker("w0", "--no-nanny")

        timer = threading.Timer(kill_after, kill) if kill_after else None
        if timer:
            timer.start()
        times, _ = rows_on(cluster.address, images, job)
        if timer:
            timer.join()
    return times[0] - start, times[-1] - start, killed


def calibrate(folder: Path) -> Case:
    """Return a case with the numbers of this machine, from a run whose work takes no time."""
    case = Case(CALIBRATING, 1, work=0.0, megabytes=0.0)
    first, last, _ = measure(folder, case)
    # The first bundle comes after the start; what the others take is the worker's and the scheduler's part together.
    each = (last - first) / (CALIBRATING - PREDICTED)
    return replace(case, start=first, overhead=each, scheduling=0.0)


def compare(folder: Path) -> Iterator[Sequence[str]]:
    """Yield real and simulated times of small runs."""
    known = replace(calibrate(folder / "calibrating"), images=COMPARED, work=WORK)
    cases = {
        "1 worker": replace(known, workers=1),
        "2 workers": replace(known, workers=2),
        "2 workers, one 3 times slower": replace(known, workers=2, stragglers=0.5),
        "2 workers, one killed and started again": replace(known, workers=2),
    }
    for name, case in cases.items():
        kill_after = known.start + COMPARED * WORK / 5 if "killed" in name else None
        _, real, killed = measure(folder / name.replace(" ", "_"), case, kill_after=kill_after)
        if kill_after:
            case = replace(case, kills=(killed,), away=WORKER_START)
        simulated = Simulation(case).seconds()
        difference = simulated / real - 1
        yield name, str(case.images), f"{real:.1f} s", f"{simulated:.1f} s", f"{difference:+.1%}"
        assert abs(difference) <= AGREEMENT, f"{name}: the simulation is off by {difference:+.1%}"


WORKER_START = 3.0  # seconds until a worker's process is at the scheduler; its child's start comes on top

# What docs/scale.md says of sizes: one core a worker, 0.17 MB an image. A bundle takes the scheduler 10 ms, a bound
# by benchmarks/cluster.py, where two busy cores had the workers, too.
USUAL = Case(300_000, 256, work=0.5, spread=0.5, start=40.0, scheduling=0.01)
LARGE = {
    "3,000 on one machine": replace(USUAL, images=3000, workers=4),
    "3,000": replace(USUAL, images=3000, workers=64),
    "300,000": replace(USUAL, failures=1 / 24, stragglers=0.02),
    "300,000, spot": replace(USUAL, failures=0.5, stragglers=0.02),
    "300,000, slow storage": replace(USUAL, bandwidth=25.0),
    "300,000, too many workers": replace(USUAL, workers=2048),
}


def predict() -> Iterator[Sequence[str]]:
    """Yield what large runs take."""
    for name, case in LARGE.items():
        simulation = Simulation(case)
        seconds = simulation.seconds()
        ideal = case.images * case.work / case.workers
        yield (
            name,
            str(case.workers),
            f"{seconds / 60:.1f} min",
            f"{case.images / seconds:.0f}",
            f"{ideal / seconds:.0%}",
            f"{simulation.redone / case.images:.2%}",
        )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", choices=["all", "none"], default="all", help="compare with real clusters")
    flags = parser.parse_args()
    if flags.real == "all":
        with tempfile.TemporaryDirectory() as name:
            print_table(("run", "images", "real", "simulated", "difference"), compare(Path(name)))
    print_table(("images", "workers", "time", "images/s", "use of the workers", "done again"), predict())


if __name__ == "__main__":
    main()
