"""What training may do to an image, each change alone and all together, for any competition."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial

import cv2
import numpy as np

from common.batches.augment import flip_rotate_shift, rescale_and_crop
from common.batches.augment_imgaug import augment_imgaug
from common.batches.changes import AllOf, Change, Changed, Flip, SomeOf
from common.batches.instance_samples import rescaling_of
from common.batches.mask_samples import usual_change
from common.batches.recolour import recolour
from common.images.colours import stretch_contrast
from common.masks.resize import resize_image
from common.prediction.detections import shrink_image
from common.settings.config import RunConfig
from common.settings.mask_rcnn import MaskRCNNConfig
from common.settings.unet import UNetConfig
from rsna.augmentation import OURS, choose_augmentation
from rsna.config import RSNAConfig


def fit_for(config: RunConfig) -> Change:
    """Return what comes first in training: rescale and crop for Mask R-CNN, resize to a square for the U-Net."""
    if isinstance(config, UNetConfig):
        return partial(_resize, side=config.image_size)
    assert isinstance(config, MaskRCNNConfig)
    crop = partial(_crop, config=config)
    if isinstance(config, RSNAConfig) and config.downscale:
        return AllOf((partial(_shrink, side=config.min_dim), crop))
    return crop


def changes_of(config: RunConfig) -> Mapping[str, Change]:
    """Return what the augmentation of a config can do after that, by name: its parts alone, then all together.

    Those of imgaug raise an `InputError` where it is not installed.
    """
    if isinstance(config, UNetConfig):
        whole = usual_change(config)
        return {**_parts_of(whole), "all together": whole}
    if isinstance(config, RSNAConfig):
        return {
            **_parts_of(OURS[config.augmentation]),
            f"{config.augmentation}, ours": choose_augmentation(config.augmentation, imgaug=False),
            f"{config.augmentation}, imgaug": choose_augmentation(config.augmentation, imgaug=True),
        }
    assert isinstance(config, MaskRCNNConfig)
    turned = partial(flip_rotate_shift, rotation_range=0.0, channel_shift_range=0.0, upright=config.upright)
    rotated = partial(turned, rotation_range=config.rotation_range)
    ours = partial(rotated, channel_shift_range=config.channel_shift_range)
    changes: dict[str, Change] = {"flips" if config.upright else "flips, turns": turned}
    if config.rotation_range:
        changes["and rotated"] = rotated
    if config.channel_shift_range:
        changes["and channels shifted"] = ours
    changes["the same by imgaug"] = partial(augment_imgaug, **ours.keywords)
    if config.recolour:
        changes["colours"] = _recolour
    return changes


def _parts_of(change: Change) -> dict[str, Change]:
    """Return the simple changes that one is made of, by name and values; those that do nothing are left out."""
    if isinstance(change, AllOf | SomeOf):
        return {name: part for inner in change.changes for name, part in _parts_of(inner).items()}
    if isinstance(change, Flip):
        name = f"flip {'left-right' if change.axis else 'up-down'}\nshare {change.share:g}"
        return {name: change} if change.share else {}
    assert is_dataclass(change)
    values = {field.name: getattr(change, field.name) for field in fields(change)}
    told = ",\n".join(f"{name} {value:g}" for name, value in values.items() if value)
    return {f"{type(change).__name__.lower()}\n{told}": change} if told else {}


def _shrink(image: np.ndarray, layers: Sequence[np.ndarray], rng: np.random.Generator, *, side: int) -> Changed:
    small = shrink_image(image, side)
    shape = small.shape[1::-1]
    return small, [cv2.resize(layer, shape, interpolation=cv2.INTER_NEAREST) for layer in layers]


def _resize(image: np.ndarray, layers: Sequence[np.ndarray], rng: np.random.Generator, *, side: int) -> Changed:
    small = [cv2.resize(layer, (side, side), interpolation=cv2.INTER_NEAREST) for layer in layers]
    return resize_image(image, (side, side)), small


def _crop(
    image: np.ndarray, layers: Sequence[np.ndarray], rng: np.random.Generator, *, config: MaskRCNNConfig
) -> Changed:
    places = None if config.crop_at_origin else config.crop_draws
    image = stretch_contrast(image) if config.stretch_contrast else image
    return rescale_and_crop(image, layers, rng, rescaling_of(config), crop_size=config.crop_size, places=places)


def _recolour(image: np.ndarray, layers: Sequence[np.ndarray], rng: np.random.Generator) -> Changed:
    return recolour(image, rng), list(layers)
