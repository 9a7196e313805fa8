"""The class-folder layout: <subset>/image/<Class>/<name>.png, and masks likewise under <subset>/mask."""

import functools
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np

from common.errors import InputError
from common.images.decoding import decode_stored, is_image, read_from_tree, to_rgb
from common.images.image_set import FileSource, ImageSet
from common.images.stored import StoredImage
from common.images.truth_files import decode_mask
from common.images.usable import Oddities, Reader, read_in_threads, read_usable, report_oddities, sorted_by_id
from common.masks.instances import Instances
from common.storage.trees import FileTree, open_tree
from wbc.cells import fit_mask, label_cells

SUBSETS = ("train", "val", "detect")  # the last has no masks and no class folders


@dataclass(frozen=True)
class CellImage:
    """The files of an image.

    Attributes:
        image_id: the image's file name without suffix.
        image_name: in the tree.
        mask_name: in the tree; empty without a mask.
        class_id: of all its cells, 1-based; 0 if unknown.
    """

    image_id: str
    image_name: str
    mask_name: str = ""
    class_id: int = 0


@dataclass(frozen=True, eq=False)
class CellFiles(FileSource):
    """M images in files, with cells of one class each.

    Attributes:
        images: the files of each image.
        sizes: (M, 2) int, height and width, pixels.
        counts: (M,) int, cells in each image.
    """

    images: Sequence[CellImage]
    sizes: np.ndarray
    counts: np.ndarray

    def image_name(self, row: int) -> str:
        """Return the name of an image's file in the tree."""
        return self.images[row].image_name

    def loader(self, row: int) -> Callable[[], np.ndarray]:
        """Return what loads an image in another process."""
        return functools.partial(read_from_tree, self.tree, self.images[row].image_name)

    def load_label_layers(self, row: int) -> list[np.ndarray]:
        """Return the cells of an image as one label image, (H, W) int32."""
        height, width = self.sizes[row].tolist()
        return [label_cells(_load_mask(self.tree, self.images[row], (height, width))[0])]

    def load_class_ids(self, row: int) -> np.ndarray:
        """Return the classes of an image's cells, (count,) int32, all equal."""
        return np.full(self.counts[row], self.images[row].class_id, np.int32)

    def load_instances(self, row: int) -> Instances:
        """Return the cells of an image."""
        return Instances.from_label_image(self.load_label_layers(row)[0], self.load_class_ids(row))


def load_cells(
    path: str | os.PathLike[str],
    subset: str,
    class_names: Sequence[str],
    *,
    skip_bad: bool = False,
    reader: Reader = read_in_threads,
) -> ImageSet[CellFiles]:
    """Open a subset, sorted by id, and check all of its images and masks.

    Args:
        path: a folder or zip archive that holds the subsets, directly or in a folder.
        subset: "train", "val" or "detect".
        class_names: of the class folders, in order of class id.
        skip_bad: report unusable images and leave them out.
        reader: reads them.

    Raises:
        InputError: not such a folder or archive; a class folder of another name; an unusable image without `skip_bad`.
    """
    tree = open_tree(path)
    images = find_images(tree.names(), subset, class_names, str(tree.path))
    read, source = functools.partial(_read_cells, tree, subset != "detect"), f"{tree.path.name}/{subset}"
    usable = read_usable(read, images, source=source, name=lambda one: one.image_name, skip_bad=skip_bad, reader=reader)
    sizes, counts, odd = zip(*(facts for _, facts in usable), strict=True)
    report_oddities(f"{tree.path}/{subset}", [one.image_id for one, _ in usable], odd)
    files = CellFiles(tree, [one for one, _ in usable], np.array(sizes), np.array(counts))
    image_ids = [one.image_id for one in files.images]
    return ImageSet.of_all(files, image_ids, files.sizes, has_objects=subset != "detect")


