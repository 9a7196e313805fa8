"""Parallel work: named jobs go to an executor, results come back in order, few are pending at a time."""

import collections
import errno
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any, TypeVar

from common.errors import InputError
from common.log import logger

Result = TypeVar("Result")

PREDICTING = 2  # images at a time: while one waits for the disk or a single thread, another fills the cores


class JobError(Exception):
    """A job failed; the message names it."""


class InlineExecutor(Executor):
    """Runs every job immediately in the calling thread: for debugging, and where one process is enough."""

    def submit(self, function: Callable, /, *arguments: Any, **keywords: Any) -> Future:
        """Run the job and return its finished future."""
        future: Future = Future()
        try:
            future.set_result(function(*arguments, **keywords))
        except Exception as error:
            future.set_exception(error)
        return future


def open_executor(num_workers: int) -> Executor:
    """Return an executor of `num_workers` fresh processes, or an inline one for 0.

    joblib's loky starts them afresh instead of forking, which TensorFlow does not survive. They end with the program,
    even if it is killed. Where the system refuses them, a line says why, and the executor is an inline one.
    """
    if num_workers == 0:
        return InlineExecutor()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # joblib's own words on a full /dev/shm
        from joblib.externals.loky import get_reusable_executor

    try:
        executor = get_reusable_executor(
            max_workers=num_workers,
            timeout=None,
            initializer=end_with,
            initargs=(os.getpid(),),
            env={"OMP_NUM_THREADS": "1"},
        )
        executor.submit(os.getpid)  # starts the processes now, so that a refusal shows here
    except OSError as error:
        logger.info(f"no worker processes ({_refusal(error)}): going on without, as with --workers 0")
        return InlineExecutor()
    return executor


def map_in_order(
    function: Callable[..., Result], jobs: Iterable[tuple[str, tuple]], executor: Executor, *, ahead: int
) -> Iterator[tuple[str, Result]]:
    """Run `function(*arguments)` for each job and yield the results in order.

    At most `ahead` results are pending, so memory does not grow with the number of jobs.

    Args:
        function: importable by name, if the executor uses other processes.
        jobs: pairs of a name and the arguments; taken one at a time.
        executor: any `concurrent.futures` executor.
        ahead: at least 1.

    Yields:
        The job's name and its result.

    Raises:
        JobError: a job failed; names it. An `InputError` stays one, prefixed with the name; an `OSError` or a
            `MemoryError` stays one, with the name in a note.
        InputError: a worker was killed.

    Example:
        >>> list(map_in_order(max, [("a", (1, 2)), ("b", (4, 3))], InlineExecutor(), ahead=1))
        [('a', 2), ('b', 4)]
    """
    pending: collections.deque[tuple[str, Future]] = collections.deque()
    try:
        for name, arguments in jobs:
            pending.append((name, _submit(executor, function, arguments)))
            if len(pending) >= ahead:
                yield _result(*pending.popleft())
        while pending:
            yield _result(*pending.popleft())
    finally:
        for _, future in pending:
            future.cancel()


def _refusal(error: OSError) -> str:
    """Return why no process could be started; the semaphores that all share are files in /dev/shm."""
    in_memory = error.errno in (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.ENOENT, errno.EDQUOT)
    place = error.filename or ("/dev/shm" if in_memory else "")
    return f"{place}: {error.strerror or error}" if place else str(error.strerror or error)


def end_with(parent: int) -> None:
    """End this process soon after its parent, whose end an idle worker would not notice."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _submit(executor: Executor, function: Callable, arguments: tuple) -> Future:
    try:
        return executor.submit(function, *arguments)
    except BrokenExecutor as error:
        # A worker died. Its job is pending, or is this one: taking the result names it.
        future: Future = Future()
        future.set_exception(error)
        return future


def _result(name: str, future: Future) -> tuple[str, Any]:
    try:
        return name, future.result()
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    except BrokenExecutor:
        raise InputError(
            f"{name}: a worker process was killed, as when memory runs out; run the same command again to resume, "
            "with --workers 0 if it is killed again"
        ) from None
    except (OSError, MemoryError) as error:  # such as a full disk, which `run_main` reports
        error.add_note(f"in job {name}")
        raise
    except Exception as error:
        raise JobError(f"{name}: {type(error).__name__}: {error}") from error
