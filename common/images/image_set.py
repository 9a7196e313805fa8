"""A set of images in a folder or zip archive, with the masks of their objects, read one image at a time."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import InputError
from common.files import FileTree
from common.images.decoding import decode_image
from common.images.label_index import ImageFiles, LabelIndex, open_index
from common.images.usable import refuse_or_report
from common.masks.instances import as_indices


@dataclass(frozen=True, eq=False)
class ImageSet:
    """N images with the objects of one class. May be pickled and used from any thread or process.

    Attributes:
        tree: where the files are.
        image_ids: the competition's name of each image.
        image_names: each image's name in the tree.
        index: sizes, counts and label images of these and maybe other images.
        rows: (N,) int, where the index has each image.
        has_masks: objects are known; not so for test sets.
        left_out: ids of images that were found but cannot be used.
    """

    tree: FileTree
    image_ids: Sequence[str]
    image_names: Sequence[str]
    index: LabelIndex
    rows: np.ndarray
    has_masks: bool
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.image_ids)

    @property
    def sizes(self) -> np.ndarray:
        """(N, 2) int32, height and width, pixels."""
        return self.index.sizes[self.rows]

    @property
    def counts(self) -> np.ndarray:
        """(N,) int32, objects of each image."""
        return self.index.counts[self.rows]

    def signature(self) -> str:
        """Return a text that changes when the images change."""
        return self.tree.signature(self.image_names)

    def load_image(self, index: int) -> np.ndarray:
        """Return an image: (H, W, 3) uint8, RGB."""
        name = self.image_names[index]
        return decode_image(self.tree.read(name), f"{self.tree.path}/{name}")

    def load_label_image(self, index: int) -> np.ndarray:
        """Return the objects of an image: (H, W) int32, labels 1 to their count.

        Raises:
            InputError: a set without masks.
        """
        if not self.has_masks:
            raise InputError(f"{self.tree.path}: holds no masks; training and scoring need them")
        return self.index.load_label_image(self.image_ids[index])

    def load_label_layers(self, index: int) -> list[np.ndarray]:
        """Return the objects of an image as one layer: its label image."""
        return [self.load_label_image(index)]

    def load_class_ids(self, index: int) -> np.ndarray:
        """Return the classes of an image's objects: (count,) int32, all 1."""
        return np.ones(self.counts[index], np.int32)

    def select(self, indices: Sequence[int] | np.ndarray) -> "ImageSet":
        """Return the set of the images at `indices`, (K,) int or (N,) bool, in that order; `left_out` is empty."""
        order = as_indices(indices)
        image_ids, image_names = ([names[i] for i in order] for names in (self.image_ids, self.image_names))
        rows = self.rows[order]
        return dataclasses.replace(self, image_ids=image_ids, image_names=image_names, rows=rows, left_out=())


def open_image_set(
    tree: FileTree,
    images: Sequence[ImageFiles],
    *,
    cache: Path | None = None,
    skip_bad: bool = False,
    report: Callable[[str], object] = print,
) -> ImageSet:
    """Look through all images and masks, once, and return the set of the good ones.

    Args:
        tree: holds the files.
        images: names of the files of N images; masks for all of them, or for none.
        cache: folder that keeps what was found; by default one in the user's cache folder.
        skip_bad: report unusable images and leave them out.
        report: takes a line for the user.

    Raises:
        InputError: no images; an unusable image, and `skip_bad` is off; nothing but unusable images.
    """
    if not images:
        raise InputError(f"{tree.path}: no images found")
    index = open_index(tree, images, cache, report)
    refuse_or_report(index.problems, str(tree.path), skip_bad=skip_bad, report=report)
    _report_masks(tree, index, report)
    good = [image for image, problem in zip(images, index.problems, strict=True) if not problem]
    return ImageSet(
        tree,
        image_ids=[image.image_id for image in good],
        image_names=[image.image_name for image in good],
        index=index,
        rows=np.flatnonzero([not problem for problem in index.problems]),
        has_masks=any(image.has_masks for image in images),
        left_out=tuple(p.image_id for p, problem in zip(images, index.problems, strict=True) if problem),
    )


def _report_masks(tree: FileTree, index: LabelIndex, report: Callable[[str], object]) -> None:
    if index.contested.any():
        images, pixels = np.count_nonzero(index.contested), index.contested.sum()
        report(f"{tree.path}: masks overlap in {images} images by {pixels} pixels; the first by file name has them")
    if index.dropped.any():
        images, masks = np.count_nonzero(index.dropped), index.dropped.sum()
        report(f"{tree.path}: left out {masks} masks without pixels of their own in {images} images")
