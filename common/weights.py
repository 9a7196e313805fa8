"""Weights in and out of files, and where the well-known ones come from."""

import urllib.error
import urllib.request
from pathlib import Path

import h5py
import keras
import numpy as np

from common.errors import InputError
from common.files import hdf5_written_aside, written_aside

COCO_FILE = "mask_rcnn_coco.h5"
COCO_URL = f"https://github.com/matterport/Mask_RCNN/releases/download/v2.0/{COCO_FILE}"
IMAGENET_FILE = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
IMAGENET_URL = f"https://github.com/fchollet/deep-learning-models/releases/download/v0.2/{IMAGENET_FILE}"
RPN_GROUP = "rpn_model"  # the library keeps the proposal head's layers below this name
# The ImageNet file is that old: `conv1/conv1_W:0`; its "running_std" are variances.
KERAS_1_NAMES = {"W": "kernel", "b": "bias", "running_mean": "moving_mean", "running_std": "moving_variance"}


def save_weights(model: keras.Model, path: Path) -> None:
    """Write a model's weights in the Mask R-CNN library's layout, aside first.

    The file has a group a layer (`conv1/conv1/kernel:0`; the layers of the proposal head stand below `rpn_model`), the
    layers' names in its attribute `layer_names`, and those of their weights in each group's `weight_names`.

    Args:
        model: any depth of nested models; layer names are unique.
        path: ends in .h5.
    """
    with hdf5_written_aside(path) as file:
        names: dict[str, list[str]] = {}
        for layer in weighted_layers(model):
            group = RPN_GROUP if layer.name.startswith("rpn_") else layer.name
            for weight in layer.weights:
                name = f"{layer.name}/{weight.name}:0"
                file.create_dataset(f"{group}/{name}", data=keras.ops.convert_to_numpy(weight))
                names.setdefault(group, []).append(name)
        file.attrs["layer_names"] = np.array(list(names), "S")  # bytes, as Keras 2 reads them
        for group, weight_names in names.items():
            file[group].attrs["weight_names"] = np.array(weight_names, "S")


def load_weights(model: keras.Model, path: Path, *, partial: bool = False) -> list[str]:
    """Read weights by the names of layers, as `save_weights` or the Mask R-CNN library wrote them.

    Args:
        model: takes the weights; untouched when an error is raised.
        path: HDF5 file.
        partial: leave layers as they are that the file lacks or has in another shape.

    Returns:
        What was left as it is, a line each.

    Raises:
        InputError: no such file, no HDF5 file, a damaged one, or, unless `partial`, another architecture.
    """
    stored = _read_arrays(path)
    values, left = {}, []
    for layer in weighted_layers(model):
        arrays = [stored.get((layer.name, weight.name)) for weight in layer.weights]
        shapes = [None if array is None else array.shape for array in arrays]
        if shapes == [tuple(weight.shape) for weight in layer.weights]:
            values[layer] = arrays
        else:
            wanted = ", ".join(f"{weight.name} {tuple(weight.shape)}" for weight in layer.weights)
            left.append(f"{layer.name}: the model has {wanted}; the file {', '.join(map(str, shapes))}")
    if left and not partial:
        raise InputError(f"{path}: weights of another architecture, or of another --preset: {left[0]}")
    if not values:
        raise InputError(f"{path}: holds no weights for any layer of this model")
    for layer, arrays in values.items():
        layer.set_weights(arrays)
    return left


def weighted_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers with weights of their own, at any depth, in the order of the model."""
    return [
        layer
        for layer in model._flatten_layers(include_self=False)
        if layer._trainable_variables or (layer._non_trainable_variables)
    ]


def _read_arrays(path: Path) -> dict[tuple[str, str], np.ndarray]:
    """Return the arrays of a file by layer and weight."""
    if not path.is_file():
        raise InputError(f"{path}: no such weights file")
    arrays: dict[tuple[str, str], np.ndarray] = {}

    def take(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            *_, layer, weight = name.split("/")
            weight = weight.split(":")[0].removeprefix(f"{layer}_")
            arrays[layer, KERAS_1_NAMES.get(weight, weight)] = item[()]

    try:
        with h5py.File(path, "r") as file:
            file.visititems(take)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(f"{path}: not a weights file, or a damaged one ({reason}); was it cut off?") from None
    return arrays


def find_published_weights(name: str, folders: list[Path], download_folder: Path) -> Path:
    """Return the file of well-known weights: from the first folder that has it, else downloaded.

    Args:
        name: "coco" or "imagenet".
        folders: where to look first.
        download_folder: made when needed.

    Raises:
        InputError: it is nowhere and cannot be downloaded; says where to get it.
    """
    file_name, url = {"coco": (COCO_FILE, COCO_URL), "imagenet": (IMAGENET_FILE, IMAGENET_URL)}[name]
    for folder in [*folders, download_folder]:
        if (folder / file_name).is_file():
            return folder / file_name
    try:
        download(url, download_folder / file_name)
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(
            f"--weights {name}: {file_name} is not in {' or '.join(map(str, folders))} and cannot be downloaded "
            f"({reason}); get it from {url} and put it there"
        ) from None
    return download_folder / file_name


def download(url: str, path: Path, timeout: float = 30.0) -> None:
    """Fetch a file with a progress bar; written aside, so that a broken download leaves nothing behind.

    Args:
        url: http or https.
        path: the file to write; its folder is made.
        timeout: seconds without an answer.

    Raises:
        urllib.error.URLError: no answer, or not a good one.
        OSError: the connection broke, or the file cannot be written.
    """
    from tqdm import tqdm

    path.parent.mkdir(parents=True, exist_ok=True)
    with urllib.request.urlopen(url, timeout=timeout) as answer, written_aside(path) as aside:
        total = int(answer.headers.get("Content-Length", 0))
        with aside.open("wb") as file, tqdm(total=total or None, unit="B", unit_scale=True, desc=path.name) as bar:
            while block := answer.read(1 << 20):
                file.write(block)
                bar.update(len(block))
            if total and file.tell() != total:
                raise OSError(f"the connection broke after {file.tell()} of {total} bytes")
