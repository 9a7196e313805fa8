"""What a U-Net learns from an image: the image and the mask of its objects, both resized to a square."""

from collections.abc import Sequence

import numpy as np

from common.batches.changes import Affine, AllOf, Brighten, Change, Contrast, Flip
from common.batches.loader import BatchLoader
from common.images.image_set import ImageSet
from common.masks.resize import resize_image, resize_mask
from common.settings.unet import UNetConfig


class MaskSamples:
    """Draws resized images with the masks of their objects; a `SampleMaker`.

    Args:
        images: source of the samples.
        config: size and augmentation.
        training: augment as the config says; otherwise images are only resized.
        change: augments after the resizing, if `config.augment`; by default as the config says.
    """

    def __init__(self, images: ImageSet, config: UNetConfig, *, training: bool, change: Change | None = None) -> None:
        self.images = images
        self.side = config.image_size
        self.change = (change or usual_change(config)) if training and config.augment else None

    def __call__(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return an image and the mask of all its objects: the inputs of `UNet.call`, without the batch axis.

        Returns:
            images (S, S, 3) uint8; masks (S, S, 1) uint8, 0 or 1.
        """
        shape = (self.side, self.side)
        image = resize_image(self.images.load_image(index), shape)
        mask = resize_mask(union(self.images.load_label_layers(index)), shape)
        if self.change:
            image, (labels,) = self.change(image, [mask.astype(np.int32)], rng)
            mask = labels > 0
        return {"images": image, "masks": mask[..., None].astype(np.uint8)}


def mask_batches(images: ImageSet, config: UNetConfig, *, training: bool, change: Change | None = None) -> BatchLoader:
    """Return batches of `MaskSamples`; arguments as there."""
    return BatchLoader(images, config, MaskSamples(images, config, training=training, change=change), training=training)


def union(layers: Sequence[np.ndarray]) -> np.ndarray:
    """Return where any of an image's label layers, (H, W) int32, at least one, has an object: (H, W) bool.

    Example:
        >>> union([np.array([[0, 2]]), np.array([[0, 0]])]).tolist()
        [[False, True]]
    """
    return np.logical_or.reduce([layer > 0 for layer in layers])


def usual_change(config: UNetConfig) -> Change:
    """Return the augmentation that a config asks for: affine, flips, brightness and contrast, in this order."""
    shift = config.shift_range
    affine = Affine(config.scale_range, shift, shift, rotation=config.rotation_range)
    flips = Flip(config.flip_lr, axis=1), Flip(config.flip_ud, axis=0)
    return AllOf((affine, *flips, Brighten(config.brightness), Contrast(config.contrast)))
