"""Augmentation with imgaug, after the crop: an equivalent of `flip_rotate_shift`, or any other pipeline."""

import importlib
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from common.errors import InputError


def augment_imgaug(
    image: np.ndarray,
    layers: Sequence[np.ndarray],
    rng: np.random.Generator,
    *,
    rotation_range: float = 10.0,
    channel_shift_range: float = 15.0,
    upright: bool = False,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Flip at random, turn by quarters, rotate by a small angle half of the time, and shift each channel.

    Unlike `flip_rotate_shift`, it turns and rotates on the same canvas, interpolates the image bilinearly, shifts by
    whole numbers, and clips to 0 and 255.

    Args:
        image: (H, W, 3) uint8.
        layers: its objects, (H, W) int32 label images, 0 = background.
        rng: source of imgaug's seed.
        rotation_range: largest angle either way, degrees.
        channel_shift_range: largest shift of a channel either way, 0-255.
        upright: neither flip up-down nor turn by quarters.

    Returns:
        The same shapes and dtypes.

    Raises:
        InputError: imgaug is not installed.

    Source:
        Third-place solution of the Data Science Bowl 2018; slightly worse than its own augmentation, its author found.
    """
    shift = round(channel_shift_range)

    def build(augmenters: ModuleType) -> Any:
        quarters = augmenters.OneOf([augmenters.Affine(rotate=degrees) for degrees in (0, 90, 180, 270)])
        return augmenters.Sequential(
            [
                augmenters.Fliplr(0.5),
                *([] if upright else [augmenters.Flipud(0.5), quarters]),
                augmenters.Sometimes(0.5, augmenters.Affine(rotate=(-rotation_range, rotation_range))),
                augmenters.Add((-shift, shift), per_channel=True),
            ]
        )

    return apply_imgaug(build, image, layers, rng)


def apply_imgaug(
    build: Callable[[ModuleType], Any], image: np.ndarray, layers: Sequence[np.ndarray], rng: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Augment an image and its label layers alike with an imgaug pipeline.

    Args:
        build: returns the pipeline, given the module `imgaug.augmenters`.
        image: (H, W, 3) uint8.
        layers: its objects, (H, W) int32 label images, 0 = background.
        rng: source of imgaug's seed.

    Returns:
        The same shapes and dtypes.

    Raises:
        InputError: imgaug is not installed.
    """
    augmenters, segmaps = _import_imgaug()
    pipeline = build(augmenters)
    pipeline.seed_(int(rng.integers(2**31)))
    if not layers:
        return pipeline(image=np.ascontiguousarray(image)), []
    label_map = segmaps.SegmentationMapsOnImage(np.stack(layers, axis=-1), shape=image.shape)
    image, label_map = pipeline(image=np.ascontiguousarray(image), segmentation_maps=label_map)
    return image, list(np.moveaxis(label_map.get_arr(), -1, 0))


def _import_imgaug() -> tuple[ModuleType, ModuleType]:
    """Return imgaug's augmenters and segmentation maps.

    While it is imported, its last release, 0.4.0, needs lists that NumPy 2 no longer has.
    """
    known = set(np.sctypeDict.values())
    kinds = {"float": np.floating, "int": np.signedinteger, "uint": np.unsignedinteger}
    vars(np)["sctypes"] = {name: [kind for kind in known if issubclass(kind, base)] for name, base in kinds.items()}
    try:
        return importlib.import_module("imgaug.augmenters"), importlib.import_module("imgaug.augmentables.segmaps")
    except ImportError as error:
        remedy = "pip install --no-deps imgaug==0.4.0, then pip install imageio matplotlib shapely six"
        raise InputError(f"imgaug cannot be imported ({error}): {remedy}") from None
    finally:
        vars(np).pop("sctypes", None)  # another thread may have been here
