"""How the prediction of a set is spread: over processes of this machine or a cluster, and over files."""

import argparse
from dataclasses import dataclass
from typing import Any

from common.errors import InputError

LOCAL = "local:"
MOST_SHARDS = 100_000  # their names have five digits
PROTOCOLS = ("tcp://", "tls://", "ucx://", "ws://", "wss://")
FLAGS = ("workers", "scheduler", "time_limit", "shards", "parquet")


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How the prediction of a set is spread.

    Attributes:
        workers: processes besides this one; the network runs in this one.
        scheduler: address of a Dask scheduler, or local:N; the network runs in its workers. None: no cluster.
        time_limit: seconds that an image may take on a cluster.
        shards: files to write the rows to instead of one; None: one.
        parquet: write each of them as a Parquet file, too.
        skip_bad: give images that cannot be predicted on a cluster an empty row, and continue.
    """

    workers: int = 0
    scheduler: str | None = None
    time_limit: float = 600.0
    shards: int | None = None
    parquet: bool = False
    skip_bad: bool = False


ALONE = Spread()


def add_spread_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `FLAGS`."""
    add = parser.add_argument
    help = "processes besides the predicting one; 0: none (default: 1)"
    add("--workers", type=int, default=1, metavar="N", help=help)
    help = "predict on a Dask cluster, by the address of its scheduler; or in N processes of this machine"
    add("--scheduler", metavar="tcp://HOST:PORT|local:N", help=help)
    help = "seconds that an image may take on a cluster (default: 600)"
    add("--time-limit", type=float, default=Spread.time_limit, metavar="SECONDS", help=help)
    help = "write N CSVs and a manifest to <output>_shards instead of one; submissions/submission.py merges them"
    add("--shards", type=int, metavar="N", help=help)
    add("--parquet", action="store_true", help="with --shards: also write each of them as a Parquet file")


def read_spread(values: dict[str, Any], *, skip_bad: bool) -> Spread:
    """Return how to spread a prediction, from the values of the flags.

    Raises:
        InputError: an invalid value.

    Example:
        >>> values = {"workers": 1, "scheduler": "local:2", "time_limit": 60.0, "shards": None, "parquet": False}
        >>> read_spread(values, skip_bad=False).scheduler
        'local:2'
    """
    spread = Spread(**{name: values[name] for name in FLAGS}, skip_bad=skip_bad)
    if spread.workers < 0:
        raise InputError(f"--workers {spread.workers}: must be at least 0")
    if not spread.time_limit > 0:
        raise InputError(f"--time-limit {spread.time_limit:g}: must be above 0")
    if spread.shards is not None and not 1 <= spread.shards <= MOST_SHARDS:
        raise InputError(f"--shards {spread.shards}: must be from 1 to {MOST_SHARDS}")
    if spread.parquet and spread.shards is None:
        raise InputError("--parquet: goes with --shards; --shards 1 for one file")
    if spread.scheduler is not None:
        _check_scheduler(spread.scheduler)
    return spread


def _check_scheduler(scheduler: str) -> None:
    count = scheduler.removeprefix(LOCAL)
    if scheduler.startswith(LOCAL):
        if not count.isdecimal() or int(count) < 1:
            raise InputError(f"--scheduler {scheduler}: give the number of processes, such as local:4")
    elif not scheduler.startswith(PROTOCOLS):
        raise InputError(f"--scheduler {scheduler}: give an address such as tcp://host:8786, or local:4")
