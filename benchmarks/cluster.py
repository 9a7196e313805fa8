"""A Dask cluster: 1 and 2 workers of one thread, its own cost for an image, 100,000 images, the check of a new set.

    python benchmarks/cluster.py
    python benchmarks/cluster.py --parts overhead scheduler
    python benchmarks/cluster.py --parts network --images 24

A scheduler and workers are processes on 127.0.0.1, started by Dask's own commands. "network" predicts generated images
with the pretrained weights; "sleep" does work that takes a fixed time and no processor, so that other programs on the
machine do not count; "overhead" does work that takes no time; "scheduler" does so for 100,000 images and watches the
memory of client and scheduler; "check" reads a new set of generated images, without a cluster and with it. Every part
checks that all results came, in order.
"""

import argparse
import contextlib
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.cluster_work import Numbered, network_work, new_set, stub_work
from benchmarks.measure import print_table, readable
from common.cluster.client import choose_reader, make_rows_on_cluster, open_client
from common.cluster.job import Job
from common.cluster.spread import Spread
from common.images.image_set import ImageSet
from tests.cluster.processes import Processes

PARTS = ("network", "sleep", "overhead", "scheduler", "check")
WORK = 0.25  # seconds of an image's stub work, about what the network `small` takes on an idle core


def rows_on(
    address: str, images: ImageSet, job: Job, watch: Callable[[int], None] = lambda _: None
) -> tuple[list[float], int]:
    """Predict on a cluster; return when each image's rows came, seconds, and the characters of all rows."""
    times, size = [], 0
    with open_client(address) as client:
        made = make_rows_on_cluster(client, images, job, lambda _: None, range(len(images)), skip_bad=False)
        for index, rows in enumerate(made):
            times.append(time.perf_counter())
            size += sum(map(len, rows))
            assert not isinstance(images.source, Numbered) or rows[0] == f"{index + 1} 1", "rows of another image"
            watch(index + 1)
    assert len(times) == len(images)
    return times, size


@contextlib.contextmanager
def cluster_of(folder: Path, num_workers: int) -> Iterator[Processes]:
    """Yield a cluster whose workers have one thread each, also for the network."""
    with Processes(folder, TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1") as cluster:
        for number in range(num_workers):
            cluster.start_worker(f"w{number}", "--no-nanny")
        yield cluster


def images_per_second(times: Sequence[float], warm_up: int) -> float:
    """Return the rate after the first images, while networks are built."""
    return (len(times) - 1 - warm_up) / (times[-1] - times[warm_up])


def measure_workers(folder: Path, kind: str, count: int) -> Iterator[Sequence[str]]:
    """Yield the rates of 1 and 2 workers, alternating, and their ratio."""
    prepare: dict[str, Callable[[], tuple[ImageSet, Job]]] = {
        "network": lambda: network_work(folder, count),
        "sleep": lambda: stub_work(folder, count, WORK),
    }
    images, job = prepare[kind]()
    rates = {}
    for num_workers in (1, 2):
        with cluster_of(folder / f"{kind}{num_workers}", num_workers) as cluster:
            times, size = rows_on(cluster.address, images, job)
        # A worker takes up to 8 images at a time, so rows come in bursts of as many from each.
        rates[num_workers] = images_per_second(times, 8 * num_workers - 1)
        ratio = f"{rates[num_workers] / rates[1]:.2f}"
        yield kind, str(num_workers), str(count), f"{rates[num_workers]:.2f}", ratio, f"{size / count:.0f}"


def measure_overhead(folder: Path, count: int) -> Iterator[Sequence[str]]:
    """Yield what the cluster itself takes for an image, in one worker: with work of no time, and beside real work."""
    for seconds, number in ((0.0, count), (WORK, max(count // 25, 24))):
        images, job = stub_work(folder, number, seconds)
        with cluster_of(folder / f"overhead{seconds}", 1) as cluster:
            times, _ = rows_on(cluster.address, images, job)
        each = 1 / images_per_second(times, 7) - seconds
        share = f"{each / seconds:.1%}" if seconds else ""
        yield readable(seconds) if seconds else "none", str(number), readable(each), share


def measure_scheduler(folder: Path, count: int) -> Iterator[Sequence[str]]:
    """Yield how many images the scheduler passes on with two workers, and what memory it and the client have."""
    images, job = stub_work(folder, count, 0.0)
    samples: list[tuple[int, float, float]] = []
    with cluster_of(folder / "scheduler", 2) as cluster:
        scheduler = cluster.scheduler.pid

        def watch(done: int) -> None:
            if done % (count // 5) == 0:
                samples.append((done, memory_of(os.getpid()), memory_of(scheduler)))

        times, _ = rows_on(cluster.address, images, job, watch)
    for done, ours, theirs in samples:
        rate = (done - 1) / (times[done - 1] - times[0])
        yield str(done), f"{rate:.0f}", f"{ours:.0f} MiB", f"{theirs:.0f} MiB"


def measure_check(folder: Path, count: int) -> Iterator[Sequence[str]]:
    """Yield how many images of a new set are read a second in this process and by 1 and 2 workers, and the whole time.

    The whole time starts before the cluster is asked for, and ends when the result is cached.
    """
    from dsb.dataset import load_dataset

    dataset = new_set(folder / "set", count)
    for num_workers in (0, 1, 2):
        with cluster_of(folder / f"check{num_workers}", num_workers) as cluster:
            if num_workers:
                cluster.wait_for_workers(num_workers)
            reader = choose_reader(Spread(scheduler=cluster.address if num_workers else None), dataset)
            times: list[float] = []

            def timed(*arguments: Any, reader: Any = reader, times: list[float] = times, **named: Any) -> Iterator[Any]:
                for found in reader(*arguments, **named):
                    times.append(time.perf_counter())
                    yield found

            start = time.perf_counter()
            images = load_dataset(dataset, masks=False, cache=folder / f"cache{num_workers}", reader=timed)
            whole = time.perf_counter() - start
        assert len(times) == len(images) == count
        name = ("one process", "1 worker", "2 workers")[num_workers]
        yield name, str(count), f"{images_per_second(times, 64):.0f}", readable(whole)


def memory_of(pid: int) -> float:
    """Return the resident memory of a process, MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Run the parts and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--images", type=int, help="of each part (default: 32, 200, 4,000, 100,000 and 2,000)")
    flags = parser.parse_args()
    workers = ("work", "workers", "images", "images/s", "ratio", "characters an image")
    columns: dict[str, Sequence[str]] = {
        "network": workers,
        "sleep": workers,
        "overhead": ("work an image", "images", "Dask an image", "share"),
        "scheduler": ("images done", "images/s", "client", "scheduler"),
        "check": ("read by", "images", "images/s", "whole time"),
    }
    parts: dict[str, tuple[Any, int]] = {
        "network": (lambda folder, count: measure_workers(folder, "network", count), 32),
        "sleep": (lambda folder, count: measure_workers(folder, "sleep", count), 200),
        "overhead": (measure_overhead, 4000),
        "scheduler": (measure_scheduler, 100_000),
        "check": (measure_check, 2000),
    }
    for part in flags.parts:
        measure, usual = parts[part]
        with tempfile.TemporaryDirectory() as name:
            print_table(columns[part], itertools.chain(measure(Path(name), flags.images or usual)))


if __name__ == "__main__":
    main()
