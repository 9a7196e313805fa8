"""The log of a run: a CSV with one row per epoch, which may gain columns."""

import csv
from collections.abc import Mapping
from pathlib import Path

from common.errors import InputError
from common.storage.files import written_aside

LOG_FILE = "log.csv"


def append_epoch(path: Path, epoch: int, values: Mapping[str, float]) -> None:
    """Add a row, rewriting the file atomically, as a new column changes the header."""
    row = {"epoch": str(epoch), **{name: f"{value:.6g}" for name, value in values.items()}}
    _write(path, [*read_epochs(path), row])


def drop_epochs_after(path: Path, epoch: int) -> None:
    """Drop the rows of epochs lost after the last checkpoint."""
    _write(path, [row for row in read_epochs(path) if int(row["epoch"]) <= epoch])


def read_epochs(path: Path) -> list[dict[str, str]]:
    """Return the rows, texts by column; none without a file, and none that were torn or edited out of shape."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        try:
            rows = list(csv.DictReader(file))
        except csv.Error as error:
            raise InputError(f"{path}: not a CSV ({error}); move it away, and run the same command again") from None
    return [row for row in rows if (row.get("epoch") or "").isdecimal() and None not in row]


def was_validated(folder: Path) -> bool:
    """Return whether a run's last epoch was validated on held-out images."""
    return any(row.get("val_loss") for row in read_epochs(folder / LOG_FILE)[-1:])


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with written_aside(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
