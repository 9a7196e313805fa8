"""Radiographs and masks at the size that the network sees, read once: those of Kaggle have up to 4,900 pixels a side.

An HDF5 file in the user's cache folder: `sizes` (N, 2), `problems` (N,), `images/<row>`, `masks/<row>`.
"""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np

from common.errors import InputError
from common.images.decoding import decode_image
from common.images.usable import Reader, read_in_threads
from common.masks.resize import resize_image, resize_mask
from common.storage.files import find_cached, hdf5_written_aside
from common.storage.trees import FileTree
from common.terminal.progress import progress_bar
from lung.layouts import RadiographFiles

FORMAT = 1  # raise it when the same files give another cache
LARGEST_SHARE = 0.9  # of an image that its lungs can cover


@dataclass(frozen=True)
class Cache:
    """N resized radiographs with their masks, in the order given to `open_cache`.

    Attributes:
        path: the HDF5 file.
        sizes: (N, 2) int32, height and width of the files, pixels.
        problems: why a radiograph is unusable; empty for a usable one.
    """

    path: Path
    sizes: np.ndarray
    problems: list[str]

    def load_image(self, row: int) -> np.ndarray:
        """Return a radiograph, (S, S, 3) uint8."""
        image = self._load("images", row)
        return image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)

    def load_mask(self, row: int) -> np.ndarray:
        """Return its mask, (S, S) bool."""
        return self._load("masks", row).astype(bool)

    def _load(self, group: str, row: int) -> np.ndarray:
        # Opened each time, which takes a third of a millisecond: an open file does not survive a fork.
        with h5py.File(self.path, "r", locking=False) as file:
            return file[f"{group}/{row}"][()]


def open_cache(tree: FileTree, files: Sequence[RadiographFiles], side: int, reader: Reader = read_in_threads) -> Cache:
    """Read the cache of radiographs with masks; make it if it is missing or the files have changed.

    Args:
        tree: holds the files.
        files: N radiographs, all with masks.
        side: of the square that they are resized to, pixels.
        reader: reads the files.

    Raises:
        InputError: a damaged cache.
    """
    path = find_cached(f"{tree.path.stem}-{_digest(tree, files, side)}.h5")
    if not path.is_file():
        with hdf5_written_aside(path) as file:
            _write(file, tree, files, side, reader)
    try:
        with h5py.File(path, "r", locking=False) as file:
            return Cache(path, file["sizes"][()], list(file["problems"].asstr()[()]))
    except (OSError, KeyError):
        raise InputError(f"{path}: a damaged cache; remove the file to rebuild it") from None


def load_mask(tree: FileTree, mask_names: Sequence[str], image_shape: tuple[int, int]) -> np.ndarray:
    """Return the union of a radiograph's mask files, each cut at half of its largest value.

    Args:
        tree: holds the files.
        mask_names: at least one.
        image_shape: (height, width) that they must have, pixels.

    Returns:
        (H, W) bool.

    Raises:
        InputError: not an image, a damaged one, one of another size, or no mask of lungs.
    """
    mask = np.zeros(image_shape, bool)
    for name in mask_names:
        values = decode_image(tree.read(name), f"{tree.path}/{name}").max(axis=2)
        if values.shape != image_shape:
            sizes = " x ".join(map(str, values.shape)), " x ".join(map(str, image_shape))
            raise InputError(
                f"{tree.path}/{name}: a mask of {sizes[0]} pixels for a radiograph of {sizes[1]}; replace it"
            )
        if not values.any():
            raise InputError(f"{tree.path}/{name}: an empty mask; draw the lungs, or remove it")
        mask |= values > values.max() / 2
    if (share := mask.mean()) > LARGEST_SHARE:
        raise InputError(f"{tree.path}/{mask_names[0]}: covers {share:.0%} of the radiograph; is it inverted?")
    return mask


def _write(file: h5py.File, tree: FileTree, files: Sequence[RadiographFiles], side: int, reader: Reader) -> None:
    rows = []
    found = reader(functools.partial(_read, tree, side), files, lambda one: one.image_name)
    for row, (facts, problem) in enumerate(progress_bar(found, f"reading {tree.path.name}", len(files))):
        size, arrays = facts or ((0, 0), {})
        rows.append((size, problem))
        for name, array in arrays.items():
            file.create_dataset(f"{name}/{row}", data=array, chunks=array.shape, compression="gzip")
    sizes, problems = zip(*rows, strict=True)
    file["sizes"] = np.array(sizes, np.int32)
    file.create_dataset("problems", data=problems, dtype=h5py.string_dtype())


def _read(tree: FileTree, side: int, files: RadiographFiles) -> tuple[tuple[int, int], dict[str, np.ndarray]]:
    """Return a radiograph's size, and its resized image and mask.

    Raises:
        InputError: what is wrong with it.
    """
    image = decode_image(tree.read(files.image_name), f"{tree.path}/{files.image_name}")
    height, width = image.shape[:2]
    mask = load_mask(tree, files.mask_names, (height, width))
    small = resize_image(image, (side, side))
    if (small == small[..., :1]).all():
        small = small[..., 0]
    return (height, width), {"images": small, "masks": resize_mask(mask, (side, side)).astype(np.uint8)}


def _digest(tree: FileTree, files: Sequence[RadiographFiles], side: int) -> str:
    """Return a hash of the state and choice of the files."""
    names = (name for one in files for name in (one.image_name, *one.mask_names))
    content = repr((FORMAT, side, str(tree.path), tree.signature(names), *files))
    return hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()[:16]
