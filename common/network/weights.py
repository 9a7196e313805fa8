"""Saving and loading a model's weights."""

from collections.abc import Collection, Sequence
from pathlib import Path

import keras
import numpy as np

from common.errors import InputError
from common.runs.changes import describe_mismatch
from common.runs.weights_file import GEOMETRY, KERAS_VERSION, WRITER, Key, WeightsFile
from common.storage.files import hdf5_written_aside

RPN_GROUP = "rpn_model"  # the library keeps the proposal head's layers below this name


def save_weights(model: keras.Model, path: Path, *, half: bool = False) -> None:
    """Write a model's weights in the Mask R-CNN library's layout, atomically.

    The file has one group per layer (`conv1/conv1/kernel:0`; those of the proposal head are below `rpn_model`), layer
    names in its attribute `layer_names`, and weight names in each group's `weight_names`. The library reads it with
    `load_weights(path, by_name=True)`.

    Args:
        model: nested to any depth, with unique layer names. The geometry of its config is written, too.
        path: ends in .h5.
        half: round to float16, which halves the file.

    Raises:
        InputError: weights that float16 cannot hold.
    """
    with hdf5_written_aside(path) as file:
        names: dict[str, list[str]] = {}
        for layer in weighted_layers(model):
            group = RPN_GROUP if layer.name.startswith("rpn_") else layer.name
            for weight in layer.weights:
                name = f"{layer.name}/{weight.name}:0"
                values = keras.ops.convert_to_numpy(weight)
                if half and not (abs(values) <= np.finfo(np.float16).max).all():
                    raise InputError(f"{path}: {name} has values that float16 cannot hold; omit --half")
                file.create_dataset(f"{group}/{name}", data=values.astype(np.float16) if half else values)
                names.setdefault(group, []).append(name)
        file.attrs["layer_names"] = np.array(list(names), "S")  # bytes, as Keras 2 reads them
        for group, weight_names in names.items():
            file[group].attrs["weight_names"] = np.array(weight_names, "S")
        # Without these, Keras 2 assumes a file of Keras 1 and transposes the kernel of mrcnn_mask_deconv.
        file.attrs["backend"], file.attrs[KERAS_VERSION] = np.bytes_("tensorflow"), np.bytes_("2.2.4")
        file.attrs[WRITER] = "kaggle-segmentation"
        if geometry := getattr(getattr(model, "config", None), "geometry", None):
            file.attrs[GEOMETRY] = geometry


def load_weights(model: keras.Model, path: Path, *, partial: bool = False, exclude: Collection[str] = ()) -> list[str]:
    """Load weights by layer name: ours, the Mask R-CNN library's, or Keras 1's and 2's.

    Args:
        model: gets the weights; unchanged if an error is raised.
        path: HDF5 file.
        partial: leave layers as they are if they are missing or of another shape in the file.
        exclude: names of layers, or of models within `model`, to leave as they are.

    Returns:
        What was not loaded: one line for each mismatched shape, and one for all missing layers.

    Raises:
        InputError: no such file, not an HDF5 file, a damaged one, an unknown name in `exclude`, or, unless `partial`,
            another architecture.
    """
    file = WeightsFile(path)
    fitting: dict[keras.layers.Layer, list[Key]] = {}
    lacking, differing = [], []
    excluded = _excluded_layers(model, exclude)
    for layer in weighted_layers(model):
        keys = [(layer.name, weight.name) for weight in layer.weights]
        shapes = [file.shapes.get(key) for key in keys]
        wanted = [tuple(weight.shape) for weight in layer.weights]
        if layer in excluded:
            continue
        if shapes == wanted:
            fitting[layer] = keys
        elif not any(shapes):
            lacking.append(layer.name)
        else:
            differing.append(f"{layer.name}: the model has {_listed(keys, wanted)}; the file {_listed(keys, shapes)}")
    left = [*differing, *([f"not in the file: {', '.join(lacking)}"] if lacking else [])]
    if left and not partial:
        classes = f"; the file has {file.num_classes} classes, background included" if file.num_classes else ""
        others = describe_mismatch(path, getattr(model, "config", None))
        remedy = f"they were trained with {others}; give the same" if others else "give its --preset or --class-names"
        raise InputError(f"{path}: weights of another architecture: {remedy}: {left[0]}{classes}")
    if not fitting:
        raise InputError(f"{path}: holds no weights for any layer of this model")
    arrays = file.read(key for keys in fitting.values() for key in keys)
    for layer, keys in fitting.items():
        layer.set_weights([arrays[key] for key in keys])
    return left


def weighted_layers(model: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Return the layers with weights of their own, at any depth, in model order."""
    found = []
    for layer in model._layers:
        if layer._trainable_variables or layer._non_trainable_variables:
            found.append(layer)
        found += weighted_layers(layer)
    return found


def _excluded_layers(model: keras.Model, names: Collection[str]) -> set[keras.layers.Layer]:
    """Return the layers of these names, and those within them."""
    layers = model._flatten_layers(include_self=False)
    named = {layer.name: layer for layer in layers if layer.name in names}
    unknown = sorted(set(names) - named.keys())
    if unknown:
        raise InputError(
            f"--exclude {','.join(unknown)}: no such layer in the model; one is {weighted_layers(model)[-1].name}"
        )
    return {inner for layer in named.values() for inner in layer._flatten_layers()}


def _listed(keys: Sequence[Key], shapes: Sequence[tuple[int, ...] | None]) -> str:
    return ", ".join(
        f"{weight} {shape}" if shape else f"no {weight}" for (_, weight), shape in zip(keys, shapes, strict=True)
    )
