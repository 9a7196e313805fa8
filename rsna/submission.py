"""The competition's CSV: one row per patient, with groups of `confidence x y width height` in image pixels."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import InputError
from common.masks.boxes import boxes_from_xywh
from common.output.submission import as_written, read_rows, read_table, report_more_columns

COLUMNS = ("patientId", "PredictionString")
GROUP = 5  # numbers per box
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_ROUNDING = 0.05  # pixels; boxes are written with one decimal


@dataclass(frozen=True, eq=False)
class Predictions:
    """The N boxes predicted for a patient.

    Attributes:
        boxes: (N, 4) float64, y1, x1, y2, x2, pixels.
        scores: (N,) float64 in [0, 1].
    """

    boxes: np.ndarray
    scores: np.ndarray


def format_predictions(boxes: np.ndarray, scores: np.ndarray) -> str:
    """Return a PredictionString, highest score first; boxes with a side that rounds to 0.0 are left out.

    Args:
        boxes: (N, 4) float, y1, x1, y2, x2, pixels.
        scores: (N,) float in [0, 1].

    Example:
        >>> format_predictions(np.array([[10.0, 20, 30, 60]]), np.array([0.5]))
        '0.5000 20.0 10.0 40.0 20.0'
    """
    order = np.argsort(-scores, kind="stable")
    y1, x1, y2, x2 = np.rint(boxes[order] * 10).T / 10
    groups = zip(scores[order].tolist(), x1.tolist(), y1.tolist(), (x2 - x1).tolist(), (y2 - y1).tolist(), strict=True)
    sides_last = (f"{score:.4f} {x:.1f} {y:.1f} {width:.1f} {height:.1f}" for score, x, y, width, height in groups)
    return " ".join(text for text in sides_last if not {"0.0", "-0.0"} & set(text.split()[3:]))


def parse_predictions(text: str) -> Predictions:
    """Parse a PredictionString.

    Raises:
        ValueError: malformed, or an impossible value.
    """
    words = text.split()
    if len(words) % GROUP:
        raise ValueError(f"{len(words)} numbers; groups of confidence x y width height need a multiple of 5")
    wrong = [word for word in words if not _NUMBER.fullmatch(word)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is not a number")
    groups = np.array(words, np.float64).reshape(-1, GROUP)
    scores, sides = groups[:, 0], groups[:, 3:]
    impossible = scores[(scores < 0) | (scores > 1)]
    if len(impossible):
        raise ValueError(f"the confidence {impossible[0]:g} is not between 0 and 1")
    if not (sides > 0).all() or not np.isfinite(groups).all():
        raise ValueError("a box without width or height, or not finite")
    return Predictions(boxes_from_xywh(groups[:, 1:]), scores)


def read_predictions(path: Path) -> dict[str, Predictions]:
    """Read the boxes of every patient.

    Raises:
        InputError: no such file, a malformed row, or a patient with two rows.
    """
    table = read_rows(path, COLUMNS)
    predictions: dict[str, Predictions] = {}
    for line, patient, text in zip(table.index.tolist(), *(table[name].tolist() for name in COLUMNS), strict=True):
        try:
            if patient in predictions:
                raise ValueError("has a second row; put all boxes into one")
            predictions[patient] = parse_predictions(text)
        except ValueError as error:
            raise InputError(f"{path}: line {line}: {patient}: {error}") from None
    return predictions


def check_predictions(
    path: Path, patients: Iterable[str], image_shapes: Mapping[str, tuple[int, int]] | None = None
) -> list[str]:
    """List what the competition would reject, and what cannot be intended.

    Args:
        path: the CSV.
        patients: exactly those that must have a row.
        image_shapes: (height, width) of images, to find boxes that leave them; unchecked by default.

    Returns:
        One entry per problem, with its line number, in the order of the lines.

    Raises:
        InputError: no such file, not a CSV with commas, or a column is missing.
    """
    table, bad = read_table(path, COLUMNS)
    report_more_columns(path, table, COLUMNS)
    left = dict.fromkeys(patients, True)
    found = list(bad)
    for number, patient, text in zip(table.index.tolist(), *(table[name].tolist() for name in COLUMNS), strict=True):
        found += [(number, problem) for problem in _row_problems(patient, text, left, image_shapes or {})]
    problems = [f"line {number}: {problem}" for number, problem in sorted(found, key=lambda one: one[0])]
    missing = [patient for patient, is_left in left.items() if is_left]
    problem = "has no row; a patient without boxes needs one with an empty cell"
    end = max([1, *table.index.tolist()]) + 1
    return problems + [f"line {end}: {patient}: {problem}" for patient in missing]


def _row_problems(
    patient: str, text: str, left: dict[str, bool], image_shapes: Mapping[str, tuple[int, int]]
) -> Iterator[str]:
    """Yield what is wrong with a row, and note in `left` that its patient has one."""
    if not patient:
        yield f"has no {COLUMNS[0]}"
        return
    if patient not in left:
        yield f"{patient}: not a patient of this set{as_written(patient, left)}"
    elif not left[patient]:
        yield f"{patient}: has a second row; put all boxes into one"
    else:
        left[patient] = False
    try:
        boxes = parse_predictions(text).boxes
    except ValueError as error:
        yield f"{patient}: {error}"
        return
    if patient in image_shapes:
        height, width = image_shapes[patient]
        if (boxes[:, :2] < -_ROUNDING).any() or (boxes[:, 2:] > np.array([height, width]) + _ROUNDING).any():
            yield f"{patient}: a box leaves the image of {height} x {width} pixels"
