"""A CSV written image by image, which a killed run resumes where it stopped."""

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from common.errors import InputError
from common.output.submission import COLUMNS
from common.storage.files import written_aside
from common.storage.locks import locked


class SubmissionWriter:
    """Writes a submission image by image; a killed run resumes where it stopped.

    Rows go to `<path>.partial`, where a line without a comma ends each image, so that a torn end is recognised and
    truncated. `finish` moves the rows into place.

    Args:
        path: the CSV to write.
        image_ids: every image, in the order of the rows.
        fingerprint: all that the rows depend on (weights, options, images), as one line.
        columns: of the CSV; the first is the image's id.

    Attributes:
        done: images written so far.
        num_objects: theirs.

    Raises:
        InputError: an unfinished file of another run or a folder is in the way, or an id does not fit into a CSV; on
            entering: another program is writing this file.

    Example:
        with SubmissionWriter(path, image_ids, fingerprint) as writer:
            for image_id in image_ids[len(writer.done):]:
                writer.write(image_id, runs_of(image_id))
            writer.finish()
    """

    def __init__(
        self, path: Path, image_ids: Sequence[str], fingerprint: str, columns: Sequence[str] = COLUMNS
    ) -> None:
        self.path = path
        self.columns = tuple(columns)
        self.partial = path.with_name(path.name + ".partial")
        self.image_ids = list(image_ids)
        self._first_line = f"{' '.join(fingerprint.split())}\n"
        _check_ids(path, self.image_ids)
        self.done: list[str] = []
        self.num_objects = 0
        if path.is_dir():
            raise InputError(f"{path}: a folder; give the name of the CSV file to write")
        path.parent.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> "SubmissionWriter":
        with contextlib.ExitStack() as stack:
            lock = self.path.with_name(f".{self.path.name}.lock")
            stack.enter_context(locked(lock, self.path.name, "choose another --output"))
            self._file = stack.enter_context(self._open())
            if not self._file.tell():
                self._append(self._first_line)
            self._closing = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    def _open(self) -> BinaryIO:
        """Return the partial file, at the end of its intact part."""
        whole = self._resume() if self.partial.exists() else 0
        file = self.partial.open("r+b" if whole else "wb")
        file.truncate(whole)
        file.seek(whole)
        return file

    def write(self, image_id: str, rows: Iterable[str]) -> None:
        """Write one image's rows; an image without objects gets one row of empty cells.

        Args:
            image_id: the next image.
            rows: what follows the id, one text per object, such as its run lengths; empty ones are left out.

        Raises:
            ValueError: another image is due.
        """
        expected = self.image_ids[len(self.done)] if len(self.done) < len(self.image_ids) else None
        if image_id != expected:
            raise ValueError(f"image {image_id} where {expected} is due")
        blank = "," * (len(self.columns) - 2)
        texts = [text for text in rows if text]
        lines = [f"{image_id},{text}\n" for text in texts or [blank]]
        self._append("".join(lines) + f"{image_id}\n")
        self.num_objects += len(texts)
        self.done.append(image_id)

    def finish(self) -> None:
        """Move the finished file into place atomically.

        Raises:
            ValueError: images are missing.
        """
        if len(self.done) < len(self.image_ids):
            raise ValueError(f"{self.path}: {len(self.image_ids) - len(self.done)} images are missing")
        with written_aside(self.path) as aside, self.partial.open("rb") as rows, aside.open("wb") as file:
            rows.readline()
            file.write(f"{','.join(self.columns)}\n".encode())
            file.writelines(line for line in rows if b"," in line)
            file.flush()
            os.fsync(file.fileno())
        self.partial.unlink()

    def _append(self, text: str) -> None:
        self._file.write(text.encode())
        self._file.flush()

    def _resume(self) -> int:
        """Take over the images that an earlier run finished; return the length of the intact part, bytes."""
        whole = 0
        with self.partial.open("rb") as file:
            first_line = file.readline()
            if not first_line.endswith(b"\n"):
                return 0
            if first_line != self._first_line.encode():
                raise self._other_run("another run with other weights, options or images")
            position = whole = len(first_line)
            num_objects = 0
            for line in file:
                position += len(line)
                num_objects += bool(line.partition(b",")[2].strip(b",\n"))
                if b"," not in line and line.endswith(b"\n"):
                    self.done.append(line[:-1].decode())
                    whole, self.num_objects = position, num_objects
        if self.done != self.image_ids[: len(self.done)]:
            raise self._other_run("a run on other images")
        return whole

    def _other_run(self, whose: str) -> InputError:
        return InputError(f"{self.partial}: left by {whose}; finish that run, or delete the file to start over")


def _check_ids(path: Path, image_ids: list[str]) -> None:
    if len(set(image_ids)) < len(image_ids):
        raise InputError(f"{path}: the list of images has a duplicate; remove it")
    for image_id in image_ids:
        is_text = not any("\ud800" <= character <= "\udfff" for character in image_id)  # a name in another encoding
        if not image_id or not is_text or any(character in image_id for character in ',"\r\n'):
            raise InputError(f"{path}: the id {image_id!r} does not fit into a CSV; rename the image")
