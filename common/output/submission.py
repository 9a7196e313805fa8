"""Submission CSVs: read, and checked before upload."""

import lzma
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import InputError
from common.masks.rle import parse_runs

COLUMNS = ("ImageId", "EncodedPixels")


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
