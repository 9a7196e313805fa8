"""Parallel work: named jobs go to an executor, results come back in order, few are pending at a time."""

import collections
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any, TypeVar

from common.errors import InputError

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
    even if it is killed.
    """
    if num_workers == 0:
        return InlineExecutor()
    from joblib.externals.loky import get_reusable_executor

    return get_reusable_executor(
        max_workers=num_workers,
        timeout=None,
        initializer=_end_with,
        initargs=(os.getpid(),),
        env={"OMP_NUM_THREADS": "1"},
    )


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
        JobError: a job failed; names it. An `InputError` stays one, prefixed with the name; an `OSError` stays one,
            with the name in a note.

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


def _end_with(parent: int) -> None:
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
    except OSError as error:  # such as a full disk, which `run_main` reports
        error.add_note(f"in job {name}")
        raise
    except Exception as error:
        raise JobError(f"{name}: {type(error).__name__}: {error}") from error
