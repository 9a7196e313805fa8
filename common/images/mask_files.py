"""Images with one mask file per object, or a label image, read through the index."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import InputError
from common.images.decoding import read_from_tree
from common.images.image_set import FileSource, ImageSet
from common.images.label_index import ImageFiles, LabelIndex, open_index
from common.images.stored import Choice, report_turned
from common.images.usable import Reader, read_in_threads, refuse_or_report, report_oddities
from common.log import logger
from common.masks.instances import Instances
from common.storage.trees import FileTree


@dataclass(frozen=True, eq=False)
class MaskFiles(FileSource):
    """M images in files, and the masks of their objects, all of one class.

    Attributes:
        image_ids: one per image.
        image_names: of the images' files in the tree.
        index: the sizes, counts and label images.
        has_masks: whether there are masks; not for test sets.
        choice: what to read of each image, see `decode_image`.
    """

    image_ids: Sequence[str]
    image_names: Sequence[str]
    index: LabelIndex
    has_masks: bool
    choice: Choice | None = None

    def image_name(self, row: int) -> str:
        """Return the name of an image's file in the tree."""
        return self.image_names[row]

    def signature(self, rows: np.ndarray) -> str:
        """Return a text that changes when these images change."""
        signature = super().signature(rows)
        return f"{signature} {self.choice}" if self.choice and self.choice != Choice() else signature

    def loader(self, row: int) -> Callable[[], np.ndarray]:
        """Return what loads an image in another process."""
        return functools.partial(read_from_tree, self.tree, self.image_name(row), self.choice)

    def load_label_layers(self, row: int) -> list[np.ndarray]:
        """Return its objects as one label image, labels 1 to their count.

        Raises:
            InputError: the set has no masks.
        """
        if not self.has_masks:
            raise InputError(f"{self.path}: holds no masks; training and scoring need them")
        return [self.index.load_label_image(self.image_ids[row])]

    def load_class_ids(self, row: int) -> np.ndarray:
        """Return the classes of its objects, all 1."""
        return np.ones(self.index.counts[row], np.int32)

    def load_instances(self, row: int) -> Instances:
        """Return its objects."""
        return Instances.from_label_image(self.load_label_layers(row)[0])


def open_mask_files(
    tree: FileTree,
    files: Sequence[ImageFiles],
    *,
    cache: Path | None = None,
    skip_bad: bool = False,
    choice: Choice | None = None,
    reader: Reader = read_in_threads,
) -> ImageSet[MaskFiles]:
    """Check all images and masks, once, and return the set of the usable ones.

    Args:
        tree: holds the files.
        files: names of the files of each image; masks for all of them, or for none.
        cache: folder for the index; see `open_index`.
        skip_bad: report unusable images and leave them out.
        choice: see `decode_image`.
        reader: reads the files.

    Raises:
        InputError: no images; an unusable image without `skip_bad`; no usable image.
    """
    if not files:
        raise InputError(f"{tree.path}: no images found")
    index = open_index(tree, files, cache, choice, reader)
    refuse_or_report(index.problems, str(tree.path), skip_bad=skip_bad)
    _report_masks(tree, index)
    report_oddities(tree.path, [image.image_id for image in files], index.oddities)
    rows = np.flatnonzero([not problem for problem in index.problems])
    has_masks = any(image.has_masks for image in files)
    names = [image.image_id for image in files], [image.image_name for image in files]
    return ImageSet(
        MaskFiles(tree, *names, index, has_masks, choice),
        image_ids=[files[row].image_id for row in rows.tolist()],
        sizes=index.sizes[rows],
        rows=rows,
        has_objects=has_masks,
        left_out=tuple(one.image_id for one, problem in zip(files, index.problems, strict=True) if problem),
    )


def _report_masks(tree: FileTree, index: LabelIndex) -> None:
    report_turned(tree.path, index.turned.sum(), upright=False)
    if index.contested.any():
        images, pixels = np.count_nonzero(index.contested), index.contested.sum()
        logger.info(
            f"{tree.path}: masks overlap in {images} images by {pixels} pixels; the first by file name keeps them"
        )
    if index.dropped.any():
        images, masks = np.count_nonzero(index.dropped), index.dropped.sum()
        logger.info(f"{tree.path}: left out {masks} masks without pixels of their own in {images} images")
