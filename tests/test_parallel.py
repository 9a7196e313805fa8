import errno
import operator
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor

import pytest

from common.errors import InputError
from common.parallel import InlineExecutor, JobError, map_in_order, open_executor


class LazyExecutor(Executor):
    """Runs a job only when its result is asked for, and remembers what was submitted."""

    def __init__(self):
        self.futures = []

    def submit(self, function, /, *arguments, **keywords):
        future = Future()
        future.result = lambda timeout=None: function(*arguments, **keywords)
        self.futures.append(future)
        return future


class DyingExecutor(Executor):
    """Loses its worker to the first job, and refuses the others."""

    def __init__(self):
        self.broken = None

    def submit(self, function, /, *arguments, **keywords):
        if self.broken is not None:
            raise self.broken
        self.broken = BrokenExecutor("a worker died")
        future = Future()
        future.set_exception(self.broken)
        return future


def fail(error):
    raise error


def late(value, seconds):
    time.sleep(seconds)
    return value


def test_results_keep_the_order_of_the_jobs():
    jobs = [(f"job {i}", (i, 0.02 * (3 - i % 4))) for i in range(8)]
    with ThreadPoolExecutor(4) as executor:
        results = list(map_in_order(late, jobs, executor, ahead=4))
    assert results == [(f"job {i}", i) for i in range(8)]


@pytest.mark.parametrize("ahead", [1, 3, 100])
def test_few_jobs_are_under_way(ahead):
    executor, taken = LazyExecutor(), 0
    for taken, (name, result) in enumerate(
        map_in_order(abs, ((str(i), (-i,)) for i in range(20)), executor, ahead=ahead)
    ):
        assert (name, result) == (str(taken), taken)
        assert len(executor.futures) - taken <= ahead
    assert taken == 19


def test_no_jobs():
    assert list(map_in_order(abs, [], InlineExecutor(), ahead=2)) == []


def test_a_failure_names_its_job():
    jobs = [("first", (4, 2)), ("second", (1, 0))]
    results = map_in_order(operator.truediv, jobs, InlineExecutor(), ahead=1)
    assert next(results) == ("first", 2)
    with pytest.raises(JobError, match="second: ZeroDivisionError"):
        next(results)


def test_an_error_of_the_disk_stays_one():
    with pytest.raises(PermissionError) as caught:
        list(map_in_order(fail, [("an image", (PermissionError(13, "no"),))], InlineExecutor(), ahead=1))
    assert caught.value.__notes__ == ["in job an image"]


def test_bad_input_stays_bad_input():
    with pytest.raises(InputError, match="an image: no masks"):
        list(map_in_order(fail, [("an image", (InputError("no masks"),))], InlineExecutor(), ahead=1))


def test_what_is_under_way_is_cancelled_when_nobody_wants_it():
    executor = LazyExecutor()
    results = map_in_order(abs, ((str(i), (i,)) for i in range(9)), executor, ahead=4)
    next(results)
    results.close()
    assert [future.cancelled() for future in executor.futures] == [False, True, True, True]


@pytest.mark.parametrize("ahead", [1, 3])
def test_a_worker_that_dies_early_names_the_job_it_had(ahead):
    jobs = [(name, (1,)) for name in ("first", "second", "third", "fourth")]
    with pytest.raises(InputError, match=r"^first: a worker process was killed, .*--workers 0"):
        list(map_in_order(abs, jobs, DyingExecutor(), ahead=ahead))


def test_other_processes():
    jobs = [(str(i), (i, 0)) for i in range(5)]
    results = list(map_in_order(operator.add, jobs, open_executor(1), ahead=2))
    assert results == [(str(i), i) for i in range(5)]
    assert isinstance(open_executor(0), InlineExecutor)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "/dev/shm: No space left on device"),
        (OSError(errno.EROFS, "Read-only file system"), "/dev/shm: Read-only file system"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "/dev/shm: No such file or directory"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "Resource temporarily unavailable"),
    ],
)
def test_where_no_process_starts_the_work_is_done_in_this_one(monkeypatch, lines, error, reason):
    monkeypatch.setattr("joblib.externals.loky.get_reusable_executor", lambda **_: fail(error))
    executor = open_executor(2)
    assert lines() == [f"no worker processes ({reason}): going on without, as with --workers 0"]
    assert list(map_in_order(operator.neg, [("one", (1,))], executor, ahead=2)) == [("one", -1)]


@pytest.mark.parametrize("options", ["size=4k", "ro", "mode=000"])
def test_shared_memory_that_cannot_be_used_stops_nothing(options):
    program = "from common.log import log_to_stdout; log_to_stdout(); from common.parallel import open_executor\n"
    program += "print(open_executor(2).submit(abs, -3).result())"
    script = f'mount -t tmpfs -o {options} tmpfs /dev/shm && exec "$0" -c "$1"'
    if not shutil.which("unshare") or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("no permission to mount")
    run = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, sys.executable, program], capture_output=True, text=True, timeout=60
    )
    if options == "mode=000" and run.stdout == "3\n":
        pytest.skip("root may write anywhere")
    assert run.stdout.startswith("no worker processes (/dev/shm: ")
    assert (run.stdout.splitlines()[1:], run.stderr) == (["3"], "")


def test_workers_end_with_a_killed_program():
    program = (
        "import os, signal\n"
        "from common.parallel import open_executor\n"
        "print(open_executor(1).submit(os.getpid).result(), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    output, _ = process.communicate(timeout=60)  # comes back when the worker, too, has let go of the pipe
    assert process.returncode == -signal.SIGKILL
    assert int(output) != process.pid
