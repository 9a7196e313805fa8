"""Folders and zip archives at URLs such as s3://bucket/folder, over fsspec; imported once such a tree is opened."""

import errno
import functools
import logging
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from common.errors import InputError
from common.storage.trees import Entry, FileTree, UrlPath, ZipTree

PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
Result = TypeVar("Result")

# Else gcsfs asks, over gRPC and before each read, whether a bucket is in a single zone; only those need "true" here.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
for _logger in ("gcsfs", "google.auth"):  # they log what becomes one line here, with a traceback
    logging.getLogger(_logger).setLevel(logging.CRITICAL)


def open_remote(path: UrlPath) -> FileTree:
    """Open a folder, or an archive whose name ends in .zip.

    Raises:
        InputError: nothing is there, or it cannot be reached; the package for such URLs is missing.
    """
    return RemoteZip(path) if path.suffix.lower() == ".zip" else RemoteFolder(path)


def check_remote(path: UrlPath) -> None:
    """Refuse a URL at which nothing is, without listing or reading it.

    Raises:
        InputError: nothing is there, or it cannot be reached; the package for such URLs is missing.
    """
    system, name = _find(path)
    if not _reached(path, lambda: system.exists(name)):
        raise InputError(f"{path}: no such folder or zip archive")


class RemoteFolder(FileTree):
    """The objects below a prefix of a bucket, or any folder that fsspec reads."""

    path: UrlPath

    def __init__(self, path: UrlPath) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (RemoteFolder, self.path)

    def read(self, name: str) -> bytes:
        """Return a file's content.

        Raises:
            InputError: no such file.
            OSError: it cannot be read just now.
        """
        system, root = _find(self.path)
        try:
            data: bytes = system.cat_file(f"{root}/{name}")
        except FileNotFoundError:
            raise InputError(f"{self.path}/{name}: no such file") from None
        except Exception as error:
            raise _away(f"{self.path}/{name}", error) from error
        return data

    def _find_entries(self) -> Iterator[tuple[str, Entry]]:
        system, root = _find(self.path)
        found = _reached(self.path, lambda: system.find(root, detail=True))
        for stored, facts in found.items():
            name = stored.removeprefix(root).lstrip("/")
            if not name or name.endswith("/"):  # stands for a folder, as the web consoles make them
                continue
            changed = str(facts.get("ETag") or facts.get("etag") or facts.get("mtime") or facts.get("LastModified"))
            yield name, Entry(name, int(facts["size"] or 0), zlib.crc32(changed.encode()))


class RemoteZip(ZipTree):
    """The files of a zip archive at a URL; only the parts that are asked for are read."""

    path: UrlPath

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (RemoteZip, self.path)

    def read(self, name: str) -> bytes:
        """Return a file's content, checked against its checksum.

        Raises:
            InputError: no such file, or it is damaged.
            OSError: it cannot be read just now.
        """
        try:
            return super().read(name)
        except InputError:
            raise
        except Exception as error:
            raise _away(f"{self.path}/{name}", error) from error

    def _open(self) -> zipfile.ZipFile:
        system, name = _find(self.path)
        # gcsfs would read ahead in the background, for nothing, and its tasks complain as a process ends.
        return zipfile.ZipFile(_reached(self.path, lambda: system.open(name, "rb", cache_type="readahead")))


@functools.lru_cache(maxsize=8)
def _reopen(kind: Callable[[UrlPath], FileTree], path: UrlPath) -> FileTree:
    """Return a tree that was pickled, once for each process: it lists a bucket, or reads an archive's directory."""
    return kind(path)


def _find(path: UrlPath) -> tuple[Any, str]:
    """Return fsspec's file system, of which it keeps one for each process, and the name in it."""
    scheme = str(path).partition(":")[0]
    package = PACKAGES.get(scheme, "fsspec")
    try:
        from fsspec.core import url_to_fs

        system, name = url_to_fs(str(path))
    except ImportError:
        raise InputError(f"{path}: needs the package {package}; pip install {package}") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}; give a path, or a URL such as s3://bucket/folder") from None
    return system, name.rstrip("/")


def _reached(path: UrlPath, act: Callable[[], Result]) -> Result:
    """Return what is read of a URL; whatever fails is one line, as each kind of storage has errors of its own."""
    try:
        return act()
    except FileNotFoundError:
        raise InputError(f"{path}: no such folder or zip archive") from None
    except Exception as error:
        raise InputError(f"{path}: cannot be read: {error}; check the address and your credentials") from None


def _away(url: str, error: Exception) -> OSError:
    """Return the error of a file that cannot be read just now; `run_main` reports it in one line."""
    return OSError(errno.EREMOTEIO, str(error), url)
