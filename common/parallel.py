"""One way to spread work: named jobs go to an executor, results come back in order, few are under way at a time."""

import collections
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any, TypeVar

from common.errors import InputError

Result = TypeVar("Result")

PREDICTING = 2  # images at a time: while one waits for the disk or for one thread's work, another fills the cores


class JobError(Exception):
    """A job failed; the message names it."""


class InlineExecutor(Executor):
    """Runs every job at once in the calling thread: for debugging, and where one process is enough."""

    def submit(self, function: Callable, /, *arguments: Any, **keywords: Any) -> Future:
        """Run the job and return its finished future."""
        future: Future = Future()
        try:
            future.set_result(function(*arguments, **keywords))
        except Exception as error:
            future.set_exception(error)
        return future


def open_executor(num_workers: int) -> Executor:
    """Return an executor of `num_workers` fresh processes, or one that works in-line for 0.

    The processes come from joblib's loky, which starts them anew instead of forking: TensorFlow does not survive a
    fork. They end with the program, even when it is killed.
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
    """Run `function(*arguments)` for each job and yield the results in the jobs' order.

    At most `ahead` jobs are submitted whose results have not been taken, so memory does not grow with their number.

    Args:
        function: importable by name, for executors of other processes.
        jobs: pairs of a name and the arguments; taken one at a time.
        executor: any `concurrent.futures` executor.
        ahead: at least 1.

    Yields:
        The job's name and its result.

    Raises:
        JobError: a job failed; names it. What the user handed in wrong stays an `InputError`, under the same name, and
            an `OSError` stays one, with a note of the name.

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
    """Let this process end soon after its parent, which a worker that waits for jobs would not notice."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _submit(executor: Executor, function: Callable, arguments: tuple) -> Future:
    try:
        return executor.submit(function, *arguments)
    except BrokenExecutor as error:
        # A worker died. The job it had is pending, or is this one: either is named when its result is taken.
        future: Future = Future()
        future.set_exception(error)
        return future


def _result(name: str, future: Future) -> tuple[str, Any]:
    try:
        return name, future.result()
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    except OSError as error:  # a full disk, say, which `run_main` knows how to tell
        error.add_note(f"in job {name}")
        raise
    except Exception as error:
        raise JobError(f"{name}: {type(error).__name__}: {error}") from error
