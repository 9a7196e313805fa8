"""Files on S3: fetched once, or a folder kept in step with them. Needs boto3."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from common.errors import InputError
from common.storage.files import written_aside

LAST = "last.npz"  # what a run resumes from: no newer on S3 than what lies beside it


class Place(NamedTuple):
    """An object on S3, or all objects below a key that is empty or ends in a slash.

    Example:
        >>> Place.parse("s3://bucket/runs/small/")
        Place(bucket='bucket', key='runs/small/')
    """

    bucket: str
    key: str

    @classmethod
    def parse(cls, url: str) -> "Place":
        """Return the place that `s3://bucket/key` names.

        Raises:
            InputError: it names none.
        """
        scheme, _, rest = url.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3" or not bucket:
            raise InputError(f"{url}: not on S3; give s3://bucket/name, or s3://bucket/folder/")
        return cls(bucket, key)

    def is_folder(self) -> bool:
        """Return whether it stands for all objects below it."""
        return not self.key or self.key.endswith("/")

    def as_folder(self) -> "Place":
        """Return the place of all objects below this key."""
        return self if self.is_folder() else Place(self.bucket, f"{self.key}/")

    def below(self, name: str) -> "Place":
        """Return the place of an object by its name in this folder."""
        return Place(self.bucket, f"{self.as_folder().key}{name}")

    def __str__(self) -> str:
        """Return the URL."""
        return f"s3://{self.bucket}/{self.key}"


def open_s3() -> Any:
    """Return a client for S3; see `open_client`."""
    return open_client("s3")


def open_client(service: str) -> Any:
    """Return a client of AWS, which finds region, credentials and `AWS_ENDPOINT_URL` as all of boto3 does.

    Raises:
        InputError: boto3 is missing, or there is no region.
    """
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise InputError("AWS needs the package boto3: pip install boto3, or '.[aws]' in the clone") from None
    with one_line(f"AWS {service}"):
        return boto3.client(service, config=Config(retries={"mode": "standard", "max_attempts": 8}))


def fetch(client: Any, place: Place, path: Path) -> None:
    """Download an object to a file, or all objects of a place to a folder, with their dates.

    Args:
        client: from `open_s3`.
        place: what to fetch.
        path: of the file or the folder.

    Raises:
        InputError: there is nothing, or S3 refuses; names the place.
    """
    if not place.is_folder():
        with one_line(place):
            modified = client.head_object(Bucket=place.bucket, Key=place.key)["LastModified"]
        _download(client, place, path, modified.timestamp())
    elif not list(_fetch_all(client, place, path)):
        raise InputError(f"{place}: holds nothing; give the folder of an upload")


class Mirror:
    """A folder whose files are kept on S3, as far as their names and those of their folders begin with no dot.

    Args:
        client: from `open_s3`.
        place: where they are kept.
        folder: the files.
    """

    def __init__(self, client: Any, place: Place, folder: Path) -> None:
        self.client, self.place, self.folder = client, place.as_folder(), folder
        self._kept: dict[str, tuple[int, int]] = {}  # size and date, by name, of what S3 holds

    def fetch(self) -> None:
        """Download what S3 holds; nothing at first.

        Raises:
            InputError: S3 refuses.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in _fetch_all(self.client, self.place, self.folder):
            self._kept[self._name(path)] = _stamp(path)

    def push(self) -> None:
        """Upload what is new or has changed, and delete on S3 what is gone.

        At any moment, S3 holds what a killed run leaves: checkpoints are set aside before all other files are uploaded,
        and uploaded after them, so none is newer than the files beside it.

        Raises:
            InputError: S3 refuses; what was uploaded stays.
        """
        with contextlib.ExitStack() as stack:
            held = {path: stack.enter_context(_held(path)) for path in self._files() if path.name == LAST}
            others = [path for path in self._files() if path.name != LAST]
            for path, source in [*zip(others, others, strict=True), *held.items()]:
                self._upload(path, source)
            there = {self._name(path) for path in (*others, *held)}
        for name in sorted(self._kept.keys() - there):
            with one_line(self.place.below(name)):
                self.client.delete_object(Bucket=self.place.bucket, Key=self.place.below(name).key)
            del self._kept[name]

    def _files(self) -> list[Path]:
        found = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        return [path for path in found if not any(part[0] == "." for part in path.relative_to(self.folder).parts)]

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _upload(self, path: Path, source: Path) -> None:
        name = self._name(path)
        place = self.place.below(name)
        with contextlib.suppress(FileNotFoundError), one_line(place):  # it was renamed: the next push finds it
            stamp = _stamp(source)
            if stamp != self._kept.get(name):
                self.client.upload_file(str(source), place.bucket, place.key)
                self._kept[name] = stamp


@contextlib.contextmanager
def one_line(place: object) -> Iterator[None]:
    """Turn what boto3 raises into one line about a place."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(f"{place}: {reason}; check the name, the region and the permissions") from error


@contextlib.contextmanager
def _held(path: Path) -> Iterator[Path]:
    """Yield another name of a file's present content, which stays when the file is replaced."""
    held = path.with_name(f".{os.getpid()}.{path.name}")
    held.unlink(missing_ok=True)
    held.hardlink_to(path)
    try:
        yield held
    finally:
        held.unlink(missing_ok=True)


def _fetch_all(client: Any, place: Place, folder: Path) -> Iterator[Path]:
    """Download all objects of a place, and yield their files."""
    with one_line(place):
        pages = list(client.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.key))
    for found in (found for page in pages for found in page.get("Contents", ())):
        name = found["Key"][len(place.key) :]
        if not name or name.endswith("/"):  # what consoles make for a folder
            continue
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise InputError(f"{place}{name}: leads out of {folder}; rename the object")
        _download(client, Place(place.bucket, found["Key"]), folder / name, found["LastModified"].timestamp())
        yield folder / name


def _download(client: Any, place: Place, path: Path, modified: float) -> None:
    """Download an object; its date goes along, so that a prediction takes it for the same file again."""
    with written_aside(path) as aside:
        with one_line(place):
            client.download_file(place.bucket, place.key, str(aside))
        os.utime(aside, (modified, modified))


def _stamp(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_size, state.st_mtime_ns
