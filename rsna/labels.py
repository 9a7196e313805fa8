"""The competition's labels: the boxes and the class, one of three, of every patient."""

from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import InputError
from common.masks.boxes import boxes_from_xywh
from common.output.submission import read_rows

LABEL_COLUMNS = ("patientId", "x", "y", "width", "height", "Target")
CLASS_COLUMNS = ("patientId", "class")
CLASSES = ("Normal", "No Lung Opacity / Not Normal", "Lung Opacity")


def read_labels(path: Path) -> dict[str, np.ndarray]:
    """Read the boxes of every patient, in the order of their rows.

    Args:
        path: CSV with `LABEL_COLUMNS`: one row per box, Target 1; or one with empty cells and Target 0 without boxes.

    Returns:
        (N, 4) float64 for each patient, y1, x1, y2, x2, image pixels.

    Raises:
        InputError: no such file, or a malformed row.
    """
    table = read_rows(path, LABEL_COLUMNS)
    _, *cells, targets = (table[column].fillna("").str.strip() for column in LABEL_COLUMNS)
    numbers = np.stack([pd.to_numeric(cell, errors="coerce").to_numpy(np.float64) for cell in cells], axis=1)
    empty = np.all([cell.str.lower().isin(["", "nan"]) for cell in cells], axis=0)
    whole = np.isfinite(numbers).all(axis=1) & (numbers[:, 2:] > 0).all(axis=1)
    patients = table["patientId"].to_numpy(str)
    targets = targets.str.removesuffix(".0")  # as programs write it where the column once had an empty cell
    good = np.where(targets == "1", whole, (targets == "0") & empty) & (patients != "")
    _refuse(path, table, LABEL_COLUMNS, ~good, "Target must be 1 with a box, or 0 with empty cells")
    twice = pd.Series(patients).duplicated(keep=False).to_numpy() & (targets == "0").to_numpy()
    _refuse(path, table, LABEL_COLUMNS, twice, "has other rows, but a patient without boxes needs exactly one")
    again = pd.DataFrame(numbers).assign(patient=patients).duplicated().to_numpy() & (targets == "1").to_numpy()
    _refuse(path, table, LABEL_COLUMNS, again, "the same box is in an earlier row; remove one")
    boxes = boxes_from_xywh(numbers)
    rows = pd.Series(np.arange(len(table))).groupby(patients, sort=False).indices
    return {str(patient): boxes[indices][~empty[indices]] for patient, indices in rows.items()}


def read_classes(path: Path) -> dict[str, str]:
    """Read the class of every patient.

    Args:
        path: CSV with `CLASS_COLUMNS`; patients may occur several times.

    Raises:
        InputError: no such file, an unknown class, or a patient with two classes.
    """
    table = read_rows(path, CLASS_COLUMNS)
    _refuse(path, table, CLASS_COLUMNS, ~table["class"].isin(CLASSES).to_numpy(), f"choose one of {', '.join(CLASSES)}")
    pairs = table[list(CLASS_COLUMNS)].drop_duplicates()
    _refuse(path, pairs, CLASS_COLUMNS, pairs["patientId"].duplicated().to_numpy(), "also has another class")
    return dict(zip(pairs["patientId"], pairs["class"], strict=True))


def _refuse(path: Path, table: pd.DataFrame, columns: tuple[str, ...], bad: np.ndarray, remedy: str) -> None:
    """Raise an error about the first bad row, if any."""
    rows = np.flatnonzero(bad)
    if len(rows):
        row = table.iloc[rows[0]]
        more = f" ({len(rows) - 1} more)" if len(rows) > 1 else ""
        text = ",".join(str(row[column]) for column in columns)
        raise InputError(f"{path}: line {row.name}: {text!r}: {remedy}{more}")
