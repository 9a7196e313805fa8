"""The class-folder layout: <subset>/image/<Class>/<name>.png, and the masks under <subset>/mask likewise."""

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

import numpy as np

from common.errors import InputError
from common.files import FileTree, open_tree
from common.images.decoding import decode_image, is_image
from common.images.usable import read_usable, sorted_by_id
from common.masks.instances import Instances, as_indices
from wbc.cells import decode_cell_mask, fit_mask, label_cells

SUBSETS = ("train", "val", "detect")  # the last has no masks and no class folders


@dataclass(frozen=True)
class CellFiles:
    """The files of an image.

    Attributes:
        image_id: the image's file name without its ending.
        image_name: in the tree.
        mask_name: in the tree; empty where there is none.
        class_id: of all its cells, 1-based; 0 where it is not known.
    """

    image_id: str
    image_name: str
    mask_name: str = ""
    class_id: int = 0


@dataclass(frozen=True, eq=False)
class CellSet:
    """N images with cells of one class each. May be pickled and used from any thread or process.

    Attributes:
        tree: where the files are.
        files: of each image.
        sizes: (N, 2) int, height and width, pixels.
        counts: (N,) int, cells of each image.
    """

    tree: FileTree
    files: Sequence[CellFiles]
    sizes: np.ndarray
    counts: np.ndarray

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.files)

    @cached_property
    def image_ids(self) -> list[str]:
        """The images' names."""
        return [files.image_id for files in self.files]

    @property
    def image_names(self) -> list[str]:
        """The images' names in the tree."""
        return [files.image_name for files in self.files]

    def signature(self) -> str:
        """Return a text that changes when the images change."""
        return self.tree.signature(self.image_names)

    def load_image(self, index: int) -> np.ndarray:
        """Return an image, (H, W, 3) uint8."""
        return _load_image(self.tree, self.files[index])

    def load_label_layers(self, index: int) -> list[np.ndarray]:
        """Return the cells of an image as one label image, (H, W) int32."""
        height, width = self.sizes[index].tolist()
        return [label_cells(_load_mask(self.tree, self.files[index], (height, width)))]

    def load_class_ids(self, index: int) -> np.ndarray:
        """Return the classes of an image's cells, (count,) int32, all equal."""
        return np.full(self.counts[index], self.files[index].class_id, np.int32)

    def load_instances(self, index: int) -> Instances:
        """Return the cells of an image."""
        return Instances.from_label_image(self.load_label_layers(index)[0], self.load_class_ids(index))

    def select(self, indices: Sequence[int] | np.ndarray) -> "CellSet":
        """Return the set of the images at `indices`, (K,) int or (N,) bool, in that order."""
        order = as_indices(indices)
        files = [self.files[i] for i in order.tolist()]
        return dataclasses.replace(self, files=files, sizes=self.sizes[order], counts=self.counts[order])


def load_cells(
    path: str | os.PathLike[str],
    subset: str,
    class_names: Sequence[str],
    *,
    skip_bad: bool = False,
    report: Callable[[str], object] = print,
) -> CellSet:
    """Open a subset, sorted by id, and look through all of its images and masks.

    Args:
        path: a folder or zip archive; the subsets stand in it or in a folder of it.
        subset: "train", "val" or "detect".
        class_names: of the class folders, that of class 1 first.
        skip_bad: report unusable images and leave them out.
        report: takes a line for the user.

    Raises:
        InputError: not such a folder or archive; a class folder of another name; an unusable image, and `skip_bad`
            is off.
    """
    tree = open_tree(path)
    files = find_files(tree.names(), subset, class_names, str(tree.path))

    def read(one: CellFiles) -> tuple[tuple[int, int], int]:
        height, width = _load_image(tree, one).shape[:2]
        cells = label_cells(_load_mask(tree, one, (height, width))) if subset != "detect" else np.zeros(1, np.int32)
        return (height, width), int(cells.max())

    usable = read_usable(read, files, source=f"{tree.path.name}/{subset}", skip_bad=skip_bad, report=report)
    sizes, counts = zip(*(facts for _, facts in usable), strict=True)
    return CellSet(tree, [one for one, _ in usable], np.array(sizes), np.array(counts))


def find_files(names: Sequence[str], subset: str, class_names: Sequence[str], source: str) -> list[CellFiles]:
    """Find the images of a subset, and their masks, among file names.

    Args:
        names: relative names with forward slashes; what does not fit the layout is ignored.
        subset: "train", "val" or "detect".
        class_names: of the class folders, that of class 1 first.
        source: where the names are from, for messages.

    Returns:
        The files of each image, sorted by id.

    Raises:
        InputError: no images, a class folder of another name, or two images or masks of one name.

    Example:
        >>> find_files(["WBC/val/image/Monocyte/1.png", "WBC/val/mask/Monocyte/1.png"], "val", ["Monocyte"], "WBC")
        [CellFiles(image_id='1', image_name='WBC/val/image/Monocyte/1.png', mask_name='WBC/val/mask/Monocyte/1.png', \
class_id=1)]
    """
    paths = [path for path in map(PurePosixPath, names) if is_image(path)]
    if subset == "detect":
        found = [CellFiles(path.stem, str(path)) for path in paths if path.parts[-3:-1] == (subset, "image")]
    else:
        masks: dict[PurePosixPath, str] = {}
        for path in paths:
            if path.parts[-4:-2] == (subset, "mask"):
                other = masks.setdefault(path.with_suffix(""), str(path))
                if other != str(path):
                    raise InputError(f"{source}: {other} and {path} are masks of one image; remove one of them")
        found = [
            CellFiles(
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
    return sorted_by_id(found, lambda files: files.image_id, lambda files: files.image_name, source)


def count_images(path: str | os.PathLike[str], subset: str, class_names: Sequence[str]) -> dict[int, int]:
    """Return how many images of each class a subset has by its file names; none where there is no such subset.

    Args:
        path: see `load_cells`.
        subset: "train" or "val".
        class_names: see `load_cells`.
    """
    tree = open_tree(path)
    names = [name for name in tree.names() if PurePosixPath(name).parts[-4:-2] == (subset, "image")]
    files = find_files(names, subset, class_names, str(tree.path)) if names else []
    return Counter(one.class_id for one in files)


def _class_id(folder: PurePosixPath, class_names: Sequence[str], source: str) -> int:
    if folder.name not in class_names:
        raise InputError(f"{source}/{folder}: no class of {', '.join(class_names)}; rename or remove the folder")
    return list(class_names).index(folder.name) + 1


def _load_image(tree: FileTree, files: CellFiles) -> np.ndarray:
    return decode_image(tree.read(files.image_name), f"{tree.path}/{files.image_name}")


def _load_mask(tree: FileTree, files: CellFiles, image_shape: tuple[int, int]) -> np.ndarray:
    """Return the mask of all cells, (*image_shape) bool."""
    if not files.mask_name:
        raise InputError(f"{tree.path}/{files.image_name}: has no mask; add it under mask/, or remove the image")
    name = f"{tree.path}/{files.mask_name}"
    try:
        return fit_mask(decode_cell_mask(tree.read(files.mask_name), name), image_shape)
    except ValueError as error:
        raise InputError(f"{name}: {error}; replace it") from None
