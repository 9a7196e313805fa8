"""What the benchmarks share: times of sides that take turns, peak memory of a process of its own, tables."""

import multiprocessing
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


def race(sides: Mapping[str, Callable[[], Any]], *, repeats: int) -> dict[str, float]:
    """Return each side's best time in seconds; the sides take turns, so that other work on the machine hits all."""
    best = dict.fromkeys(sides, float("inf"))
    for _ in range(repeats):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def in_own_process(function: Callable[..., Result], *arguments: Any) -> Result:
    """Run a function, importable by name, in a fresh process: memory and threads are its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def peak_mib() -> float:
    """Return this process's largest memory so far, MiB; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table in Markdown."""
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def readable(seconds: float) -> str:
    """Return a time in the unit that fits.

    Example:
        >>> readable(0.0123), readable(3.4)
        ('12.3 ms', '3.40 s')
    """
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