def find_images(names: Sequence[str], subset: str, class_names: Sequence[str], source: str) -> list[CellImage]:
    """Find the images of a subset, and their masks, among file names.

    Args:
        names: relative names with forward slashes; those outside the layout are ignored.
        subset: "train", "val" or "detect".
        class_names: of the class folders, in order of class id.
        source: where the names are from, for messages.

    Returns:
        The files of each image, sorted by id.

    Raises:
        InputError: no images, a class folder of another name, or two images or masks of the same name.

    Example:
        >>> find_images(["WBC/val/image/Monocyte/1.png", "WBC/val/mask/Monocyte/1.png"], "val", ["Monocyte"], "WBC")
        [CellImage(image_id='1', image_name='WBC/val/image/Monocyte/1.png', mask_name='WBC/val/mask/Monocyte/1.png', \
class_id=1)]
    """
    paths = [path for path in map(PurePosixPath, names) if is_image(path)]
    if subset == "detect":
        found = [CellImage(path.stem, str(path)) for path in paths if path.parts[-3:-1] == (subset, "image")]
    else:
        masks: dict[PurePosixPath, str] = {}
        for path in paths:
            if path.parts[-4:-2] == (subset, "mask"):
                other = masks.setdefault(path.with_suffix(""), str(path))
                if other != str(path):
                    raise InputError(f"{source}: {other} and {path} are masks of one image; remove one of them")
        found = [
            CellImage(
                path.stem,
                str(path),
                masks.get(path.parents[2] / "mask" / path.parent.name / path.stem, ""),
                _class_id(path.parent, class_names, source),
            )
            for path in paths
            if path.parts[-4:-2] == (subset, "image")
        ]
    if not found:
        layout = f"{subset}/image" if subset == "detect" else f"{subset}/image/<Class>"
        raise InputError(f"{source}: no images in {layout}; give the folder or archive that holds {subset}")
    return sorted_by_id(found, lambda image: image.image_id, lambda image: image.image_name, source)


def count_images(path: str | os.PathLike[str], subset: str, class_names: Sequence[str]) -> dict[int, int]:
    """Count the images of each class in a subset by their file names; a missing subset has none.

    Args:
        path: see `load_cells`.
        subset: "train" or "val".
        class_names: see `load_cells`.
    """
    tree = open_tree(path)
    names = [name for name in tree.names() if PurePosixPath(name).parts[-4:-2] == (subset, "image")]
    images = find_images(names, subset, class_names, str(tree.path)) if names else []
    return Counter(image.class_id for image in images)


def _class_id(folder: PurePosixPath, class_names: Sequence[str], source: str) -> int:
    if folder.name not in class_names:
        raise InputError(f"{source}/{folder}: none of {', '.join(class_names)}; rename or remove the folder")
    return list(class_names).index(folder.name) + 1


def _read_cells(tree: FileTree, has_mask: bool, image: CellImage) -> tuple[tuple[int, int], int, Oddities]:
    """Return an image's (height, width), how many cells it has, and what is unusual about their mask."""
    name = f"{tree.path}/{image.image_name}"
    stored = decode_stored(tree.read(image.image_name), name)
    height, width = to_rgb(stored, name).shape[:2]
    if not has_mask:
        return (height, width), 0, Oddities()
    mask, odd = _load_mask(tree, image, (height, width), stored)
    return (height, width), int(label_cells(mask).max()), odd


def _load_mask(
    tree: FileTree, image: CellImage, image_shape: tuple[int, int], stored: StoredImage | None = None
) -> tuple[np.ndarray, Oddities]:
    """Return the mask of all cells, (*image_shape,) bool, and what is unusual about it; several parts are not."""
    if not image.mask_name:
        raise InputError(f"{tree.path}/{image.image_name}: has no mask; add it under mask/, or remove the image")
    name = f"{tree.path}/{image.mask_name}"
    try:
        mask = decode_mask(tree.read(image.mask_name), name, stored)
        return fit_mask(mask.pixels, image_shape), replace(mask.oddities, parted=0)
    except ValueError as error:
        raise InputError(f"{name}: {error}; replace it") from None
