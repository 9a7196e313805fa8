"""Connecting to a cluster, or starting one on this machine."""

import contextlib
import functools
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.cluster.job import Job, prepare_check
from common.cluster.prediction import ClusterRun, gone, quiet_dask
from common.cluster.spread import LOCAL, Spread
from common.errors import InputError
from common.images.image_set import ImageSet
from common.images.usable import Facts, Item, Reader, read_in_threads
from common.log import logger
from common.storage.trees import UrlPath

if TYPE_CHECKING:
    from distributed import Client

CONNECTING = 30.0  # seconds


@contextlib.contextmanager
def open_client(scheduler: str) -> Iterator["Client"]:
    """Yield a client of a cluster, and print where Dask's dashboard is.

    Args:
        scheduler: the address of a scheduler, such as tcp://host:8786, or local:N for N processes of this machine.

    Raises:
        InputError: Dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "--scheduler: Dask is not installed; pip install 'kaggle-segmentation[cluster]', or distributed"
        ) from None
    quiet_dask()
    with contextlib.ExitStack() as stack:
        try:
            target = stack.enter_context(_local(scheduler)) if scheduler.startswith(LOCAL) else scheduler
            client = stack.enter_context(Client(target, timeout=CONNECTING, set_as_default=False))
        except (OSError, ValueError) as error:
            raise gone(scheduler) from error
        logger.info(f"cluster {client.scheduler.address}, dashboard {client.dashboard_link}")
        yield client


def _local(scheduler: str) -> Any:
    """Return a cluster of processes of this machine, which share its cores."""
    from distributed import LocalCluster

    count = int(scheduler.removeprefix(LOCAL))
    cores = str(max(1, len(os.sched_getaffinity(0)) // count))
    threads = {"OMP_NUM_THREADS": cores, "TF_NUM_INTRAOP_THREADS": cores, "TF_NUM_INTEROP_THREADS": "1"}
    return LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        processes=True,
        memory_limit=None,
        dashboard_address="127.0.0.1:0",
        env=threads,
    )


def make_rows_on_cluster(
    client: "Client",
    images: ImageSet,
    job: Job,
    note_full: Callable[[str], None],
    indices: Sequence[int],
    *,
    skip_bad: bool,
) -> Generator[list[str], None, None]:
    """Return an iterator over the rows of images, made by a cluster, in order; see `common.output.rows.make_rows`.

    Args:
        client: of the cluster.
        images: the set, which the workers see, too.
        job: what they are to do.
        note_full: takes the id of an image that may hold more objects than were found.
        indices: of the images.
        skip_bad: report images that cannot be predicted, give them no rows, and continue.
    """

    def give_up(image_id: str, reason: str) -> list[str]:
        if not skip_bad:
            raise _hopeless(image_id, reason)
        logger.warning(f"warning: {image_id}: {reason}; it gets an empty row")
        return []

    rows = np.asarray(images.rows)
    loaders = ((images.image_ids[index], images.source.loader(int(rows[index]))) for index in indices)
    return ClusterRun(client, job, give_up=give_up, note_full=note_full).results(loaders, len(indices))


def choose_reader(spread: Spread, dataset: Path) -> Reader:
    """Return what reads the images of a new set: the workers of a cluster if there is one, else threads.

    Args:
        spread: how the prediction of the set is spread.
        dataset: folder or archive, which the workers see, too.
    """
    if spread.scheduler is None:
        return read_in_threads
    there = dataset if isinstance(dataset, UrlPath) else dataset.expanduser().absolute()
    return functools.partial(read_on_cluster, spread, there)


def read_on_cluster(
    spread: Spread, dataset: Path, read: Callable[[Item], Facts], items: Sequence[Item], name: Callable[[Item], str]
) -> Iterator[tuple[Facts | None, str]]:
    """Yield what workers return of each item, in order; see `common.images.usable.Reader`.

    An item that no worker could read ends the program, or is unusable with `spread.skip_bad`.

    Args:
        spread: names the cluster.
        dataset: folder or archive that the items are in, absolute.
        read: see `Reader`.
        items: see `Reader`.
        name: see `Reader`.

    Raises:
        InputError: the cluster cannot be reached or does not see the set; an item that no worker could read.
    """

    def give_up(place: str, reason: str) -> tuple[None, str]:
        image = f"{dataset}/{name(items[int(place)])}"
        if not spread.skip_bad:
            raise _hopeless(image, reason)
        return None, f"{image}: {reason}"

    if not items:
        return
    assert spread.scheduler is not None
    job = prepare_check(read, dataset, spread.time_limit)
    with open_client(spread.scheduler) as client:
        run = ClusterRun(client, job, give_up=give_up, note_full=lambda _: None)
        placed = ((str(place), item) for place, item in enumerate(items))  # names need not differ
        yield from run.results(placed, len(items))


def _hopeless(image: str, reason: str) -> InputError:
    return InputError(f"{image}: {reason}; leave out such images with --skip-bad")
