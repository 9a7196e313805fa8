"""Photographs with outlined objects, which may overlap, in a folder or zip archive."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from common.errors import InputError
from common.files import FileTree
from common.images.decoding import decode_image
from common.masks.instances import Instances, as_indices
from common.masks.layers import pack_layers

Fill = Callable[[Sequence[Any], tuple[int, int], np.ndarray], Instances]


@dataclass(frozen=True, eq=False, slots=True)
class Photo:
    """A photograph with N outlines.

    Attributes:
        image_id: its name in results.
        name: of its file in the tree.
        image_shape: (height, width), pixels.
        class_ids: (N,) int32, 1-based.
        crowd: (N,) bool, regions of many objects.
        outlines: N of the kind that the set's `fill` takes.
    """

    image_id: str
    name: str
    image_shape: tuple[int, int]
    class_ids: np.ndarray
    crowd: np.ndarray
    outlines: Sequence[Any]


@dataclass(frozen=True, eq=False)
class PhotoSet:
    """M photographs; outlines are filled when they are asked for. May be used from any thread.

    Attributes:
        tree: where the files are.
        photos: M.
        fill: from outlines, (height, width) and class ids to objects.
    """

    tree: FileTree
    photos: Sequence[Photo]
    fill: Fill

    def __len__(self) -> int:
        """Return the number of photographs."""
        return len(self.photos)

    @cached_property
    def image_ids(self) -> list[str]:
        """The photographs' names."""
        return [photo.image_id for photo in self.photos]

    @property
    def image_names(self) -> list[str]:
        """The photographs' names in the tree."""
        return [photo.name for photo in self.photos]

    @property
    def sizes(self) -> np.ndarray:
        """(M, 2) int, height and width, pixels."""
        return np.array([photo.image_shape for photo in self.photos]).reshape(-1, 2)

    def signature(self) -> str:
        """Return a text that changes when the images change."""
        return self.tree.signature(self.image_names)

    def load_image(self, index: int) -> np.ndarray:
        """Return a photograph, see `load_photo`."""
        return load_photo(self.tree, self.photos[index])

    def load_truth(self, index: int) -> tuple[Instances, np.ndarray]:
        """Return N objects and crowds of a photograph, and which are crowds, (N,) bool."""
        photo = self.photos[index]
        return self.fill(photo.outlines, photo.image_shape, photo.class_ids), photo.crowd

    def load_instances(self, index: int) -> Instances:
        """Return the objects of a photograph without its crowds, as they are to be learnt."""
        photo = self.photos[index]
        single = np.flatnonzero(~photo.crowd)
        outlines = [photo.outlines[i] for i in single.tolist()]
        return self.fill(outlines, photo.image_shape, photo.class_ids[single])

    def load_label_layers(self, index: int) -> list[np.ndarray]:
        """Return the objects without crowds as label images, as few as their overlaps need."""
        return pack_layers(self.load_instances(index), self.photos[index].image_shape)

    def load_class_ids(self, index: int) -> np.ndarray:
        """Return the classes of the objects without crowds, (N,) int32, 1-based."""
        photo = self.photos[index]
        return photo.class_ids[~photo.crowd]

    def select(self, indices: Sequence[int] | np.ndarray) -> "PhotoSet":
        """Return the set of the photographs at `indices`, (K,) int or (M,) bool, in that order."""
        order = as_indices(indices)
        return dataclasses.replace(self, photos=[self.photos[i] for i in order.tolist()])


def load_photo(tree: FileTree, photo: Photo) -> np.ndarray:
    """Return a photograph, (H, W, 3) uint8, RGB.

    Raises:
        InputError: no image, or of another size than the annotations say.
    """
    path = f"{tree.path}/{photo.name}"
    image = decode_image(tree.read(photo.name), path)
    if image.shape[:2] != photo.image_shape:
        real, noted = (" x ".join(map(str, shape)) for shape in (image.shape[:2], photo.image_shape))
        raise InputError(
            f"{path}: {real} pixels, but its annotations are for {noted}; fetch it again, or leave it out: --skip-bad"
        )
    return image


def unique_photos(photos: Iterable[Photo], source: str) -> list[Photo]:
    """Return photographs as they are.

    Args:
        photos: of a set.
        source: where they are from, for messages.

    Raises:
        InputError: two have one id.
    """
    by_id: dict[str, Photo] = {}
    for photo in photos:
        if by_id.setdefault(photo.image_id, photo) is not photo:
            raise InputError(f"{source}: two images have the id {photo.image_id}; leave one of them")
    return list(by_id.values())
