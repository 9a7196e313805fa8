"""Folders and zip archives, on disks or at URLs, read alike."""

import functools
import hashlib
import lzma
import os
import re
import struct
import unicodedata
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PosixPath
from typing import Any

from common.errors import InputError

_Stat = tuple[str, os.stat_result]

IS_UTF8 = 0x800  # flag of a file in a zip archive: its name is UTF-8
_URL = re.compile(r"([a-z][a-z0-9]+):/+(?=.)")  # a path has lost one of the slashes
UNICODE_PATH = 0x7075  # extra field of Info-ZIP: version, checksum of the name as stored, name in UTF-8


@dataclass(frozen=True)
class Entry:
    """A file of a tree: its stored name, its size, and a number that changes with its content."""

    stored_name: str
    size: int
    check: int


class FileTree(ABC):
    """The files below a folder or in a zip archive. Can be pickled and used from any thread or process.

    Attributes:
        path: the folder or archive.
    """

    path: Path

    def names(self) -> list[str]:
        """Return the files' names relative to the tree, normalised by `normal_name`, sorted; no hidden ones.

        The first call determines them.
        """
        return list(self._entries)

    def signature(self, names: Iterable[str]) -> str:
        """Return 16 hexadecimal digits that change with these files; a missing one counts, too."""
        digest = hashlib.sha256()
        for name in names:
            entry = self._entries.get(name, Entry(name, 0, 0))
            digest.update(f"{name}\0{entry.size}\0{entry.check}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()[:16]

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return a file's content.

        Raises:
            InputError: no such file, or its content is damaged.
        """

    def fingerprint(self, name: str) -> str:
        """Return a text that only files of equal content share, in a folder or an archive: size and CRC-32."""
        data = self.read(name)
        return f"{len(data)}-{zlib.crc32(data):08x}"

    @abstractmethod
    def _find_entries(self) -> Iterator[tuple[str, Entry]]:
        """Yield all files with their names, in any order."""

    @functools.cached_property
    def _entries(self) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        for stored, entry in self._find_entries():
            name = normal_name(stored)
            if not _is_hidden(name) and entries.setdefault(name, entry) != entry:
                raise InputError(f"{self.path}: holds two files of the name {name}; rename or remove one")
        return dict(sorted(entries.items()))


class UrlPath(PosixPath):
    """A URL where a path is expected: `/` joins, and its text has both slashes.

    Example:
        >>> str(UrlPath("s3://bucket/set") / "a.png")
        's3://bucket/set/a.png'
    """

    def __str__(self) -> str:
        """Return the URL."""
        return _URL.sub(r"\1://", super().__str__(), count=1)


def data_path(text: str) -> Path:
    """Return the path of a folder or archive, or a `UrlPath`; as a flag's `type`."""
    return UrlPath(text) if _URL.match(text) else Path(text)


def normal_name(name: str) -> str:
    """Return a file's name with forward slashes, and each accented letter as one character.

    Windows and macOS differ, so annotations and files may spell the name of an image differently.

    Example:
        >>> normal_name("a" + chr(92) + "u" + chr(0x308)) == "a/" + chr(0xFC)
        True
    """
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def open_tree(path: str | os.PathLike[str]) -> FileTree:
    """Open a folder or a zip archive for reading.

    Args:
        path: the folder or the archive; or a URL of one, such as s3://bucket/folder or gs://bucket/set.zip.

    Raises:
        InputError: no such path, an invalid or truncated zip archive, names that lead out of it or are not UTF-8, two
            files of one name, or no files.
    """
    path = data_path(str(path)).expanduser()
    tree = _open_url(path) if isinstance(path, UrlPath) else _open_path(path.absolute())
    path = tree.path
    if not tree.names():
        raise InputError(f"{path}: holds no files; give the folder that holds the images")
    for name in tree.names():
        try:
            name.encode()
        except UnicodeEncodeError:
            remedy = "rename it" if path.is_dir() else "unpack the archive, and give the folder"
            raise InputError(f"{path}: {name!r} is not a UTF-8 name; {remedy}") from None
    return tree


def check_there(path: Path) -> None:
    """Refuse a folder or archive that is not there, without looking into it.

    Args:
        path: absolute, or a `UrlPath`.

    Raises:
        InputError: no such path, or it cannot be reached.
    """
    if isinstance(path, UrlPath):
        from common.storage.remote import check_remote  # fsspec is an extra

        check_remote(path)
    elif not path.exists():
        raise InputError(f"{path}: no such folder or zip archive")


def _open_path(path: Path) -> FileTree:
    check_there(path)
    return FolderTree(path) if path.is_dir() else ZipTree(path)


def _open_url(path: UrlPath) -> FileTree:
    from common.storage.remote import open_remote  # fsspec is an extra

    return open_remote(path)


class FolderTree(FileTree):
    """The files below a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path}

    def read(self, name: str) -> bytes:
        """Return a file's content."""
        path = self.path / name
        if not path.exists() and name in self._entries:
            path = self.path / self._entries[name].stored_name
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise InputError(f"{path}: no such file") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None

    def _find_entries(self) -> Iterator[tuple[str, Entry]]:
        for name, stat in _walk(self.path, ""):
            yield name, Entry(name, stat.st_size, stat.st_mtime_ns)


class ZipTree(FileTree):
    """The files in a zip archive. Each process opens it at its first read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: dict[int, zipfile.ZipFile] = {}  # by process: a fork shares the file's position

    def __reduce__(self) -> tuple[Any, ...]:
        stat = self.path.stat()
        return _reopen, (self.path, (stat.st_size, stat.st_mtime_ns))

    def read(self, name: str) -> bytes:
        """Return a file's content, checked against its checksum."""
        if name not in self._entries:
            raise InputError(f"{self.path}: holds no file {name}")
        try:
            return self._archive().read(self._entries[name].stored_name)
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, OSError) as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise InputError(f"{self.path}: {name} cannot be unpacked: {error}") from None  # bzip2 gives no errno

    def fingerprint(self, name: str) -> str:
        """Return size and CRC-32 of a file, as the archive notes them."""
        entry = self._entries.get(name)
        return f"{entry.size}-{entry.check:08x}" if entry else super().fingerprint(name)

    def _find_entries(self) -> Iterator[tuple[str, Entry]]:
        for info in self._archive().infolist():
            name = normal_name(_name_in_zip(info))
            if name.startswith("/") or ".." in name.split("/"):
                raise InputError(f"{self.path}: holds the name {name}, which leads out of it; repack it")
            if not name.endswith("/"):
                yield name, Entry(info.filename, info.file_size, info.CRC)

    def _archive(self) -> zipfile.ZipFile:
        archive = self._opened.get(os.getpid())
        if archive is None:
            try:
                archive = self._opened[os.getpid()] = self._open()
            except (zipfile.BadZipFile, UnicodeDecodeError):  # a name that is said to be UTF-8
                raise InputError(f"{self.path}: not a zip archive, or truncated; download it again") from None
        return archive

    def _open(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.path)


@functools.lru_cache(maxsize=8)
def _reopen(path: Path, _: object) -> ZipTree:
    """Return an archive that was pickled, once for each process and version: reading its directory takes a while."""
    return ZipTree(path)


def _name_in_zip(info: zipfile.ZipInfo) -> str:
    """Return a file's name as the program that packed it showed it; with surrogates where that is not known.

    Names are UTF-8 if a flag says so, or in an extra field, or without either: macOS sets no flag. What is no UTF-8 is
    in the code page of the computer that packed it, which no archive tells.
    """
    if info.flag_bits & IS_UTF8:
        return info.filename
    stored, extra = info.orig_filename.encode("cp437"), info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        if kind == UNICODE_PATH and extra[5:9] == struct.pack("<L", zlib.crc32(stored)):
            return extra[9 : 4 + size].decode("utf-8", "surrogateescape")
        extra = extra[4 + size :]
    return stored.decode("utf-8", "surrogateescape")


def _walk(folder: Path, prefix: str, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[_Stat]:
    """Yield names and stats of the files below a folder; `above` holds devices and inodes of its parents."""
    own = folder.stat()
    if (own.st_dev, own.st_ino) in above:
        raise InputError(f"{folder}: a link to one of its parent folders; remove it")
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


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
