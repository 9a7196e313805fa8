"""The known runs' augmentations, in our own code or by imgaug."""

from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from common.batches.augment_imgaug import apply_imgaug
from common.batches.changes import Affine, AllOf, Brighten, Change, Contrast, Displace, Flip, Sharpen, SomeOf

# `transfer` chooses between sharpening and a blur of at most 0.1 pixels. That blur does not change 8-bit images, so no
# change takes its place.
OURS: dict[str, Change] = {
    "flip": Flip(),
    "mdai": SomeOf([Flip(), Affine(scale=0.2, shift_y=0.2, shift_x=0.2, rotation=25, shear=8), Brighten(0.1)], 0, 1),
    "transfer": AllOf(
        [
            SomeOf([Affine(scale=0.02, shift_y=0.04, shift_x=0.02, rotation=2, shear=1), Displace(0.001, 0.025)], 1, 1),
            SomeOf([Brighten(0.1), Contrast(0.1)], 1, 1),
            SomeOf([Sharpen(0.1)], 0, 1),
        ]
    ),
}


def choose_augmentation(name: str, *, imgaug: bool) -> Change:
    """Return one of the augmentations; see `RSNAConfig.augmentation`."""
    return partial(apply_imgaug, IMGAUG[name]) if imgaug else OURS[name]


def _flip(augmenters: ModuleType) -> Any:
    return augmenters.SomeOf((0, 1), [augmenters.Fliplr(1.0)])


def _mdai(augmenters: ModuleType) -> Any:
    shift = {"x": (-0.2, 0.2), "y": (-0.2, 0.2)}
    affine = augmenters.Affine(scale=(0.8, 1.2), translate_percent=shift, rotate=(-25, 25), shear=(-8, 8))
    return augmenters.SomeOf((0, 1), [augmenters.Fliplr(0.5), affine, augmenters.Multiply((0.9, 1.1))])


def _transfer(augmenters: ModuleType) -> Any:
    shift = {"x": (-0.02, 0.02), "y": (-0.04, 0.04)}
    affine = augmenters.Affine(scale=(0.98, 1.02), translate_percent=shift, rotate=(-2, 2), shear=(-1, 1))
    return augmenters.Sequential(
        [
            augmenters.OneOf([affine, augmenters.PiecewiseAffine(scale=(0.001, 0.025))]),
            augmenters.OneOf([augmenters.Multiply((0.9, 1.1)), augmenters.LinearContrast((0.9, 1.1))]),
            augmenters.OneOf([augmenters.GaussianBlur((0.0, 0.1)), augmenters.Sharpen(alpha=(0.0, 0.1))]),
        ]
    )


IMGAUG: dict[str, Callable[[ModuleType], Any]] = {"flip": _flip, "mdai": _mdai, "transfer": _transfer}
