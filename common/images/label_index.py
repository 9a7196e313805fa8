"""An index of an image set: the size, count and problems of each image, and its masks as one label image.

Masks come as one file per object, thousands of them, and are slow to read. They are read once into an HDF5 file:
`sizes` (N, 2), `counts` (N,), `contested` (N,), `dropped` (N,), `turned` (N,), `oddities` (N, 4), `problems` (N,),
`labels/<image id>`.
"""

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np

from common.errors import InputError
from common.images.decoding import decode_stored, to_rgb
from common.images.stored import Choice, StoredImage
from common.images.truth_files import decode_labels, decode_mask
from common.images.usable import Oddities, Reader, find_oddities, read_in_threads
from common.log import logger
from common.storage.files import cache_folders, hdf5_written_aside, is_writable
from common.storage.trees import FileTree
from common.terminal.progress import progress_bar

FORMAT = 3  # raise it when the same files give other label images
NOTHING_ODD = Oddities()
COLUMNS = ("sizes", "counts", "contested", "dropped", "turned")


@dataclass(frozen=True)
class ImageFiles:
    """Names, in a file tree, of an image and of its masks or label image."""

    image_id: str
    image_name: str
    mask_names: tuple[str, ...] = ()
    label_name: str = ""

    @property
    def has_masks(self) -> bool:
        """Whether there are masks or a label image."""
        return bool(self.mask_names or self.label_name)


@dataclass(frozen=True)
class LabelIndex:
    """The index of N images, in the order given to `open_index`.

    Attributes:
        path: the HDF5 file.
        sizes: (N, 2) int32, height and width, pixels.
        counts: (N,) int32, objects.
        contested: (N,) int32, pixels claimed by more than one mask.
        dropped: (N,) int32, masks without a pixel of their own.
        turned: (N,) int32, 1 where the image is to be shown turned or flipped.
        oddities: N counts of what is unusual about an image's objects.
        problems: why an image is unusable; empty for a usable one.
    """

    path: Path
    sizes: np.ndarray
    counts: np.ndarray
    contested: np.ndarray
    dropped: np.ndarray
    turned: np.ndarray
    oddities: list[Oddities]
    problems: list[str]

    def load_label_image(self, image_id: str) -> np.ndarray:
        """Return the objects of an image, (H, W) int32, labels 1 to its count."""
        # Opened each time, which takes a third of a millisecond: an open file does not survive a fork.
        with h5py.File(self.path, "r", locking=False) as file:
            return file[f"labels/{image_id}"][()].astype(np.int32)


def open_index(
    tree: FileTree,
    images: Sequence[ImageFiles],
    cache: Path | None,
    choice: Choice | None = None,
    reader: Reader = read_in_threads,
) -> LabelIndex:
    """Read the index of an image set; build it if it is missing or the files have changed.

    Args:
        tree: holds the files.
        images: N images; if one has masks, all must.
        cache: folder for the index; by default, or if it is not writable, the first of `cache_folders` that is.
        choice: see `decode_image`.
        reader: reads the files.

    Raises:
        InputError: a cached index is damaged.
    """
    folders = [*([cache] if cache else []), *cache_folders()]
    read = functools.partial(_read_image, tree, any(image.has_masks for image in images), choice)
    examined = functools.partial(reader, read, name=lambda image: image.image_name)
    # An outdated index stays: a process that opened the set earlier may still read it.
    name = f"{tree.path.stem}-{_digest(tree, images, choice)}.h5"
    for folder in folders:
        if (folder / name).is_file():
            index = _read_index(folder / name)
            if not _is_outdated(index, images, examined):
                return index
    folder = next(filter(is_writable, folders), folders[0])
    if folder != folders[0]:
        logger.info(f"{folders[0]}: not writable; caching the masks in {folder}")
    found = progress_bar(examined(images), f"reading {tree.path.name}", len(images), unit="image")
    with hdf5_written_aside(folder / name) as file:
        _write_index(file, images, found)
    return _read_index(folder / name)


def stack_masks(masks: Iterable[np.ndarray], image_shape: tuple[int, int]) -> tuple[np.ndarray, int, int]:
    """Combine masks into one label image; the first mask keeps a contested pixel.

    Args:
        masks: (H, W) bool each, taken one at a time.
        image_shape: (height, width), pixels.

    Returns:
        The label image (H, W) int32 with labels 1 to N without gaps, the number of contested claims on pixels, and the
        number of masks dropped because they have no pixel of their own.

    Example:
        >>> masks = np.array([[[1, 1, 0]], [[0, 0, 0]], [[0, 1, 1]]], bool)
        >>> label_image, contested, dropped = stack_masks(masks, (1, 3))
        >>> label_image.tolist(), contested, dropped
        ([[1, 1, 2]], 1, 1)
    """
    label_image = np.zeros(image_shape, np.int32)
    count = contested = dropped = 0
    for mask in masks:
        left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
        window = np.s_[top : top + height, left : left + width]
        claimed = mask[window]
        own = claimed & (label_image[window] == 0)
        num_own = int(np.count_nonzero(own))
        contested += int(np.count_nonzero(claimed)) - num_own
        if num_own:
            count += 1
            label_image[window][own] = count
        else:
            dropped += 1
    return label_image, contested, dropped


