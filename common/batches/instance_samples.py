"""What Mask R-CNN learns from an image: a crop, and the boxes, classes and mini masks of its objects."""

import threading
from collections.abc import Sequence
from dataclasses import fields
from functools import partial

import cv2
import numpy as np

from common.batches.augment import Rescaling, flip_rotate_shift, rescale_and_crop
from common.batches.augment_imgaug import augment_imgaug
from common.batches.changes import Change
from common.batches.loader import BatchLoader
from common.batches.recolour import recolour
from common.errors import InputError
from common.images.colours import stretch_contrast
from common.images.image_set import ImageSet
from common.masks.layers import layer_boxes
from common.settings.mask_rcnn import MaskRCNNConfig


class InstanceSamples:
    """Draws crops with their objects; a `SampleMaker`.

    Args:
        images: source of the crops.
        config: crop and augmentation.
        training: choose crops and augment as the config says; otherwise images are only rescaled and cropped.
        change: augments after the crop, if `config.augment`; by default flips, rotations and channel shifts.
    """

    def __init__(
        self, images: ImageSet, config: MaskRCNNConfig, *, training: bool, change: Change | None = None
    ) -> None:
        self.images = images
        self.config = config
        self.training = training
        self.change = change or _usual_change(config)
        self.rescaling = rescaling_of(config)
        self._counting = threading.Lock()  # crops are drawn in threads
        self._drawn = self._left_out = 0  # objects

    def __call__(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return a crop of an image and its objects: the inputs of `MaskRCNN.call`, without the batch axis.

        Returns:
            images (S, S, 3) uint8; boxes (G, 4) float32, pixels; class_ids (G,) int32; mini_masks (G, M, M) uint8;
            ignored (S, S) uint8, 1 in the boxes of objects beyond `max_instances`. Rows beyond the crop's objects are
            zero.
        """
        config = self.config
        image, labels, boxes, masks, ignored = self._load_crop(index, rng)
        class_ids = self.images.load_class_ids(index)[labels - 1]
        if len(class_ids) and not 1 <= class_ids.min() <= class_ids.max() < config.num_classes:
            raise InputError(
                f"{self.images.image_ids[index]}: class ids {sorted(set(class_ids.tolist()))} are not in "
                f"1..{config.num_classes - 1}; check --class-names"
            )
        return {
            "images": image,
            "boxes": _padded(boxes.astype(np.float32), config.max_instances),
            "class_ids": _padded(class_ids.astype(np.int32), config.max_instances),
            "mini_masks": _padded(masks, config.max_instances),
            "ignored": ignored,
        }

    def note(self) -> str:
        """Return what to tell of the crops so far: the share of the objects that did not fit; empty if all did."""
        if not self._left_out:
            return ""
        return (
            f"warning: {self._left_out / self._drawn:.0%} of the objects in crops so far were beyond --max-instances "
            f"{self.config.max_instances} of a crop: neither learnt nor taken for background; raise it"
        )

    def _load_crop(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return a crop; labels (N,), boxes (N, 4), mini masks (N, M, M) of its objects; and where others lie."""
        image, layers = self.images.load_image(index), self.images.load_label_layers(index)
        if self.config.stretch_contrast:
            image = stretch_contrast(image)
        crop, crop_layers = self._draw_crop(image, layers, rng)
        labels, boxes, owners = layer_boxes(crop_layers)
        if self.training and self.config.augment and self.config.recolour and rng.random() < self.config.recolour:
            crop = recolour(crop, rng)
        ignored = np.zeros(crop.shape[:2], np.uint8)
        num_objects = len(labels)
        if num_objects > self.config.max_instances:
            chosen = np.sort(rng.choice(num_objects, self.config.max_instances, replace=False))
            for y1, x1, y2, x2 in np.delete(boxes, chosen, axis=0).tolist():
                ignored[y1:y2, x1:x2] = 1
            labels, boxes, owners = labels[chosen], boxes[chosen], owners[chosen]
        with self._counting:
            self._drawn += num_objects
            self._left_out += num_objects - len(labels)
        size = self.config.mini_mask_size
        masks = np.empty((len(labels), size, size), np.uint8)
        for i, layer in enumerate(crop_layers):
            masks[owners == i] = mini_masks(layer, labels[owners == i], boxes[owners == i], size)
        return crop, labels, boxes, masks, ignored

    def _draw_crop(
        self, image: np.ndarray, layers: Sequence[np.ndarray], rng: np.random.Generator
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return a crop and its label layers."""
        config = self.config
        crop, crop_layers = rescale_and_crop(
            image,
            layers,
            rng,
            self.rescaling,
            crop_size=config.crop_size,
            places=None if config.crop_at_origin else config.crop_draws if self.training else 1,
        )
        if self.training and config.augment:
            crop, crop_layers = self.change(crop, crop_layers, rng)
        return crop, crop_layers


def instance_batches(
    images: ImageSet, config: MaskRCNNConfig, *, training: bool, change: Change | None = None
) -> BatchLoader:
    """Return batches of `InstanceSamples`; arguments as there."""
    return BatchLoader(
        images, config, InstanceSamples(images, config, training=training, change=change), training=training
    )


def mini_masks(label_image: np.ndarray, labels: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Crop each object to its box and resize it, bilinearly and rounded.

    Args:
        label_image: (H, W) int32.
        labels: (N,) int.
        boxes: (N, 4) int, not empty.
        size: M, pixels.

    Returns:
        (N, M, M) uint8, 0 or 1.
    """
    masks = np.empty((len(labels), size, size), np.uint8)
    for mask, label, (y1, x1, y2, x2) in zip(masks, labels, boxes, strict=True):
        crop = (label_image[y1:y2, x1:x2] == label).view(np.uint8) * np.uint8(255)
        np.greater(cv2.resize(crop, (size, size), interpolation=cv2.INTER_LINEAR), 127, out=mask.view(bool))
    return masks


def rescaling_of(config: MaskRCNNConfig) -> Rescaling:
    """Return the rescaling with a config's fields of the same names.

    Example:
        >>> rescaling_of(MaskRCNNConfig(min_dim=256, zoom=2.0)).zoom
        2.0
    """
    return Rescaling(**{spec.name: getattr(config, spec.name) for spec in fields(Rescaling)})


def _padded(rows: np.ndarray, count: int) -> np.ndarray:
    padded = np.zeros((count, *rows.shape[1:]), rows.dtype)
    padded[: len(rows)] = rows
    return padded


def _usual_change(config: MaskRCNNConfig) -> Change:
    return partial(
        augment_imgaug if config.imgaug else flip_rotate_shift,
        rotation_range=config.rotation_range,
        channel_shift_range=config.channel_shift_range,
        upright=config.upright,
    )
