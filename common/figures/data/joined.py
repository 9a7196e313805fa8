"""Surveys of several parts of a set as one, to find the images that they share."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from common.figures.data.survey import Survey
from common.images.image_set import ImageSet, Source
from common.masks.instances import Instances


@dataclass(frozen=True, eq=False)
class Joined(Source):
    """The images of sets, one set after another.

    Attributes:
        parts: the sets, at least one.
    """

    parts: Sequence[ImageSet]

    @property
    def path(self) -> Path:
        """The folder or archive of the first set."""
        return self.parts[0].path

    def image_name(self, row: int) -> str:
        """Return the name of an image's file."""
        part, index = self._find(row)
        return part.source.image_name(int(part.rows[index]))

    def signature(self, rows: np.ndarray) -> str:
        """Return a text that changes when any of the sets does."""
        return " ".join(part.signature() for part in self.parts)

    def load_image(self, row: int) -> np.ndarray:
        """Return an image, (H, W, 3) uint8, RGB."""
        part, index = self._find(row)
        return part.load_image(index)

    def load_label_layers(self, row: int) -> Sequence[np.ndarray]:
        """Return its objects as label images, (H, W) int32."""
        part, index = self._find(row)
        return part.load_label_layers(index)

    def load_class_ids(self, row: int) -> np.ndarray:
        """Return the classes of its objects, (count,) int32."""
        part, index = self._find(row)
        return part.load_class_ids(index)

    def load_instances(self, row: int) -> Instances:
        """Return its objects; none in a set without known objects."""
        part, index = self._find(row)
        return part.load_instances(index) if part.has_objects else Instances.empty()

    def _find(self, row: int) -> tuple[ImageSet, int]:
        number = int(np.searchsorted(np.cumsum([len(part) for part in self.parts]), row, side="right"))
        return self.parts[number], row - sum(len(part) for part in self.parts[:number])


def join_surveys(surveys: Mapping[str, Survey]) -> Survey:
    """Return the surveys of several sets as one; ids are preceded by the name of their set.

    Args:
        surveys: by the name of the set, at least one.
    """
    parts = list(surveys.values())
    starts = np.cumsum([0, *(len(part.images) for part in parts)])
    image_ids = [f"{name}: {image_id}" for name, part in surveys.items() for image_id in part.images.image_ids]
    source = Joined([part.images for part in parts])
    images = ImageSet.of_all(source, image_ids, np.concatenate([part.images.sizes for part in parts]))
    tables = [
        part.by_object.assign(image=part.by_object["image"] + start)
        for part, start in zip(parts, starts.tolist(), strict=False)
    ]
    return Survey(
        dataclasses.replace(images, has_objects=any(part.images.has_objects for part in parts)),
        pd.concat([part.by_image for part in parts], ignore_index=True),
        pd.concat(tables, ignore_index=True),
        np.mean([part.levels for part in parts], axis=0),
        np.concatenate([part.looks for part in parts]),
    )
