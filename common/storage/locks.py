"""Locks, so that two programs never write the same run or file."""

import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_HELD = (errno.EAGAIN, errno.EACCES)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@contextlib.contextmanager
def locked(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Hold a lock while the block runs, so that a second program stops before it mixes two results.

    The kernel holds the lock (`flock`) and drops it when the process dies, however it dies; processes of several
    containers on one machine see it, too. The lock's file says who holds it. A file that a killed process left behind
    is taken over. Where the file system has no locks, or does not pass them on to other machines, that file alone
    decides: one of a machine that cannot be asked is respected, and the message says how to remove it.

    Args:
        path: of the lock's file, which is removed at the end; its folder is created, and removed if nothing is in it.
        what: is locked, for the message, e.g. "this run".
        remedy: what else to do, e.g. "choose another --logs".

    Raises:
        InputError: another program holds the lock; names its process and its machine.
        OSError: the folder cannot be written.
    """
    made = _make_folder(path.parent)
    try:
        file = _acquire(path, what, remedy)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # before the lock is dropped: after that, it may be another's
            os.close(file)
    finally:
        for folder in made:
            with contextlib.suppress(OSError):  # something is in it
                folder.rmdir()


def _acquire(path: Path, what: str, remedy: str) -> int:
    """Return the open file of a lock that is now ours."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            by_kernel = _take(file)
            if by_kernel and not _is_at(file, path):  # removed by its holder between our two calls
                os.close(file)
                continue
            holder = _read(file)
            if by_kernel is False:
                raise InputError(f"{path.parent}: {what} is in use by {_describe(holder)}; wait for it, or {remedy}")
            if _may_run(holder, bool(by_kernel)):
                raise InputError(
                    f"{path.parent}: {what} is in use by {_describe(holder)}, as far as can be seen from here; wait "
                    f"for it, or {remedy}; if that process has ended, delete {path}"
                )
            with contextlib.suppress(OSError):  # a full disk: what follows reports it
                os.ftruncate(file, 0)
                os.pwrite(file, json.dumps(_self()).encode(), 0)
        except BaseException:
            with contextlib.suppress(OSError):
                os.close(file)
            raise
        return file


def _take(file: int) -> bool | None:
    """Lock an open file: whether that succeeded; None: there are no locks here."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _HELD else None
    return True


def _may_run(holder: dict[str, Any], by_kernel: bool) -> bool:
    """Return whether the process that a lock's file names may still run, given whether the kernel says it does not."""
    if not holder:
        return False
    own = _self()
    if holder.get("boot") != own["boot"]:
        return holder.get("host") != own["host"]  # one name: this machine was started anew since
    if by_kernel:  # the same kernel, so its word is enough
        return False
    if holder.get("processes") != own["processes"]:  # another container: its numbers mean nothing here
        return True
    return _started(holder.get("pid")) == holder.get("started")


def _self() -> dict[str, Any]:
    """Return what a lock's file says of this process."""
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": time.strftime("%Y-%m-%d %H:%M"),
        "boot": _boot(),
        "processes": _link("/proc/self/ns/pid"),
        "started": _started(os.getpid()),
    }


def _describe(holder: dict[str, Any]) -> str:
    if not holder:
        return "another process"
    return f"process {holder.get('pid')} on {holder.get('host')} (since {holder.get('since')})"


def _read(file: int) -> dict[str, Any]:
    """Return what a lock's file says; nothing if it is torn."""
    try:
        holder = json.loads(os.pread(file, 4096, 0))
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _started(pid: Any) -> str | None:
    """Return when a process started, in ticks since the boot, so that its number can be told from a reused one."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _boot() -> str | None:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return None


def _link(path: str) -> str | None:
    try:
        return str(Path(path).readlink())
    except OSError:
        return None


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _make_folder(folder: Path) -> list[Path]:
    """Create a folder; return those that are new, the deepest first."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing
