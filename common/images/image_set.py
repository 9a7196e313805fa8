"""A set of pictures in a folder or zip archive, with the masks of their objects, read one picture at a time."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import InputError
from common.files import FileTree
from common.images.decoding import decode_picture
from common.images.label_index import LabelIndex, PictureFiles, open_index
from common.images.usable import refuse_or_report
from common.masks.instances import as_indices


@dataclass(frozen=True, eq=False)
class PictureSet:
    """N pictures with the objects of one class. May be pickled and used from any thread or process.

    Attributes:
        tree: where the files are.
        image_ids: the competition's name of each picture.
        image_names: each picture's name in the tree.
        index: sizes, counts and label images of these and maybe other pictures.
        rows: (N,) int, where the index has each picture.
        has_masks: objects are known; not so for test sets.
        left_out: ids of pictures that were found but cannot be used.
    """

    tree: FileTree
    image_ids: Sequence[str]
    image_names: Sequence[str]
    index: LabelIndex
    rows: np.ndarray
    has_masks: bool
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.image_ids)

    @property
    def sizes(self) -> np.ndarray:
        """(N, 2) int32, height and width, pixels."""
        return self.index.sizes[self.rows]

    @property
    def counts(self) -> np.ndarray:
        """(N,) int32, objects of each picture."""
        return self.index.counts[self.rows]

    def signature(self) -> str:
        """Return a text that changes when the pictures change."""
        return self.tree.signature(self.image_names)

    def load_image(self, index: int) -> np.ndarray:
        """Return a picture: (H, W, 3) uint8, RGB."""
        name = self.image_names[index]
        return decode_picture(self.tree.read(name), f"{self.tree.path}/{name}")

    def load_label_image(self, index: int) -> np.ndarray:
        """Return the objects of a picture: (H, W) int32, labels 1 to their count.

        Raises:
            InputError: a set without masks.
        """
        if not self.has_masks:
            raise InputError(f"{self.tree.path}: holds no masks; training and scoring need them")
        return self.index.load_label_image(self.image_ids[index])

    def load_label_layers(self, index: int) -> list[np.ndarray]:
        """Return the objects of a picture as one layer: its label image."""
        return [self.load_label_image(index)]

    def load_class_ids(self, index: int) -> np.ndarray:
        """Return the classes of a picture's objects: (count,) int32, all 1."""
        return np.ones(self.counts[index], np.int32)

    def select(self, indices: Sequence[int] | np.ndarray) -> "PictureSet":
        """Return the set of the pictures at `indices`, (K,) int or (N,) bool, in that order; `left_out` is empty."""
        order = as_indices(indices)
        image_ids, image_names = ([names[i] for i in order] for names in (self.image_ids, self.image_names))
        rows = self.rows[order]
        return dataclasses.replace(self, image_ids=image_ids, image_names=image_names, rows=rows, left_out=())


def open_picture_set(
    tree: FileTree,
    pictures: Sequence[PictureFiles],
    *,
    cache: Path | None = None,
    skip_bad: bool = False,
    report: Callable[[str], object] = print,
) -> PictureSet:
    """Look through all pictures and masks, once, and return the set of the good ones.

    Args:
        tree: holds the files.
        pictures: names of the files of N pictures; masks for all of them, or for none.
        cache: folder that keeps what was found; by default one in the user's cache folder.
        skip_bad: report unusable pictures and leave them out.
        report: takes a line for the user.

    Raises:
        InputError: no pictures; an unusable picture, and `skip_bad` is off; nothing but unusable pictures.
    """
    if not pictures:
        raise InputError(f"{tree.path}: no pictures found")
    index = open_index(tree, pictures, cache, report)
    refuse_or_report(index.problems, str(tree.path), skip_bad=skip_bad, report=report)
    _report_masks(tree, index, report)
    good = [picture for picture, problem in zip(pictures, index.problems, strict=True) if not problem]
    return PictureSet(
        tree,
        image_ids=[picture.image_id for picture in good],
        image_names=[picture.image_name for picture in good],
        index=index,
        rows=np.flatnonzero([not problem for problem in index.problems]),
        has_masks=any(picture.has_masks for picture in pictures),
        left_out=tuple(p.image_id for p, problem in zip(pictures, index.problems, strict=True) if problem),
    )


def _report_masks(tree: FileTree, index: LabelIndex, report: Callable[[str], object]) -> None:
    if index.contested.any():
        pictures, pixels = np.count_nonzero(index.contested), index.contested.sum()
        report(f"{tree.path}: masks overlap in {pictures} pictures by {pixels} pixels; the first by file name has them")
    if index.dropped.any():
        pictures, masks = np.count_nonzero(index.dropped), index.dropped.sum()
        report(f"{tree.path}: left out {masks} masks without pixels of their own in {pictures} pictures")
