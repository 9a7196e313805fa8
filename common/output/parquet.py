"""Rows of a CSV as a Parquet file, with the sizes of the images: for analysis with pandas, DuckDB or Spark."""

import csv
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import InputError
from common.storage.files import written_aside

if TYPE_CHECKING:
    import pyarrow

GROUP = 20_000  # rows that are in memory at a time
TYPED = {"ImageId": "image_id", "ClassId": "class_id", "Score": "score", "EncodedPixels": "run_lengths"}


def save_parquet(path: Path, output: Path, image_shapes: Mapping[str, tuple[int, int]]) -> None:
    """Write the rows of a CSV as a Parquet file with the columns of `parquet_schema`.

    Args:
        path: the CSV; its first column is the image's id.
        output: written aside.
        image_shapes: (height, width) of each image, pixels; unknown ones get no size.

    Raises:
        InputError: pyarrow is not installed.
    """
    pyarrow, parquet = import_pyarrow()
    csv.field_size_limit(2**31 - 1)  # run lengths may be long
    with path.open(encoding="utf-8", newline="") as file, written_aside(output) as aside:
        reader = csv.reader(file)
        columns = next(reader)
        schema = parquet_schema(columns)
        with parquet.ParquetWriter(aside, schema, compression="zstd") as writer:
            while rows := list(itertools.islice(reader, GROUP)):
                shapes = [image_shapes.get(row[0], (None, None)) for row in rows]
                values = [[row[0] for row in rows], *zip(*shapes, strict=True)]
                for place, name in enumerate(columns[1:], start=1):
                    convert = {"ClassId": int, "Score": float}.get(name, str)
                    values.append([convert(row[place]) if row[place] else None for row in rows])
                arrays = [pyarrow.array(column, kind.type) for column, kind in zip(values, schema, strict=True)]
                writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def parquet_schema(columns: Sequence[str]) -> "pyarrow.Schema":
    """Return image_id, height, width and the other columns of a CSV; those are null in a row without an object."""
    pyarrow, _ = import_pyarrow()
    kinds = {"ClassId": pyarrow.int32(), "Score": pyarrow.float32()}
    size = [("height", pyarrow.int32()), ("width", pyarrow.int32())]
    others = [(TYPED.get(name, name), kinds.get(name, pyarrow.string())) for name in columns[1:]]
    return pyarrow.schema([("image_id", pyarrow.string()), *size, *others])


def read_parquet(path: Path, columns: Sequence[str]) -> Iterator[list[str]]:
    """Yield the rows of such a file as they are in the CSV.

    Args:
        path: the file.
        columns: of the CSV.
    """
    _, parquet = import_pyarrow()
    names = ["image_id", *(TYPED.get(name, name) for name in columns[1:])]
    for batch in parquet.ParquetFile(path).iter_batches(GROUP, columns=names):
        for row in batch.to_pylist():
            yield [_as_text(name, row[name]) for name in names]


def import_pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and its module for Parquet; only this room needs them.

    Raises:
        InputError: not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise InputError("--parquet: pyarrow is not installed; pip install pyarrow") from None
    return pyarrow, pyarrow.parquet


def _as_text(name: str, value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.9g}" if name == "score" else str(value)
