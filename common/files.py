"""One way to read a folder or a zip archive, and to write a file whole or not at all."""

import contextlib
import functools
import hashlib
import io
import lzma
import os
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py

from common.errors import InputError

_Stat = tuple[str, os.stat_result]


class FileTree(ABC):
    """The files below a folder or in a zip archive. May be pickled and used from any thread or process.

    Attributes:
        path: the folder or archive.
    """

    path: Path

    @abstractmethod
    def names(self) -> list[str]:
        """Return the files' names relative to the tree, with forward slashes, sorted; no hidden files, no folders."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return a file's content.

        Raises:
            InputError: no such file, or its content is damaged.
        """

    @abstractmethod
    def signature(self) -> str:
        """Return 16 hexadecimal digits that change when the content changes."""


def open_tree(path: str | os.PathLike[str]) -> FileTree:
    """Open a folder or a zip archive for reading.

    Args:
        path: the folder or the archive.

    Raises:
        InputError: no such path, a file that is not a whole zip archive, names in it that lead out of it or are no
            UTF-8, or no files.
    """
    path = Path(path).expanduser().absolute()
    if not path.exists():
        raise InputError(f"{path}: no such folder or zip archive")
    tree = FolderTree(path) if path.is_dir() else ZipTree(path)
    if not tree.names():
        raise InputError(f"{path}: holds no files; give the folder that holds the pictures")
    for name in tree.names():
        try:
            name.encode()
        except UnicodeEncodeError:
            raise InputError(f"{path}: {name!r} is a name in another encoding than UTF-8; rename it") from None
    return tree


class FolderTree(FileTree):
    """The files below a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path}

    @functools.cached_property
    def _stats(self) -> dict[str, tuple[int, int]]:
        files = sorted(_walk(self.path, ""))
        return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in files if not _is_hidden(name)}

    def names(self) -> list[str]:
        """Return the names as they were when first asked for."""
        return list(self._stats)

    def read(self, name: str) -> bytes:
        """Return a file's content."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            raise InputError(f"{self.path / name}: no such file") from None
        except OSError as error:
            raise InputError(f"{self.path / name}: cannot be read: {error.strerror}") from None

    def signature(self) -> str:
        """Hash the names, sizes and times of change."""
        return _digest(self._stats.items())


class ZipTree(FileTree):
    """The files in a zip archive. Each process opens it for itself, when it first reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: dict[int, zipfile.ZipFile] = {}  # by process: a fork shares the file's position

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, "_opened": {}}

    @functools.cached_property
    def _checks(self) -> dict[str, tuple[int, int]]:
        infos = [info for info in self._archive().infolist() if not info.is_dir()]
        for info in infos:
            if info.filename.startswith("/") or ".." in info.filename.split("/"):
                raise InputError(f"{self.path}: holds the name {info.filename}, which leads out of it; repack it")
        infos.sort(key=lambda info: info.filename)
        return {info.filename: (info.file_size, info.CRC) for info in infos if not _is_hidden(info.filename)}

    def names(self) -> list[str]:
        """Return the names in the archive."""
        return list(self._checks)

    def read(self, name: str) -> bytes:
        """Return a file's content, checked against its checksum."""
        try:
            return self._archive().read(name)
        except KeyError:
            raise InputError(f"{self.path}: holds no file {name}") from None
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, OSError) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise InputError(f"{self.path}: {name} cannot be unpacked: {error}") from None  # bzip2 gives no errno

    def signature(self) -> str:
        """Hash the names, sizes and checksums."""
        return _digest(self._checks.items())

    def _archive(self) -> zipfile.ZipFile:
        archive = self._opened.get(os.getpid())
        if archive is None:
            try:
                archive = self._opened[os.getpid()] = zipfile.ZipFile(self.path)
            except zipfile.BadZipFile:
                raise InputError(f"{self.path}: not a zip archive, or cut off; fetch it again") from None
        return archive


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Hand out a name beside `path` to write to; the file takes its place when all went well, else it is removed.

    Args:
        path: the file to write; its folder is created.

    Yields:
        A path in the same folder, with the same endings.
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
    """Remove what programs left in a folder that were killed while they wrote a file aside."""
    for aside in folder.glob(".*.*"):
        pid = aside.name.split(".")[1]
        if pid.isdecimal() and not _is_running(int(pid)):
            aside.unlink(missing_ok=True)


@contextlib.contextmanager
def hdf5_written_aside(path: Path) -> Iterator[h5py.File]:
    """Hand out an HDF5 file in memory; it is written to `path` as a whole when all went well.

    HDF5 does not survive a full disk: it crashes where plain writing raises an error.

    Args:
        path: the file to write; its folder is created.

    Yields:
        The file, open for writing.
    """
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        yield file
    with written_aside(path) as aside:
        aside.write_bytes(memory.getbuffer())


def cache_folder() -> Path:
    """Return the folder for downloads and caches: `$XDG_CACHE_HOME` or `~/.cache`, and the project's name."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kaggle-segmentation"


def _walk(folder: Path, prefix: str, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[_Stat]:
    """Yield names and stats of the files below a folder; `above` are the devices and inodes of those it lies in."""
    own = folder.stat()
    if (own.st_dev, own.st_ino) in above:
        raise InputError(f"{folder}: a link to a folder that it lies in; remove it")
    above |= {(own.st_dev, own.st_ino)}
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                is_folder, is_file = entry.is_dir(), entry.is_file()
            except OSError as error:  # a link to itself
                raise InputError(f"{entry.path}: {error.strerror}; remove it") from None
            if is_folder:
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", above)
            elif is_file:
                yield prefix + entry.name, entry.stat()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _digest(entries: Iterable[tuple[str, tuple[int, int]]]) -> str:
    digest = hashlib.sha256()
    for name, (size, check) in entries:
        digest.update(f"{name}\0{size}\0{check}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]
