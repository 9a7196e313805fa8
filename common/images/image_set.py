"""Image sets with their objects, for training, folds, prediction, drawing and scoring."""

import dataclasses
import functools
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from common.masks.instances import Instances, as_indices
from common.masks.layers import unpack_layers
from common.storage.trees import FileTree


class Source(ABC):
    """Where images and their objects come from, numbered 0 to M - 1: one class per file layout.

    Can be pickled, and used from any thread or process. Images and objects are read on demand.
    """

    @property
    @abstractmethod
    def path(self) -> Path:
        """The folder or archive, for messages."""

    @abstractmethod
    def image_name(self, row: int) -> str:
        """Return the name of an image's file below `path`; empty without a file."""

    @abstractmethod
    def signature(self, rows: np.ndarray) -> str:
        """Return a text that changes when these images change, (N,) int."""

    def fingerprint(self, row: int) -> str:
        """Return a text that only images of equal content share; empty if that is unknown, as without a file."""
        return ""

    @abstractmethod
    def load_image(self, row: int) -> np.ndarray:
        """Return an image, (H, W, 3) uint8, RGB."""

    def loader(self, row: int) -> Callable[[], np.ndarray]:
        """Return what loads an image in another process: pickled, it should be no larger than that image needs."""
        return functools.partial(self.load_image, row)

    @abstractmethod
    def load_label_layers(self, row: int) -> Sequence[np.ndarray]:
        """Return its objects as label images, (H, W) int32; object k has the label k + 1 in one of them.

        Disjoint objects need one layer; `common.masks.layers.pack_layers` makes a few for others.
        """

    @abstractmethod
    def load_class_ids(self, row: int) -> np.ndarray:
        """Return the classes of its objects, (count,) int32, 1-based."""

    def load_instances(self, row: int) -> Instances:
        """Return its objects."""
        return unpack_layers(self.load_label_layers(row), self.load_class_ids(row))

    def load_truth(self, row: int) -> tuple[Instances, np.ndarray]:
        """Return its objects for scoring, and which of them are crowds, (count,) bool."""
        instances = self.load_instances(row)
        return instances, np.zeros(len(instances), bool)


@dataclass(frozen=True, eq=False)
class FileSource(Source):
    """Images in the files of a folder or archive.

    Attributes:
        tree: where the files are.
    """

    tree: FileTree

    @property
    def path(self) -> Path:
        """The folder or archive."""
        return self.tree.path

    def signature(self, rows: np.ndarray) -> str:
        """Return a text that changes when the files of these images change."""
        return self.tree.signature([self.image_name(row) for row in rows.tolist()])

    def fingerprint(self, row: int) -> str:
        """Return the fingerprint of an image's file."""
        return self.tree.fingerprint(self.image_name(row))

    def load_image(self, row: int) -> np.ndarray:
        """Return an image, (H, W, 3) uint8, RGB."""
        return self.loader(row)()

    @abstractmethod
    def loader(self, row: int) -> Callable[[], np.ndarray]:
        """Return what loads an image, here or in another process."""


S = TypeVar("S", bound=Source)


@dataclass(frozen=True, eq=False)
class ImageSet(Generic[S]):
    """N images of a source, numbered 0 to N - 1.

    Attributes:
        source: reads them.
        image_ids: the competition's id of each image.
        sizes: (N, 2) int, height and width, pixels.
        rows: (N,) int, each image's number in the source; may repeat.
        has_objects: whether objects are known; not for test sets.
        left_out: ids of images that were found but are unusable.
    """

    source: S
    image_ids: Sequence[str]
    sizes: np.ndarray
    rows: np.ndarray
    has_objects: bool = True
    left_out: tuple[str, ...] = ()

    @classmethod
    def of_all(cls, source: S, image_ids: Sequence[str], sizes: np.ndarray, **others: object) -> "ImageSet[S]":
        """Return the set of all images of a source, in its order."""
        return cls(source, image_ids, np.reshape(sizes, (-1, 2)), np.arange(len(image_ids)), **others)  # type: ignore[arg-type]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.image_ids)

    @property
    def path(self) -> Path:
        """The folder or archive of the images."""
        return self.source.path

    @property
    def image_names(self) -> list[str]:
        """The names of the images' files below `path`."""
        return [self.source.image_name(row) for row in self.rows.tolist()]

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """(height, width) of each image by its id."""
        sizes = ((int(height), int(width)) for height, width in self.sizes)
        return dict(zip(self.image_ids, sizes, strict=True))

    def shape(self, index: int) -> tuple[int, int]:
        """Return (height, width) of an image, pixels."""
        height, width = self.sizes[index].tolist()
        return height, width

    def signature(self) -> str:
        """Return a text that changes when the images change."""
        return self.source.signature(self.rows)

    def identities(self) -> list[tuple[str, str]]:
        """Return each image's id and fingerprint; this reads the files of a folder, in threads."""
        with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as threads:
            rows = np.unique(self.rows).tolist()
            prints = dict(zip(rows, threads.map(self.source.fingerprint, rows), strict=True))
        return [(name, prints[row]) for name, row in zip(self.image_ids, self.rows.tolist(), strict=True)]

    def load_image(self, index: int) -> np.ndarray:
        """Return an image, (H, W, 3) uint8, RGB."""
        return self.source.load_image(int(self.rows[index]))

    def load_label_layers(self, index: int) -> Sequence[np.ndarray]:
        """Return its objects as label images; see `Source.load_label_layers`."""
        return self.source.load_label_layers(int(self.rows[index]))

    def load_class_ids(self, index: int) -> np.ndarray:
        """Return the classes of its objects, (count,) int32, 1-based."""
        return self.source.load_class_ids(int(self.rows[index]))

    def load_instances(self, index: int) -> Instances:
        """Return its objects for training."""
        return self.source.load_instances(int(self.rows[index]))

    def load_truth(self, index: int) -> tuple[Instances, np.ndarray]:
        """Return its objects for scoring, and which of them are crowds, (count,) bool."""
        return self.source.load_truth(int(self.rows[index]))

    def select(self, indices: Sequence[int] | np.ndarray) -> "ImageSet[S]":
        """Return the images at `indices`, (K,) int or (N,) bool, in that order; `left_out` is empty."""
        order = as_indices(indices)
        image_ids = [self.image_ids[i] for i in order.tolist()]
        return dataclasses.replace(
            self, image_ids=image_ids, sizes=self.sizes[order], rows=self.rows[order], left_out=()
        )

    def first(self, limit: int | None) -> "ImageSet[S]":
        """Return the first `limit` images, or all."""
        return self.select(range(len(self))[:limit])
