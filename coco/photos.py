"""Photographs with outlined objects, which may overlap, in a folder or zip archive."""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.errors import InputError
from common.images.decoding import decode_annotated
from common.images.image_set import FileSource, ImageSet
from common.masks.instances import Instances
from common.masks.layers import pack_layers
from common.storage.trees import FileTree

Fill = Callable[[Sequence[Any], tuple[int, int], np.ndarray], Instances]


@dataclass(frozen=True, eq=False, slots=True)
class Photo:
    """A photograph with N outlines.

    Attributes:
        image_id: its id in results.
        name: of its file in the tree.
        image_shape: (height, width), pixels.
        class_ids: (N,) int32, 1-based.
        crowd: (N,) bool, regions of many objects.
        learnt: (N,) bool, objects to train on: no crowds, and nothing that lies outside the image.
        outlines: N, of the type that `Photos.fill` takes.
    """

    image_id: str
    name: str
    image_shape: tuple[int, int]
    class_ids: np.ndarray
    crowd: np.ndarray
    learnt: np.ndarray
    outlines: Sequence[Any]


@dataclass(frozen=True, eq=False)
class Photos(FileSource):
    """M photographs; outlines are filled on demand.

    Attributes:
        photos: M.
        fill: from outlines, (height, width) and class ids to objects.
    """

    photos: Sequence[Photo]
    fill: Fill

    def image_name(self, row: int) -> str:
        """Return the name of a photograph's file in the tree."""
        return self.photos[row].name

    def loader(self, row: int) -> Callable[[], np.ndarray]:
        """Return what loads a photograph in another process."""
        photo = self.photos[row]
        return functools.partial(_load_sized, self.tree, photo.name, photo.image_shape)

    def load_truth(self, row: int) -> tuple[Instances, np.ndarray]:
        """Return N objects and crowds of a photograph, and which of them are crowds, (N,) bool."""
        photo = self.photos[row]
        return self.fill(photo.outlines, photo.image_shape, photo.class_ids), photo.crowd

    def load_instances(self, row: int) -> Instances:
        """Return the objects of a photograph for training."""
        photo = self.photos[row]
        outlines = [photo.outlines[i] for i in np.flatnonzero(photo.learnt).tolist()]
        return self.fill(outlines, photo.image_shape, photo.class_ids[photo.learnt])

    def load_label_layers(self, row: int) -> list[np.ndarray]:
        """Return the objects for training as label images, as few as their overlaps allow."""
        return pack_layers(self.load_instances(row), self.photos[row].image_shape)

    def load_class_ids(self, row: int) -> np.ndarray:
        """Return the classes of the objects for training, (N,) int32, 1-based."""
        photo = self.photos[row]
        return photo.class_ids[photo.learnt]


def open_photos(tree: FileTree, photos: Iterable[Photo], fill: Fill, source: str) -> ImageSet[Photos]:
    """Return the set of photographs.

    Args:
        tree: where the files are.
        photos: N.
        fill: see `Photos`.
        source: the file that lists them, for messages.

    Raises:
        InputError: two have the same id.
    """
    by_id: dict[str, Photo] = {}
    for photo in photos:
        if by_id.setdefault(photo.image_id, photo) is not photo:
            raise InputError(f"{source}: two images have the id {photo.image_id}; remove one")
    sizes = np.array([photo.image_shape for photo in by_id.values()], int)
    return ImageSet.of_all(Photos(tree, list(by_id.values()), fill), list(by_id), sizes)


def load_photo(tree: FileTree, photo: Photo) -> np.ndarray:
    """Return a photograph, (H, W, 3) uint8, RGB, upright; or as stored if only that is the size of its annotations.

    Raises:
        InputError: not an image, or its size differs from the annotations'.
    """
    return _load_sized(tree, photo.name, photo.image_shape)


def _load_sized(tree: FileTree, name: str, image_shape: tuple[int, int]) -> np.ndarray:
    remedy = "download it again, or leave it out with --skip-bad"
    return decode_annotated(tree.read(name), f"{tree.path}/{name}", image_shape, remedy)
