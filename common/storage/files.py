"""Writing files atomically, and where caches lie."""

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from common.errors import InputError

if TYPE_CHECKING:
    import h5py


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success the file replaces `path`, else it is removed.

    Args:
        path: the file to write; its folder is created.

    Yields:
        A path in the same folder, with the same suffixes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield aside
        aside.replace(path)
    except OSError as error:
        if error.errno and not error.filename:  # a full disk names no file
            error.filename = str(path)
        raise
    finally:
        aside.unlink(missing_ok=True)


def remove_asides(folder: Path) -> None:
    """Remove temporary files that killed programs left in a folder."""
    for aside in folder.glob(".*.*"):
        pid = aside.name.split(".")[1]
        if pid.isdecimal() and not _is_running(int(pid)):
            aside.unlink(missing_ok=True)


@contextlib.contextmanager
def hdf5_written_aside(path: Path) -> Iterator["h5py.File"]:
    """Yield an HDF5 file in memory; on success it is written to `path` atomically.

    HDF5 does not survive a full disk: it crashes where plain writing raises an error.

    Args:
        path: the file to write; its folder is created.

    Yields:
        The file, open for writing.
    """
    import h5py  # slow to import

    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        yield file
    with written_aside(path) as aside:
        aside.write_bytes(memory.getbuffer())


def cache_folder() -> Path:
    """Return the first of `cache_folders` that is writable, for downloads and caches."""
    folders = cache_folders()
    return next(filter(is_writable, folders), folders[0])


def cache_folders() -> list[Path]:
    """Return folders for caches, the best first.

    They are `kaggle-segmentation` in `$XDG_CACHE_HOME` or `~/.cache`, and a folder of the user's own in the temporary
    one: not every user has a home, or may write there.

    Raises:
        InputError: there is neither a home nor a temporary folder.
    """
    places = []
    with contextlib.suppress(RuntimeError):  # no home
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        places.append(home / "kaggle-segmentation")
    with contextlib.suppress(FileNotFoundError):  # no folder that takes temporary files
        places.append(Path(tempfile.gettempdir()) / f"kaggle-segmentation-{os.getuid()}")
    if not places:
        raise InputError("no folder for caches: set XDG_CACHE_HOME to one that you may write")
    return places


def is_writable(folder: Path) -> bool:
    """Return whether files can be written to a folder, which is created if it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def find_cached(name: str) -> Path:
    """Return the path of a file of a cache: where it is, else in the first of `cache_folders` that is writable."""
    folders = cache_folders()
    there = (folder / name for folder in folders if (folder / name).is_file())
    return next(there, None) or next(filter(is_writable, folders), folders[0]) / name


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True
