"""Work on images spread over the workers of a cluster: the client's side."""

import collections
import contextlib
import logging
import queue
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from common.cluster.job import Failure, Job, Made
from common.cluster.worker import NEEDS_WEIGHTS, admit, dismiss, label, make_bundle
from common.errors import InputError
from common.log import logger

if TYPE_CHECKING:
    from distributed import Client, Future

REDONE = 3  # times that an image is tried again
AHEAD = 8  # bundles on the way for each thread of the cluster, at most: a slow one does not hold up the others
PATIENCE = 3  # failed answers of a worker before it is refused
PATROL = 1.0  # seconds between looks at which workers there are
FETCHING = 5.0  # seconds for a finished result, which waits for ever if its worker was lost meanwhile and none is left


class ClusterRun:
    """What a cluster makes of images, in order; few images are on the way at a time.

    Args:
        client: of Dask.
        job: what is to be done.
        give_up: takes an image's id and the reason once it is hopeless; raises, or returns what the image gets.
        note_full: takes the id of an image that may hold more objects than were found.
    """

    def __init__(
        self,
        client: "Client",
        job: Job,
        *,
        give_up: Callable[[str, str], Any],
        note_full: Callable[[str], None],
    ) -> None:
        self._workers = _Workers(client, job)
        self._client, self._job = client, job
        self._give_up, self._note_full = give_up, note_full
        self._futures: dict[Future, list[str]] = {}
        self._done: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self._order: collections.deque[str] = collections.deque()  # ids on the way, as they are to be returned
        self._sent: dict[str, tuple[int, Any]] = {}  # the place and the item of each image on the way
        self._count = 0  # images sent so far
        self._results: dict[str, Any] = {}
        self._tries: collections.Counter[str] = collections.Counter()

    def results(self, images: Iterator[tuple[str, Any]], count: int) -> Generator[Any, None, None]:
        """Yield what was made of each image, in order.

        Args:
            images: ids, no two the same, and what `Work.load` takes of each; taken as there is room for them.
            count: how many there are.

        Raises:
            InputError: the scheduler is gone, or no worker can do the job; and what `give_up` raises.
        """
        left = count
        try:
            while left or self._order:
                if self._workers.patrol():
                    self._submit_again()
                most = self._job.bundle
                while left and len(self._order) < AHEAD * most * self._workers.threads:
                    size = min(bundle_size(left, self._workers.threads, most), left)
                    self._submit([next(images) for _ in range(size)])
                    left -= size
                self._collect()
                while self._order and self._order[0] in self._results:
                    yield self._results.pop(self._order.popleft())
        except InputError:
            raise
        except Exception as error:  # a client without a scheduler closes itself after a while, whatever it is asked
            if self._client.status == "running":
                raise
            raise gone(self._workers.address) from error
        finally:
            with contextlib.suppress(Exception):  # what cannot be reached needs no cleaning; the reason is told already
                self._client.cancel(list(self._futures), force=True)
                self._workers.dismiss()

    def _submit(self, bundle: Sequence[tuple[str, Any]]) -> None:
        for image_id, item in bundle:
            self._order.append(image_id)
            self._sent[image_id] = self._count, item
            self._count += 1
        self._send([image_id for image_id, _ in bundle])

    def _send(self, image_ids: list[str]) -> None:
        bundle = [(image_id, self._sent[image_id][1]) for image_id in image_ids]
        future = self._client.submit(
            make_bundle,
            self._job.token,
            bundle,
            pure=False,
            resources={label(self._job.token): 1},
            priority=-self._sent[image_ids[0]][0],  # of equal ones, Dask takes the last
        )
        self._futures[future] = image_ids
        future.add_done_callback(self._done.put)

    def _submit_again(self) -> None:
        """Send what waits for workers that are gone: Dask does not see that others have come."""
        waiting, self._futures = self._futures, {}
        self._client.cancel(list(waiting), force=True)
        for image_ids in waiting.values():
            self._send(image_ids)

    def _collect(self) -> None:
        """Take in what is done; wait for it a little."""
        try:
            self._take(self._done.get(timeout=PATROL))
            while True:
                self._take(self._done.get_nowait())
        except queue.Empty:
            pass

    def _take(self, future: "Future") -> None:
        image_ids = self._futures.pop(future, None)
        if image_ids is None:
            return  # sent again meanwhile
        made = self._result(future)
        for image_id, one in zip(image_ids, made, strict=False):
            if isinstance(one, Made):
                self._keep(image_id, one)
            else:
                self._try_again(image_id, one)
        for image_id in image_ids[len(made) :]:
            self._send([image_id])

    def _result(self, future: "Future") -> list[Made | Failure]:
        """Return what a worker made of its images; of none of them if it was lost."""
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        try:
            result: list[Made | Failure] = future.result(timeout=FETCHING)
        except KilledWorker:
            return [Failure("its worker was lost, several times")]
        except (FutureCancelledError, OSError):
            self._workers.look_now()
            return []
        except KeyError:  # a worker that was started anew at the same address
            return []
        return result

    def _keep(self, image_id: str, made: Made) -> None:
        self._results[image_id] = made.result
        if made.full:
            self._note_full(image_id)
        del self._sent[image_id]
        self._tries.pop(image_id, None)

    def _try_again(self, image_id: str, failure: Failure) -> None:
        self._tries[image_id] += 1
        if failure.final or self._tries[image_id] > REDONE:
            times = "" if failure.final else f" ({self._tries[image_id]} times)"
            self._keep(image_id, Made(self._give_up(image_id, f"{failure.reason}{times}")))
        else:
            self._send([image_id])


