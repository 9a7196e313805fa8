"""Several sets as one."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import InputError
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
        source, number = self._find(row)
        return source.image_name(number)

    def signature(self, rows: np.ndarray) -> str:
        """Return a text that changes when any of the sets does."""
        return " ".join(part.signature() for part in self.parts)

    def fingerprint(self, row: int) -> str:
        """Return the fingerprint of an image in its set."""
        source, number = self._find(row)
        return source.fingerprint(number)

    def load_image(self, row: int) -> np.ndarray:
        """Return an image, (H, W, 3) uint8, RGB."""
        return self.loader(row)()

    def loader(self, row: int) -> Callable[[], np.ndarray]:
        """Return what loads an image in another process."""
        source, number = self._find(row)
        return source.loader(number)

    def load_label_layers(self, row: int) -> Sequence[np.ndarray]:
        """Return its objects as label images, (H, W) int32."""
        source, number = self._find(row)
        return source.load_label_layers(number)

    def load_class_ids(self, row: int) -> np.ndarray:
        """Return the classes of its objects, (count,) int32."""
        source, number = self._find(row)
        return source.load_class_ids(number)

    def load_instances(self, row: int) -> Instances:
        """Return its objects; none in a set without known objects."""
        source, number = self._find(row)
        return source.load_instances(number) if self._part(row).has_objects else Instances.empty()

    def load_truth(self, row: int) -> tuple[Instances, np.ndarray]:
        """Return its objects for scoring, and which of them are crowds, (count,) bool."""
        source, number = self._find(row)
        return source.load_truth(number)

    def _part(self, row: int) -> ImageSet:
        return self.parts[int(np.searchsorted(self._ends, row, side="right"))]

    def _find(self, row: int) -> tuple[Source, int]:
        """Return an image's source, and its number there."""
        part = self._part(row)
        begin = int(self._ends[self._ends <= row].max(initial=0))
        return part.source, int(part.rows[row - begin])

    @property
    def _ends(self) -> np.ndarray:
        return np.cumsum([len(part) for part in self.parts])


def join_sets(
    parts: Sequence[ImageSet], image_ids: Sequence[str] | None = None, *, apart_from: Sequence[ImageSet] = ()
) -> ImageSet:
    """Return the images of several sets as one set.

    Args:
        parts: the sets, at least one.
        image_ids: of all images; by default their own.
        apart_from: sets that share no image with them, such as held-out images.

    Raises:
        InputError: two images of one id, also of `apart_from`.
    """
    if image_ids is None:
        image_ids = [image_id for part in parts for image_id in part.image_ids]
    others = [image_id for part in apart_from for image_id in part.image_ids]
    (image_id, times), *_ = Counter([*image_ids, *others]).most_common(1) or [("", 0)]
    if times > 1:
        paths = " and ".join(str(part.path) for part in (*apart_from, *parts) if image_id in part.image_ids)
        raise InputError(f"{paths}: {image_id} is the id of several images; rename them, or leave out a set")
    images = ImageSet.of_all(Joined(parts), image_ids, np.concatenate([part.sizes for part in parts]))
    return dataclasses.replace(images, has_objects=any(part.has_objects for part in parts))
