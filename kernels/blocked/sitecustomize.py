"""Refuse sockets and writing to the inputs in Python: for `kernel.py run` where the system allows no namespaces.

Python imports this file by itself at its start where its folder is in PYTHONPATH.
"""

import errno
import os
import socket
import sys
from typing import Any

INPUT = os.environ.get("KAGGLE_ROOT", "/kaggle") + "/input/"
OFFLINE = os.environ.get("KERNEL_OFFLINE") == "1"
LOCAL = ("localhost", "127.0.0.1", "::1", None)
CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "os.link", "os.symlink", "os.chmod")


def refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise what the system would: no network, and a read-only file system."""
    if OFFLINE and event == "socket.getaddrinfo" and arguments[0] not in LOCAL:
        raise socket.gaierror(socket.EAI_AGAIN, "no network: enable_internet is false")
    if OFFLINE and event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] not in LOCAL:
        raise OSError(errno.ENETUNREACH, "no network: enable_internet is false")
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if (writes or event in CHANGES) and any(_is_input(path) for path in arguments[:2]):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(arguments[0]))


def _is_input(path: object) -> bool:
    return isinstance(path, str | bytes | os.PathLike) and os.fsdecode(path).startswith(INPUT)


sys.addaudithook(refuse)
