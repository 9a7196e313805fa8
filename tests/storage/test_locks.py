"""Locks against real second processes: held, released, killed, of other machines, without the kernel's help."""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import InputError
from common.storage import locks
from common.storage.locks import locked

ROOT = Path(__file__).resolve().parents[1]
HOLD = """
import sys, time
from pathlib import Path
from common.storage import locks
if sys.argv[2] == "without":
    locks.fcntl = None
with locks.locked(Path(sys.argv[1]), "this run", "choose another --logs"):
    print("held", flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def another_process(path, kernel="with"):
    """Another process that holds a lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path), kernel], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def lock(path):
    return locked(path, "this run", "choose another --logs")


def no_kernel(monkeypatch, error=None):
    """Take the kernel's locks away: the module, as on Windows, or the file system's support for them."""
    if error is None:
        return monkeypatch.setattr(locks, "fcntl", None)

    def refuse(file, how):
        raise OSError(error, os.strerror(error))

    return monkeypatch.setattr(locks.fcntl, "flock", refuse)


def write_holder(path, **changes):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(locks._self() | changes))


@pytest.mark.parametrize("kernel", ["with", "without"])
def test_a_second_process_is_told_who_holds_the_lock(tmp_path, monkeypatch, kernel):
    if kernel == "without":
        no_kernel(monkeypatch)
    path = tmp_path / "001" / ".lock"
    with another_process(path, kernel) as holder:
        with pytest.raises(InputError) as caught, lock(path):
            raise AssertionError("both hold it")
        host = json.loads(path.read_text())["host"]
        parts = (f"{path.parent}: this run is in use by process {holder.pid} on {host}", "choose another --logs")
        assert all(part in str(caught.value) for part in parts)
        assert "\n" not in str(caught.value)
        assert path.exists()  # the refused one does not remove it


@pytest.mark.parametrize("said", ["", json.dumps({"host": "elsewhere", "pid": 1, "boot": "another"})])
def test_what_the_kernel_holds_is_held_whatever_its_file_says(tmp_path, said):
    path = tmp_path / ".lock"
    with another_process(path):
        path.write_text(said)
        who = "process 1 on elsewhere" if said else "another process"
        with pytest.raises(InputError, match=f"in use by {who}") as caught, lock(path):
            pass
        assert "delete" not in str(caught.value)


@pytest.mark.parametrize("kernel", ["with", "without"])
def test_a_killed_holder_holds_nothing(tmp_path, monkeypatch, kernel):
    if kernel == "without":
        no_kernel(monkeypatch)
    path = tmp_path / ".lock"
    with another_process(path, kernel) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert path.exists()
        with lock(path):
            assert json.loads(path.read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_process_shuts_itself_out_too(tmp_path):
    with lock(tmp_path / ".lock"), pytest.raises(InputError, match=f"process {os.getpid()} "), lock(tmp_path / ".lock"):
        pass


def test_nothing_is_left_behind_also_after_an_error(tmp_path):
    with lock(tmp_path / "logs" / "001" / ".lock"):
        pass
    with pytest.raises(KeyboardInterrupt), lock(tmp_path / "logs" / "001" / ".lock"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with lock(tmp_path / "logs" / "001" / ".lock"):
        (tmp_path / "logs" / "001" / "log.csv").touch()
    assert [path.name for path in (tmp_path / "logs" / "001").iterdir()] == ["log.csv"]


ELSEWHERE = {"host": "elsewhere", "boot": "another", "pid": 7}


# What a left file says of its holder, and whether it is taken over with the kernel's locks, and without them.
LEFT = {
    "this process's number was another's before": ({"started": "1"}, True, True),
    "no such process": ({"pid": 2**22 + 1}, True, True),
    "a process of another container on this machine": ({"processes": "pid:[1]", "pid": 1}, True, False),
    "before this machine was started anew": ({"boot": "another"}, True, True),
    "another machine": (ELSEWHERE, False, False),
    "this very process": ({}, True, False),
}


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize("case", LEFT)
def test_left_files(tmp_path, monkeypatch, case, kernel):
    changes, with_kernel, without = LEFT[case]
    path = tmp_path / ".lock"
    write_holder(path, **changes)
    if not kernel:
        no_kernel(monkeypatch, errno.ENOLCK)
    if with_kernel if kernel else without:
        with lock(path):
            pass
        return
    with pytest.raises(InputError) as caught, lock(path):
        pass
    holder = locks._self() | changes
    for part in (f"process {holder['pid']} on {holder['host']}", f"if that process has ended, delete {path}"):
        assert part in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"'])
def test_a_torn_file_is_taken_over(tmp_path, text):
    (tmp_path / ".lock").write_text(text)
    with lock(tmp_path / ".lock"):
        pass


@pytest.mark.parametrize("error", [None, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EIO])
def test_file_systems_without_locks(tmp_path, monkeypatch, error):
    no_kernel(monkeypatch, error)
    with lock(tmp_path / ".lock"), pytest.raises(InputError, match="in use by process"), lock(tmp_path / ".lock"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_removed_by_its_holder_in_between_is_tried_again(tmp_path, monkeypatch):
    """Else two processes would hold locks on two files, of which only one is at the path."""
    path, original, calls = tmp_path / ".lock", locks._take, []

    def take(file):
        if not calls:
            path.unlink()
        calls.append(file)
        return original(file)

    monkeypatch.setattr(locks, "_take", take)
    with lock(path):
        assert len(calls) == 2
        assert path.exists()


def test_a_folder_that_cannot_be_written_is_an_os_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError) as caught, lock(tmp_path / "file" / ".lock"):
        pass
    assert caught.value.errno in (errno.EEXIST, errno.ENOTDIR)