@dataclass(frozen=True)
class _Facts:
    """What was found in the files of one image; its label image, (H, W), is of the smallest dtype that holds it."""

    size: tuple[int, int] = (0, 0)
    count: int = 0
    contested: int = 0
    dropped: int = 0
    turned: bool = False
    oddities: Oddities = NOTHING_ODD
    label_image: np.ndarray | None = None


_Examined = tuple[_Facts | None, str]  # see `common.images.usable.examine`


def _write_index(file: h5py.File, images: Sequence[ImageFiles], examined: Iterable[_Examined]) -> None:
    rows = []
    for image, (found, problem) in zip(images, examined, strict=True):
        facts = found or _Facts()
        counts = facts.size, facts.count, facts.contested, facts.dropped, facts.turned
        rows.append((*counts, astuple(facts.oddities), problem))
        if (labels := facts.label_image) is not None:
            file.create_dataset(
                f"labels/{image.image_id}", data=labels, chunks=labels.shape, compression="gzip", compression_opts=1
            )
    *columns, problems = zip(*rows, strict=True)
    for name, column in zip((*COLUMNS, "oddities"), columns, strict=True):
        file[name] = np.array(column, np.int32)
    file.create_dataset("problems", data=problems, dtype=h5py.string_dtype())


def _is_outdated(
    index: LabelIndex,
    images: Sequence[ImageFiles],
    examined: Callable[[Sequence[ImageFiles]], Iterable[_Examined]],
) -> bool:
    """Tell whether a problem is gone although the files are the same: a decoder or memory was missing."""
    bad = [(image, problem) for image, problem in zip(images, index.problems, strict=True) if problem]
    return [problem for _, problem in examined([image for image, _ in bad])] != [problem for _, problem in bad]


def _read_image(tree: FileTree, needs_masks: bool, choice: Choice | None, image: ImageFiles) -> _Facts:
    """Read an image and its masks.

    Raises:
        InputError: what is wrong with them.
    """
    name = f"{tree.path}/{image.image_name}"
    stored = decode_stored(tree.read(image.image_name), name, choice)
    height, width = to_rgb(stored, name, choice).shape[:2]
    turned = stored.orientation != 1
    if not needs_masks:
        return _Facts((height, width), turned=turned)
    if image.label_name:
        label_image = _read_labels(tree, image.label_name, stored)
        return _facts_of(label_image, 0, 0, turned, find_oddities(label_image))
    if not image.mask_names:
        raise InputError(f"{name}: has no masks, unlike others; add them or remove it")
    found: list[Oddities] = []
    masks = _read_masks(tree, image.mask_names, stored, found)
    label_image, contested, dropped = stack_masks(masks, (height, width))
    return _facts_of(label_image, contested, dropped, turned, sum(found, NOTHING_ODD))


def _facts_of(label_image: np.ndarray, contested: int, dropped: int, turned: bool, oddities: Oddities) -> _Facts:
    height, width = label_image.shape
    count = int(label_image.max())
    labels = label_image.astype(np.min_scalar_type(count))
    return _Facts((height, width), count, contested, dropped, turned, oddities, labels)


def _read_labels(tree: FileTree, name: str, image: StoredImage) -> np.ndarray:
    label_image = decode_labels(tree.read(name), f"{tree.path}/{name}", image)
    _check_size(label_image, image, f"{tree.path}/{name}")
    return label_image


def _read_masks(
    tree: FileTree, names: Sequence[str], image: StoredImage, found: list[Oddities]
) -> Iterator[np.ndarray]:
    """Yield masks, (H, W) bool each, and append what is unusual about each."""
    for name in names:
        mask = decode_mask(tree.read(name), f"{tree.path}/{name}", image)
        _check_size(mask.pixels, image, f"{tree.path}/{name}")
        found.append(mask.oddities)
        yield mask.pixels


def _check_size(mask: np.ndarray, image: StoredImage, name: str) -> None:
    if mask.shape != image.shape:
        sizes = " x ".join(map(str, mask.shape)), " x ".join(map(str, image.shape))
        raise InputError(f"{name}: a mask of {sizes[0]} pixels for an image of {sizes[1]}; replace it")


def _read_index(path: Path) -> LabelIndex:
    try:
        with h5py.File(path, "r", locking=False) as file:
            columns = {name: file[name][()] for name in COLUMNS}
            oddities = [Oddities(*row) for row in file["oddities"][()].tolist()]
            return LabelIndex(path, **columns, oddities=oddities, problems=list(file["problems"].asstr()[()]))
    except (OSError, KeyError):
        raise InputError(f"{path}: a damaged index; remove the file to rebuild it") from None


def _digest(tree: FileTree, images: Sequence[ImageFiles], choice: Choice | None) -> str:
    """Return a hash of the state of the files, and of what is read of them."""
    names = (name for one in images for name in (one.image_name, *one.mask_names, one.label_name))
    content = repr((FORMAT, str(tree.path), tree.signature(names), choice, *images))
    return hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()[:16]
