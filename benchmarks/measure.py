"""What the benchmarks share: times of sides that take turns, peak memory of a process of its own, tables."""

import multiprocessing
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
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


def start_peak() -> float:
    """Let Linux count this process's largest memory anew, and return what it holds now, MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_mib()


def peak_mib() -> float:
    """Return this process's largest memory, MiB, since its start or `start_peak`.

    Unlike getrusage's, it is not that of the process that started this one.
    """
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table in Markdown, each row as soon as it is there."""
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
