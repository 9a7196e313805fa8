"""The patients of a set of radiographs: who they are by their DICOM files, and where their boxes lie."""

import re
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pandas as pd

from common.errors import InputError
from competitions.submissions import Boxes
from rsna.dataset import Radiographs
from viewer.dicoms import read_elements, read_header
from viewer.study import Study

CELLS = 64  # of a map of boxes along either side
AGE_BINS = (0, 20, 40, 60, 125)  # years, as the project's own page had them
OLDEST = 100
UNKNOWN = "unknown"
FIELDS = ("sex", "view", "class")  # by which patients are chosen, besides their age


@dataclass(frozen=True)
class Choice:
    """Which patients to count.

    Attributes:
        values: the values to keep of each of `FIELDS`; an empty one keeps all.
        ages: lowest and highest age, years; the whole range keeps unknown ages, too.
    """

    values: Mapping[str, Collection[str]] = field(default_factory=dict)
    ages: tuple[float, float] = (0, OLDEST)

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the chosen rows of a table of patients."""
        kept = np.ones(len(table), bool)
        for name in FIELDS:
            if self.values.get(name):
                kept &= table[name].isin(list(self.values[name])).to_numpy()
        low, high = self.ages
        if (low, high) != (0, OLDEST):
            kept &= table["age"].between(low, high).to_numpy()
        return table[kept]


class Patients:
    """Reads the headers of all patients once, in a thread of its own.

    Args:
        study: of radiographs.
    """

    def __init__(self, study: Study) -> None:
        assert isinstance(study.images.source, Radiographs)
        self.study, self.source = study, study.images.source
        self.rows: list[dict[str, object]] = []
        self._thread = threading.Thread(target=self._run, daemon=True, name="patients")

    def start(self) -> None:
        """Begin in the background."""
        self._thread.start()

    def finish(self) -> None:
        """Wait until all headers are read."""
        self._thread.join()

    def table(self) -> pd.DataFrame:
        """Return the patients read so far, with columns id, index, patient, sex, age, view, class, boxes."""
        columns = ["id", "index", "patient", "sex", "age", "view", "class", "boxes"]
        return pd.DataFrame(self.rows[:], columns=columns)

    def elements(self, index: int) -> list[dict[str, str]]:
        """Return every element of a patient's file, see `read_elements`."""
        name = self._file_name(index)
        return read_elements(self.source.stored.tree.read(name), name)

    def boxes(self, index: int, submission: str) -> np.ndarray:
        """Return a patient's boxes, (N, 4) float, as fractions of the image's height and width.

        Args:
            index: of the patient.
            submission: its name; empty for the true boxes.
        """
        height, width = self.study.images.shape(index)
        found = self.study.submissions.get(submission)
        if not submission:
            boxes = self.source.boxes[int(self.study.images.rows[index])]
        elif isinstance(found, Boxes) and self.study.images.image_ids[index] in found:
            boxes = found.predictions[self.study.images.image_ids[index]].boxes
        else:
            boxes = np.zeros((0, 4))
        return boxes / [height, width, height, width]

    def _file_name(self, index: int) -> str:
        return self.source.image_name(int(self.study.images.rows[index]))

    def _run(self) -> None:
        for index in range(len(self.study.images)):
            self.rows.append(self._read(index))

    def _read(self, index: int) -> dict[str, object]:
        row = int(self.study.images.rows[index])
        patient = {"id": str(index), "index": index, "patient": self.study.images.image_ids[index]}
        patient |= {"class": self.source.classes[row], "boxes": len(self.source.boxes[row])}
        try:
            name = self._file_name(index)
            header = read_header(self.source.stored.tree.read(name), name)
            text = {keyword: str(header.get(keyword, "") or "") for keyword in ("PatientSex", "ViewPosition")}
            age = parse_age(str(header.get("PatientAge", "")))
        except InputError:
            text, age = {}, None
        return patient | {
            "sex": text.get("PatientSex") or UNKNOWN,
            "view": text.get("ViewPosition") or UNKNOWN,
            "age": age,
        }


def parse_age(text: str) -> float | None:
    """Return an age in years from DICOM's form or a plain number; None if it is none, or that of nobody.

    Example:
        >>> parse_age("058Y"), parse_age("6M"), parse_age("58"), parse_age(""), parse_age("148")
        (58.0, 0.5, 58.0, None, None)
    """
    found = re.fullmatch(r"(\d{1,3})([DWMY]?)", text.strip())
    if not found:
        return None
    years = int(found[1]) / {"D": 365.25, "W": 52.18, "M": 12, "Y": 1, "": 1}[found[2]]
    return years if years < 125 else None


def count_boxes(boxes: np.ndarray, cells: int = CELLS) -> np.ndarray:
    """Return how many boxes cover each cell of the image.

    Args:
        boxes: (N, 4) float, fractions of the image's height and width.
        cells: along either side.

    Returns:
        (cells, cells) int.

    Example:
        >>> count_boxes(np.array([[0, 0, 0.5, 1], [0, 0.5, 1, 1]]), 2).tolist()
        [[1, 2], [0, 1]]
    """
    y1, x1, y2, x2 = np.clip(np.rint(boxes * cells), 0, cells).astype(int).T
    steps = np.zeros((cells + 1, cells + 1), int)
    for rows, columns, sign in ((y1, x1, 1), (y1, x2, -1), (y2, x1, -1), (y2, x2, 1)):
        np.add.at(steps, (rows, columns), sign)
    return steps.cumsum(axis=0).cumsum(axis=1)[:-1, :-1]


def count_groups(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return how many patients each group has, without and with boxes.

    Args:
        table: of patients.
        by: "sex", "view", "class", or "age", in bins.

    Returns:
        One row per group, columns "without" and "with".
    """
    groups = table[by]
    if by == "age":
        names = [f"{low} to {high - 1}" for low, high in pairwise(AGE_BINS)]
        groups = pd.cut(groups.astype(float), AGE_BINS, right=False, labels=names).astype(object).fillna(UNKNOWN)
    counts = pd.crosstab(groups, np.where(table["boxes"] > 0, "with", "without"))
    return counts.reindex(columns=["without", "with"], fill_value=0)


def distinct(table: pd.DataFrame, name: str) -> Sequence[str]:
    """Return the values of a column, sorted."""
    return sorted(table[name].unique().tolist())
