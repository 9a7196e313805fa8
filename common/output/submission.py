"""CSVs as people and programs write them, and submissions checked before upload."""

import bz2
import csv
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from common.errors import InputError
from common.log import logger
from common.masks.rle import parse_runs

COLUMNS = ("ImageId", "EncodedPixels")

_LONGEST_CELL = 2**31 - 1
_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def is_csv(path: Path) -> bool:
    """Return whether a file is a CSV by its name, also packed as `read_rows` reads it.

    Example:
        >>> [is_csv(Path(name)) for name in ("a.csv", "a.csv.zip", "a.csv.gz", "a.zip", "a.csv.txt")]
        [True, True, True, False, False]
    """
    packed = path.suffix in (*_OPENERS, ".zip")
    return (Path(path.stem) if packed else path).suffix == ".csv"


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

    Cells may be quoted, columns may have any order, and blank rows do not count.

    Args:
        path: the CSV, also packed as .gz, .bz2, .xz or .zip.
        columns: that it must have; others are kept.

    Returns:
        One row per row of the file; the index is its line number, from 2.

    Raises:
        InputError: no such file, not a CSV with commas, a column is missing, or a row of another length.
    """
    table, bad = read_table(path, columns)
    if bad:
        raise InputError(f"{path}: line {bad[0][0]}: {bad[0][1]}")
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
        columns: names of the image's and the run lengths' columns; others are reported, and do not count.

    Returns:
        One entry per problem, with its line number, in the order of the lines.

    Raises:
        InputError: no such file, not a CSV with commas, or a column is missing.
    """
    table, problems = read_table(path, columns)
    report_more_columns(path, table, columns)
    images: dict[str, list[tuple[int, str]]] = {}
    for number, image_id, text in zip(table.index.tolist(), *(table[name].tolist() for name in columns), strict=True):
        if image_id:
            images.setdefault(image_id, []).append((number, text))
        else:
            problems.append((number, f"has no {columns[0]}"))
    for image_id, rows in images.items():
        height, width = (image_shapes or {}).get(image_id, (_ANY_SIDE, _ANY_SIDE))
        problems += [(number, f"{image_id}: {problem}") for number, problem in _image_problems(rows, height * width)]
    if image_ids is not None:
        end = max([1, *table.index.tolist()]) + 1
        problems += _id_problems({image_id: rows[0][0] for image_id, rows in images.items()}, image_ids, end)
    return [f"line {number}: {problem}" for number, problem in sorted(problems, key=lambda problem: problem[0])]


def as_written(image_id: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown id that a spreadsheet made of a known one; '' if there is no such id.

    Args:
        image_id: such as "7.0" or "7".
        known: such as "007".

    Example:
        >>> as_written("7.0", ["6", "007"])
        ' (is it 007, turned into a number? write ids as text)'
    """
    whole, _, fraction = image_id.partition(".")
    if not whole.isdecimal() or fraction.strip("0"):
        return ""
    meant = next((one for one in known if one.isdecimal() and int(one) == int(whole)), "")
    return f" (is it {meant}, turned into a number? write ids as text)" if meant else ""


def read_table(path: Path, columns: Sequence[str]) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """Read a CSV as `read_rows` does; also return the line numbers and problems of rows of another length."""
    lines = _read_lines(path)
    header = [name.strip() for name in lines[0][1]] if lines else []
    _check_header(path, header, columns)
    good = {number: cells for number, cells in lines[1:] if len(cells) == len(header)}
    bad = [
        (number, f"{','.join(cells)[:60]!r} has {len(cells)} cells, but the header has {len(header)}")
        for number, cells in lines[1:]
        if number not in good
    ]
    return pd.DataFrame(list(good.values()), index=list(good), columns=header, dtype=str), bad


def _read_lines(path: Path) -> list[tuple[int, list[str]]]:
    """Return the line numbers and cells of all rows that are not blank."""
    csv.field_size_limit(_LONGEST_CELL)  # by default 128 KiB, which a large mask exceeds
    try:
        with _open(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            reader, lines, number = csv.reader(text, strict=True), [], 1
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    lines.append((number, cells))
                number = reader.line_num + 1
            return lines
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text: {error.reason}; save it as a CSV in UTF-8") from None
    except (csv.Error, ValueError, EOFError, zipfile.BadZipFile, lzma.LZMAError, zlib.error) as error:
        raise InputError(f"{path}: not a CSV file: {error}") from None
    except OSError as error:
        if error.errno:
            raise
        raise InputError(f"{path}: not a CSV file: {error}") from None  # from gzip and bzip2


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if len(names) != 1:
                raise ValueError(f"holds {len(names)} files instead of one")
            return io.BytesIO(archive.read(names[0]))
    return _OPENERS.get(path.suffix, lambda path: path.open("rb"))(path)


def _check_header(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    missing = [column for column in columns if column not in header]
    separator = next((sign for sign in (";", "\t") if sign in "".join(header)), "") if len(header) == 1 else ""
    if missing and separator:
        raise InputError(f"{path}: its columns are separated by {separator!r}; save it with commas")
    if missing:
        raise InputError(f"{path}: has columns {','.join(header)}, but needs {','.join(columns)}")
    twice = [column for column in columns if header.count(column) > 1]
    if twice:
        raise InputError(f"{path}: has two columns {twice[0]}; remove one")


def report_more_columns(path: Path, table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Log the columns, such as an index, that a competition does not ask for."""
    more = [name or "without a name" for name in table.columns if name not in columns]
    if more:
        logger.info(f"{path}: also has the columns {', '.join(more)}, which Kaggle may refuse; write it without them")


_ANY_SIDE = 2**30  # of an image of unknown size


def _id_problems(first_lines: dict[str, int], image_ids: Iterable[str], end: int) -> Iterator[tuple[int, str]]:
    expected = dict.fromkeys(image_ids)
    for image_id, number in first_lines.items():
        if image_id not in expected:
            yield number, f"{image_id}: not an image of this competition{as_written(image_id, expected)}"
    for image_id in expected:
        if image_id not in first_lines:
            yield end, f"{image_id}: has no row; an image without objects needs one with an empty cell"


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
