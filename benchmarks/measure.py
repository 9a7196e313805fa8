"""What the benchmarks share: times of alternating sides, peak memory of a separate process, tables."""

import multiprocessing
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")


def race(sides: Mapping[str, Callable[[], Any]], *, repeats: int) -> dict[str, float]:
    """Return each side's best time in seconds; they alternate, so that other load affects all."""
    best = dict.fromkeys(sides, float("inf"))
    for _ in range(repeats):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


def in_own_process(function: Callable[..., Result], *arguments: Any) -> Result:
    """Run a function, importable by name, in a fresh process, with its own memory and threads."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def start_peak() -> float:
    """Reset Linux's count of this process's peak memory, and return its current memory, MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_mib()


def peak_mib() -> float:
    """Return this process's peak memory, MiB, since its start or `start_peak`.

    Unlike getrusage's, it does not include the parent process's.
    """
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table, each row as soon as it is ready."""
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
