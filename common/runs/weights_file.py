"""Reading HDF5 weights files: ours, the Mask R-CNN library's, or Keras 1's and 2's."""

import contextlib
import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from common.errors import InputError

GEOMETRY = "geometry"  # attribute of our own files
WRITER = "writer"  # attribute of a file that this project wrote
KERAS_VERSION = "keras_version"  # attribute of Keras' files
WHOLE_MODEL = "model_weights"  # the group beside the optimiser's, in the file of a whole model
# Keras 1 writes `conv1/conv1_W:0`; its "running_std" is a variance.
KERAS_1_NAMES = {"W": "kernel", "b": "bias", "running_mean": "moving_mean", "running_std": "moving_variance"}
_WEIGHT = re.compile(
    r"(?:.*_)?(kernel|bias|gamma|beta|moving_mean|moving_variance|W|b|running_mean|running_std)(_\d+)?"
)

Key = tuple[str, str]  # layer and weight


class WeightsFile:
    """The weights of a file by layer and weight; anything but plain arrays of numbers is ignored.

    Attributes:
        path: the file.
        shapes: by layer and weight, e.g. `("conv1", "kernel")`.

    Raises:
        InputError: no such file, not an HDF5 file, or a damaged one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shapes: dict[Key, tuple[int, ...]] = {}
        self._places: dict[Key, str] = {}
        with _opened(path) as file:
            _root(file).visititems(self._add)
        for (layer, weight), place in list(self._places.items()):
            # TensorFlow numbers the layers of a second network in one process: conv1/conv1_1/kernel:0.
            key = re.sub(r"_\d+$", "", layer), weight
            self._places.setdefault(key, place)
            self.shapes.setdefault(key, self.shapes[layer, weight])

    @property
    def num_classes(self) -> int | None:
        """Classes of the class head, background included; None without such a head."""
        shape = self.shapes.get(("mrcnn_class_logits", "kernel"))
        return shape[-1] if shape else None

    def read(self, keys: Iterable[Key]) -> dict[Key, np.ndarray]:
        """Return arrays, float32.

        Raises:
            InputError: the file is damaged there, or has values that are not finite.
        """
        arrays = {}
        with _opened(self.path) as file:
            root = _root(file)
            for key in keys:
                with np.errstate(over="ignore"):
                    arrays[key] = root[self._places[key]][()].astype(np.float32, copy=False)
                if not np.isfinite(arrays[key]).all():
                    raise ValueError(f"{'/'.join(key)} has values that are not finite")
        return arrays

    def _add(self, place: str, item: object) -> None:
        *groups, name = place.split("/") if isinstance(place, str) else [""]
        known = _WEIGHT.fullmatch(name.split(":")[0])
        if not (groups and known and isinstance(item, h5py.Dataset) and _is_plain(item)):
            return
        key = groups[-1], KERAS_1_NAMES.get(known[1], known[1])
        if key in self.shapes:
            raise ValueError(f"{'/'.join(key)} occurs twice")
        self.shapes[key], self._places[key] = item.shape, place


def read_geometry(path: Path) -> Literal["aligned", "library"] | None:
    """Return the `MaskRCNNConfig.geometry` that weights were trained with; None if the file does not record it.

    Our files do. Files of Keras 1 or 2 with a proposal head are the Mask R-CNN library's; a backbone alone fits both.
    None, too, for a file that cannot be read: loading it reports the error.
    """
    with contextlib.suppress(InputError), _opened(path) as file:
        root = _root(file)
        says = file.attrs.get(GEOMETRY)
        if says == "aligned":
            return "aligned"
        of_keras = KERAS_VERSION in root.attrs and any(name.startswith("rpn_") for name in root)
        if says == "library" or (says is None and of_keras):
            return "library"
    return None


def is_ours(path: Path) -> bool:
    """Return whether this project wrote a file of weights."""
    with contextlib.suppress(InputError), _opened(path) as file:
        return WRITER in file.attrs or GEOMETRY in file.attrs  # files of version 0.1.0 have but the latter
    return False


def _root(file: h5py.File) -> h5py.Group:
    """Return the group that holds the layers' groups."""
    whole = "layer_names" not in file.attrs and isinstance(file.get(WHOLE_MODEL, getlink=True), h5py.HardLink)
    return file[WHOLE_MODEL] if whole else file


def _is_plain(dataset: h5py.Dataset) -> bool:
    """Return whether a dataset is an array of numbers in this file, and no larger in memory than its shape says."""
    if dataset.dtype.kind not in "fiu" or dataset.shape is None or dataset.external or dataset.is_virtual:
        return False
    return dataset.chunks is None or math.prod(dataset.chunks) <= dataset.size


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """Open a file; report whatever is wrong with it in one line."""
    if not path.is_file():
        raise InputError(f"{path}: no such weights file")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(f"{path}: not a weights file, or a damaged one ({reason}); was it truncated?") from None
