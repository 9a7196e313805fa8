"""The table of a run's epochs: a CSV whose columns may join later."""

import csv
from collections.abc import Mapping
from pathlib import Path

from common.files import written_aside


def append_epoch(path: Path, epoch: int, values: Mapping[str, float]) -> None:
    """Add a row; the file is written whole, aside first, as a new column changes the header."""
    row = {"epoch": str(epoch), **{name: f"{value:.6g}" for name, value in values.items()}}
    _write(path, [*read_epochs(path), row])


def drop_epochs_after(path: Path, epoch: int) -> None:
    """Drop the rows of epochs that were lost after the last saved state."""
    _write(path, [row for row in read_epochs(path) if int(row["epoch"]) <= epoch])


def read_epochs(path: Path) -> list[dict[str, str]]:
    """Return the rows, texts by column; none where there is no file yet."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with written_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