class _Workers:
    """The workers of a cluster that take part in a job."""

    def __init__(self, client: "Client", job: Job) -> None:
        self._client, self._job = client, job
        self.address = str(client.scheduler.address) if client.scheduler else "the scheduler"
        self._threads: dict[str, int] = {}  # of those that take part, by address
        self._refused: dict[str, str] = {}
        self._silent: collections.Counter[str] = collections.Counter()  # failed answers by address
        self._due = 0.0
        self._waiting = False
        self._settled: set[str] = set()  # those that took part before the last patrol admitted others
        self._stranded = False

    @property
    def threads(self) -> int:
        """How many images can be worked on at a time."""
        return sum(self._threads.values())

    def look_now(self) -> None:
        """Let the next patrol take place, however short ago the last one was."""
        self._due = 0.0

    def patrol(self) -> bool:
        """Admit workers that are new, and forget those that are gone; does so now and then.

        Returns:
            Whether there are workers after a moment without any. Tasks that lose their worker in such a moment wait for
            ever: Dask looks for another one when a worker joins it, which is before this job admits it.

        Raises:
            InputError: the scheduler is gone, or there are workers and all are refused.
        """
        if time.monotonic() < self._due:
            return False
        try:
            there = self._client.nthreads()
            lost = not self._threads.keys() <= there.keys()
            self._stranded |= lost and not self._settled & there.keys()
            self._threads = {address: count for address, count in self._threads.items() if address in there}
            self._settled = set(self._threads)
            self._refused = {address: why for address, why in self._refused.items() if address in there}
            new = [address for address in there if address not in self._threads and address not in self._refused]
            self._admit({address: there[address] for address in new})
        except (OSError, RuntimeError, TimeoutError) as error:
            raise gone(self.address) from error
        self._due = time.monotonic() + PATROL
        if there and len(self._refused) == len(there):
            raise InputError(f"{self.address}: no worker can be used: {next(iter(self._refused.values()))}")
        if not self._threads and not self._waiting:
            logger.info(f"{self.address}: waiting for workers")
        self._waiting = not self._threads
        again = self._stranded and bool(self._threads)
        self._stranded &= not again
        return again

    def dismiss(self) -> None:
        """Free the memory of the workers."""
        if self._threads:
            self._client.run(dismiss, self._job.token, workers=list(self._threads), on_error="ignore")

    def _admit(self, new: dict[str, int]) -> None:
        answers = self._ask(list(new), None)
        lacking = [address for address, answer in answers.items() if answer == NEEDS_WEIGHTS]
        if lacking:
            answers |= self._ask(lacking, self._job.read_weights())
        for address, answer in answers.items():
            if answer == "":
                self._threads[address] = new[address]
            elif isinstance(answer, str):
                self._refuse(address, answer)
            elif self._silent[address] < PATIENCE:  # it may be about to end
                self._silent[address] += 1
            else:
                self._refuse(address, f"cannot take part ({answer}); install this version of the project there")

    def _ask(self, addresses: list[str], data: dict[str, bytes] | None) -> dict[str, Any]:
        """Return what each worker answers; an exception if it fails."""
        if not addresses:
            return {}
        return self._client.run(admit, self._job, data, workers=addresses, on_error="return")

    def _refuse(self, address: str, answer: str) -> None:
        self._refused[address] = f"{address} {answer}"
        logger.warning(f"refused: worker {address} {answer}")


def bundle_size(left: int, threads: int, most: int) -> int:
    """Return how many images a worker takes at a time: fewer towards the end, so that all end together.

    Example:
        >>> bundle_size(1000, 4, 8), bundle_size(40, 4, 8), bundle_size(3, 4, 8)
        (8, 2, 1)
    """
    return max(1, min(most, left // (4 * max(threads, 1))))


def gone(address: str) -> InputError:
    """Return what is said of a scheduler that cannot be reached."""
    return InputError(
        f"{address}: the scheduler is gone, or cannot be reached; start it, and run the same command again to resume"
    )


def quiet_dask() -> None:
    """Keep Dask's log to what nobody else says; this package reports workers and schedulers that are lost."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
