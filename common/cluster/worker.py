"""What runs in Dask's workers: admission of a worker to a job, and the work on a few images at a time."""

import asyncio
import queue
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.cluster.child import Bundle, Child
from common.cluster.job import Failure, Job, Made, describe_difference, find_versions, find_weights, keep_weights
from common.errors import InputError
from common.storage.trees import check_there

NEEDS_WEIGHTS = "needs the weights"


class Crew:
    """The children of a worker for one job: one for each of its threads, started when there is work.

    Args:
        job: what they are to do.
        places: of the weights on this machine.
        size: how many at most.
    """

    def __init__(self, job: Job, places: Mapping[str, Path], size: int) -> None:
        self._limit = job.limit
        self._children = [Child(job.packed, places) for _ in range(size)]
        self._idle: queue.LifoQueue[Child] = queue.LifoQueue()  # the one that is warm comes first
        for child in self._children:
            self._idle.put(child)

    def make(self, bundle: Bundle) -> list[Made | Failure]:
        """See `Child.make`."""
        child = self._idle.get()
        try:
            return child.make(bundle, self._limit)
        finally:
            self._idle.put(child)

    def kill_idle(self) -> None:
        """End the children that have nothing to do; they start again when needed."""
        idle = []
        while not self._idle.empty():
            idle.append(self._idle.get())
        for child in idle:
            child.kill()
            self._idle.put(child)


_CREWS: dict[str, Crew] = {}  # of this process, by the job's token
_LOCK = threading.Lock()


async def admit(job: Job, data: Mapping[str, bytes] | None = None, *, dask_worker: Any) -> str:
    """Check whether this worker can do a job, and let it take part; called by `distributed.Client.run`.

    Args:
        job: what is to be done.
        data: weights by their SHA-256, for workers that do not see the files.
        dask_worker: set by Dask.

    Returns:
        Nothing if it takes part, `NEEDS_WEIGHTS`, or why it cannot.
    """
    problem, places = await asyncio.to_thread(_check, job, data or {})
    if problem:
        return problem
    size = int(dask_worker.state.nthreads)
    with _LOCK:
        for crew in _CREWS.values():  # of clients that have ended: each holds a network in memory
            crew.kill_idle()
        _CREWS.setdefault(job.token, Crew(job, places, size))
    await dask_worker.set_resources(**{label(job.token): size})
    return ""


def dismiss(token: str) -> None:
    """End what this worker keeps for a job."""
    with _LOCK:
        crew = _CREWS.pop(token, None)
    if crew:
        crew.kill_idle()


def make_bundle(token: str, bundle: Bundle) -> list[Made | Failure]:
    """Return what was made of the images of a bundle, see `Child.make`; a task of Dask's."""
    return _CREWS[token].make(bundle)


def label(token: str) -> str:
    """Return the name of Dask's resource that the workers of a job have, one for each thread."""
    return f"segmentation-{token}"


def _check(job: Job, data: Mapping[str, bytes]) -> tuple[str, dict[str, Path]]:
    """Return why this worker cannot do a job, and where its weights are."""
    difference = describe_difference(find_versions(job.folders), job.versions)
    if difference:
        return f"has {difference}; install the same versions there", {}
    try:
        if job.dataset:
            check_there(job.dataset)
    except InputError as error:
        return f"does not see the set: {error}; give a path or URL that all workers see", {}
    for digest, content in data.items():
        keep_weights(content, digest)
    found = {path: find_weights(path, digest) for path, digest in job.weights.items()}
    places = {path: place for path, place in found.items() if place}
    return (NEEDS_WEIGHTS if len(places) < len(found) else ""), places
