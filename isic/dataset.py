"""Lesions: images in <subset>/*.jpg, in a folder or zip archive, with their labels in one JSON file.

Images are turned upright as their EXIF orientation says, since the labels are drawn in a browser, which does so.
"""

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from common.batches import folds
from common.errors import InputError
from common.images.decoding import decode_annotated, decode_stored, is_image, to_rgb
from common.images.image_set import FileSource, ImageSet
from common.images.stored import StoredImage, is_annotated_upright, report_turned
from common.images.usable import Reader, read_in_threads, read_usable, sorted_by_id
from common.masks.instances import Instances
from common.masks.layers import pack_layers
from common.masks.polygons import polygon_instances
from common.storage.trees import FileTree, normal_name, open_tree
from isic.labels import LabelledImage, Lesion, parse_labels

REMEDY = "label it again"  # for an image of another size than its labels give
SUBSETS = ("train", "test")
LABELS = {"train": "labels.json", "test": "labels_test.json"}  # in the set, or beside the archive


@dataclass(frozen=True, eq=False)
class LesionFiles(FileSource):
    """M images in files, with their lesions if labelled.

    Attributes:
        image_names: each image's name in the tree.
        sizes: (M, 2) int, height and width, pixels.
        lesions: of each image; none without labels.
    """

    image_names: Sequence[str]
    sizes: np.ndarray
    lesions: Sequence[Sequence[Lesion]]

    def image_name(self, row: int) -> str:
        """Return the name of an image's file in the tree."""
        return self.image_names[row]

    def loader(self, row: int) -> Callable[[], np.ndarray]:
        """Return what loads an image in another process."""
        return functools.partial(_load_image, self.tree, self.image_names[row], self._shape(row))

    def load_instances(self, row: int) -> Instances:
        """Return the lesions of an image, each the union of its polygons."""
        outlines = [lesion.polygons for lesion in self.lesions[row]]
        return polygon_instances(outlines, self._shape(row), self.load_class_ids(row))

    def load_label_layers(self, row: int) -> list[np.ndarray]:
        """Return the lesions of an image as label images, (H, W) int32, as few as their overlaps allow."""
        return pack_layers(self.load_instances(row), self._shape(row))

    def load_class_ids(self, row: int) -> np.ndarray:
        """Return the classes of an image's lesions, (count,) int32."""
        return np.array([lesion.class_id for lesion in self.lesions[row]], np.int32)

    def _shape(self, row: int) -> tuple[int, int]:
        height, width = self.sizes[row].tolist()
        return height, width


def load_labelled(
    path: str | os.PathLike[str],
    subset: str,
    class_names: Sequence[str],
    *,
    labels: Path | None = None,
    skip_bad: bool = False,
    reader: Reader = read_in_threads,
) -> ImageSet[LesionFiles]:
    """Open the labelled images of a subset, sorted by id, and check all of them.

    Args:
        path: folder or zip archive of the images.
        subset: "train" or "test".
        class_names: of the labels' categories, in order of class id.
        labels: their file; by default `LABELS` in the set or beside the archive.
        skip_bad: report unusable images and leave them out.
        reader: reads the images.

    Raises:
        InputError: no images or labels; an unusable image without `skip_bad`.
    """
    tree = open_tree(path)
    names = {PurePosixPath(name).name: name for name in find_images(tree, subset)}
    data, source = _read_labels(tree, labels, subset)
    labelled = parse_labels(data, source, class_names)
    read, where = functools.partial(_read_labelled, tree, names, source), f"{tree.path.name}/{subset}"
    usable = read_usable(
        read, labelled, source=where, name=lambda image: image.file_name, skip_bad=skip_bad, reader=reader
    )
    usable.sort(key=lambda one: PurePosixPath(one[1][0]).stem)
    report_turned(where, sum(turned for _, (_, turned) in usable), upright=True)
    image_names = [name for _, (name, _) in usable]
    sizes, lesions = zip(*((one.image_shape, one.lesions) for one, _ in usable), strict=True)
    return _make_set(LesionFiles(tree, image_names, np.array(sizes), lesions))


