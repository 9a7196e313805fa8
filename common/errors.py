"""Bad input is one clear line and exit code 2, never a traceback."""

import errno
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from types import FrameType

from common.log import log_to_stdout
from common.terminal.streams import guard_streams


class InputError(Exception):
    """Unusable input; the message names the file, the value and the remedy."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came; it ends a program as Ctrl-C does, so that files and locks are left in order."""


def run_main(main: Callable[[], None]) -> None:
    """Run a script's `main`; turn bad input, an unusable disk, too little memory, Ctrl-C and SIGTERM into one line.

    Exit codes: 2 for bad input, an unwritable output or too little memory, 130 for Ctrl-C, 143 for SIGTERM.
    """
    guard_streams()
    _quiet_libraries()
    log_to_stdout()
    _hear_sigterm()
    try:
        main()
    except InputError as error:
        _stop(str(error), 2)
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        _stop(f"{error.filename or 'output'}: {error.strerror}; {_DISK_ERRORS[error.errno]}", 2)
    except MemoryError as error:
        reason = f" ({error})" if str(error) else ""
        _stop(f"out of memory{reason}; close other programs, or use --workers 0 or a smaller --batch-size", 2)
    except KeyboardInterrupt as stop:
        _stop("stopped; run the same command again to resume", 143 if isinstance(stop, Terminated) else 130)


def _hear_sigterm() -> None:
    """Turn SIGTERM into `Terminated`; a container's first process would not even notice it."""

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated

    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, terminate)


def _quiet_libraries() -> None:
    """Set what libraries read when they are imported, unless the user has set it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    home = os.path.expanduser("~")  # noqa: PTH111 (it stays "~" where there is no home; Path's raises)
    if not os.access(home, os.W_OK):  # Keras imports matplotlib, which complains where it cannot write
        os.environ.setdefault("MPLCONFIGDIR", f"{tempfile.gettempdir()}/matplotlib-{os.getuid()}")


_DISK_ERRORS = {
    errno.ENOSPC: "free some space and run the same command again",
    errno.EDQUOT: "free some space and run the same command again",
    errno.EFBIG: "raise the limit on a file's size (ulimit -f) and run the same command again",
    errno.EMFILE: "raise the limit on open files (ulimit -n) and run the same command again",
    errno.ENOMEM: "close other programs and run the same command again",
    errno.EROFS: "choose a writable output folder",
    errno.EACCES: "choose a path that you may read and write",
    errno.EPERM: "choose a path that you may read and write",
    errno.ENOENT: "choose a path below an existing folder",
    errno.ENOTDIR: "choose a path that does not lead through a file",
    errno.EEXIST: "choose a path that does not lead through a file",
    errno.EISDIR: "give a file, not a folder",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EREMOTEIO: "check your credentials and the connection, and run the same command again",
}


def _stop(message: str, code: int) -> None:
    script = sys.argv[0].removesuffix("/__main__.py")  # of `python -m viewer`, the folder
    print(f"{script}: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(code)
