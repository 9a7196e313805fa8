"""Submission CSVs: written image by image, resumed after an interruption, checked before upload."""

import lzma
import os
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import pandas as pd

from common.errors import InputError
from common.files import written_aside
from common.masks.rle import parse_runs

COLUMNS = ("ImageId", "EncodedPixels")


class SubmissionWriter:
    """Writes a submission image by image; a killed run resumes where it stopped.

    Rows go to `<path>.partial`, where a line without a comma ends each image, so that a torn end is recognised and
    truncated. `finish` moves the rows into place.

    Args:
        path: the CSV to write.
        image_ids: every image, in the order of the rows.
        fingerprint: all that the rows depend on (weights, options, images), as one line.
        columns: of the CSV; the first is the image's id.

    Raises:
        InputError: an unfinished file of another run or a folder is in the way, or an id does not fit into a CSV.

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
        if path.is_dir():
            raise InputError(f"{path}: a folder; give the name of the CSV file to write")
        path.parent.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> "SubmissionWriter":
        whole = self._resume() if self.partial.exists() else 0
        self._file = self.partial.open("r+b" if whole else "wb")
        self._file.truncate(whole)
        self._file.seek(whole)
        if not whole:
            self._append(self._first_line)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

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
        lines = [f"{image_id},{text}\n" for text in rows if text] or [f"{image_id},{blank}\n"]
        self._append("".join(lines) + f"{image_id}\n")
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
            for line in file:
                position += len(line)
                if b"," not in line and line.endswith(b"\n"):
                    self.done.append(line[:-1].decode())
                    whole = position
        if self.done != self.image_ids[: len(self.done)]:
            raise self._other_run("a run on other images")
        return whole

    def _other_run(self, whose: str) -> InputError:
        return InputError(f"{self.partial}: left by {whose}; finish that run, or delete the file to start over")


def read_image_ids(sample_submission: Path, columns: Sequence[str] = COLUMNS) -> list[str]:
    """Return the image ids of a sample submission, in the order of first appearance.

    Args:
        sample_submission: the CSV.
        columns: that it must have, the id first.

    Raises:
        InputError: no such file, other columns, or no rows.
    """
    image_ids = list(dict.fromkeys(read_rows(sample_submission, columns)[columns[0]]))
    if not image_ids:
        raise InputError(f"{sample_submission}: has no rows; download it again")
    return image_ids


def read_rows(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV as text; an empty cell is ''.

    Args:
        path: the CSV.
        columns: that it must have.

    Raises:
        InputError: no such file, not a CSV, or a column is missing.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            table = pd.read_csv(path, dtype=str, keep_default_na=False, na_filter=False, index_col=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (ValueError, EOFError, pd.errors.ParserWarning, zipfile.BadZipFile, lzma.LZMAError, zlib.error) as error:
        raise InputError(f"{path}: not a CSV file: {error}") from None
    except OSError as error:
        if error.errno:
            raise
        raise InputError(f"{path}: not a CSV file: {error}") from None  # from gzip and bzip2
    missing = [column for column in columns if column not in table]
    if missing:
        raise InputError(f"{path}: has columns {','.join(table.columns)}, but needs {','.join(columns)}")
    return table


def check_submission(
    path: Path,
    image_ids: Iterable[str] | None = None,
    image_shapes: Mapping[str, tuple[int, int]] | None = None,
    columns: tuple[str, str] = COLUMNS,
) -> list[str]:
    """List what a competition would reject in a submission.

    Args:
        path: the CSV.
        image_ids: exactly the images that must be there; unchecked by default.
        image_shapes: (height, width) of images, to find runs past their end.
        columns: names of the image's and the run lengths' columns.

    Returns:
        One entry per problem, with its line number, in the order of the lines.

    Raises:
        InputError: no such file.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").removesuffix("\n").split("\n")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    if lines[0] != ",".join(columns):
        return [f"line 1: the header is {lines[0]!r}, not {','.join(columns)!r}"]
    problems: list[tuple[int, str]] = []
    images: dict[str, list[tuple[int, str]]] = {}
    for number, line in enumerate(lines[1:], start=2):
        image_id, comma, text = line.partition(",")
        if not comma or not image_id or "," in text:
            problems.append((number, f"{line[:60]!r} is not an id, a comma and runs"))
        else:
            images.setdefault(image_id, []).append((number, text))
    for image_id, rows in images.items():
        height, width = (image_shapes or {}).get(image_id, (_ANY_SIDE, _ANY_SIDE))
        problems += [(number, f"{image_id}: {problem}") for number, problem in _image_problems(rows, height * width)]
    if image_ids is not None:
        problems += _id_problems({image_id: rows[0][0] for image_id, rows in images.items()}, image_ids, len(lines))
    return [f"line {number}: {problem}" for number, problem in sorted(problems, key=lambda problem: problem[0])]


_ANY_SIDE = 2**30  # of an image of unknown size


def _check_ids(path: Path, image_ids: list[str]) -> None:
    if len(set(image_ids)) < len(image_ids):
        raise InputError(f"{path}: the list of images has a duplicate; remove it")
    for image_id in image_ids:
        is_text = not any("\ud800" <= character <= "\udfff" for character in image_id)  # a name in another encoding
        if not image_id or not is_text or any(character in image_id for character in ',"\r\n'):
            raise InputError(f"{path}: the id {image_id!r} does not fit into a CSV; rename the image")


def _id_problems(first_lines: dict[str, int], image_ids: Iterable[str], num_lines: int) -> Iterator[tuple[int, str]]:
    expected = dict.fromkeys(image_ids)
    for image_id, number in first_lines.items():
        if image_id not in expected:
            yield number, f"{image_id}: not an image of this competition"
    for image_id in expected:
        if image_id not in first_lines:
            yield num_lines + 1, f"{image_id}: has no row; an image without objects needs one with an empty cell"


def _image_problems(rows: list[tuple[int, str]], num_pixels: int) -> Iterator[tuple[int, str]]:
    """Yield line numbers and problems of one image's rows."""
    empty = [number for number, text in rows if not text.strip()]
    if len(rows) > 1:
        yield from ((number, "an empty row beside others") for number in empty)
    full = [(number, text) for number, text in rows if text.strip()]
    try:
        runs = parse_runs([text for _, text in full], num_pixels)
    except ValueError:
        yield from _row_problems(full, num_pixels)
        return
    order = np.argsort(runs.starts, kind="stable")
    starts, reach = runs.starts[order], np.maximum.accumulate(runs.stops[order])
    owners = runs.owners[order]
    reported = set()
    for i in np.flatnonzero(starts[1:] < reach[:-1]).tolist():
        if owners[i + 1] not in reported:
            reported.add(owners[i + 1])
            yield full[owners[i + 1]][0], f"the mask overlaps another one at pixel {starts[i + 1] + 1}"


def _row_problems(rows: list[tuple[int, str]], num_pixels: int) -> Iterator[tuple[int, str]]:
    """Yield line numbers and problems of the rows whose runs are malformed."""
    for number, text in rows:
        try:
            parse_runs([text], num_pixels)
        except ValueError as error:
            yield number, str(error).removeprefix("mask 0, ").removeprefix("mask 0: ")