def load_images(
    path: str | os.PathLike[str],
    subset: str,
    *,
    skip_bad: bool = False,
    reader: Reader = read_in_threads,
) -> ImageSet[LesionFiles]:
    """Open all images of a subset without labels, sorted by id, and check them.

    Args:
        path: see `load_labelled`.
        subset: see `load_labelled`.
        skip_bad: see `load_labelled`.
        reader: see `load_labelled`.

    Raises:
        InputError: no images; an unusable one without `skip_bad`.
    """
    tree = open_tree(path)
    read, source = functools.partial(_read_unlabelled, tree), f"{tree.path.name}/{subset}"
    usable = read_usable(read, find_images(tree, subset), source=source, skip_bad=skip_bad, reader=reader)
    report_turned(source, sum(turned for _, (_, turned) in usable), upright=True)
    names, sizes = zip(*((name, size) for name, (size, _) in usable), strict=True)
    return _make_set(LesionFiles(tree, names, np.array(sizes), [()] * len(names)), has_objects=False)


def find_images(tree: FileTree, subset: str) -> list[str]:
    """Return the names of the images in the subset's folder, or of all if there are no subset folders.

    Raises:
        InputError: no images, or two of the same name.
    """
    paths = [path for path in map(PurePosixPath, tree.names()) if is_image(path)]
    if any(path.parent.name in SUBSETS for path in paths):
        paths = [path for path in paths if path.parent.name == subset]
    if not paths:
        raise InputError(f"{tree.path}: no images in {subset}; give the folder or archive that holds {subset}/*.jpg")
    return [str(path) for path in sorted_by_id(paths, lambda path: path.stem, str, str(tree.path))]


def split(
    images: ImageSet[LesionFiles], fold: str, seed: int, limit: int | None = None
) -> tuple[ImageSet[LesionFiles], ImageSet[LesionFiles]]:
    """Return the training and the validation images.

    Args:
        images: N images.
        fold: "0" to "4" holds out a fifth; "same" validates on the training images, "all" on none.
        seed: of the split into folds.
        limit: keeps only the first training images.

    Raises:
        InputError: nothing is left to train on.
    """
    if fold == "same":
        training = images.first(limit)
        return training, training
    return folds.split(images, np.zeros(len(images)), fold, limit, seed=seed)


def _read_labels(tree: FileTree, labels: Path | None, subset: str) -> tuple[bytes, str]:
    """Return the content and the name of the label file."""
    inside = [name for name in tree.names() if PurePosixPath(name).name == LABELS[subset]]
    if labels is None and len(inside) > 1:
        raise InputError(f"{tree.path}: holds {LABELS[subset]} {len(inside)} times; name one with --labels, unpacked")
    if labels is None and inside:
        return tree.read(inside[0]), f"{tree.path}/{inside[0]}"
    path = labels or tree.path.parent / LABELS[subset]
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the labels with --labels")
    return path.read_bytes(), str(path)


def _make_set(source: LesionFiles, *, has_objects: bool = True) -> ImageSet[LesionFiles]:
    """Return all images; their ids are the file names without suffix."""
    image_ids = [PurePosixPath(name).stem for name in source.image_names]
    return ImageSet.of_all(source, image_ids, source.sizes, has_objects=has_objects)


def _read_labelled(tree: FileTree, names: Mapping[str, str], source: str, image: LabelledImage) -> tuple[str, bool]:
    """Return the name of a labelled image in the tree, and whether it is to be turned; `names` has it by file name."""
    file_name = PurePosixPath(normal_name(image.file_name)).name  # other tools write a folder, too
    if file_name not in names:
        raise InputError(f"{source}: {image.file_name} is not among the images of {tree.path}; add it")
    name = names[file_name]
    stored = _read_stored(tree, name)
    upright = is_annotated_upright(stored, f"{tree.path}/{name}", image.image_shape, REMEDY)
    return name, upright and stored.orientation != 1


def _read_unlabelled(tree: FileTree, name: str) -> tuple[tuple[int, int], bool]:
    """Return the (height, width) of an image turned upright, and whether it is to be turned."""
    stored = _read_stored(tree, name)
    return stored.upright_shape, stored.orientation != 1


def _read_stored(tree: FileTree, name: str) -> StoredImage:
    """Return an image as stored; refuse one that cannot be read as RGB."""
    stored = decode_stored(tree.read(name), f"{tree.path}/{name}")
    to_rgb(stored, f"{tree.path}/{name}")
    return stored


def _load_image(tree: FileTree, name: str, image_shape: tuple[int, int]) -> np.ndarray:
    return decode_annotated(tree.read(name), f"{tree.path}/{name}", image_shape, REMEDY)
