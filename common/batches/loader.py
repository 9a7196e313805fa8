"""Training batches: from images and label layers to the arrays that the network learns from."""

from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from typing import Protocol

import cv2
import numpy as np

from common.batches.augment import Rescaling, flip_rotate_shift, rescale_and_crop
from common.batches.augment_imgaug import augment_imgaug
from common.batches.changes import Change
from common.batches.sampler import Sampler, class_balanced_indices, size_balanced_indices
from common.config import Config
from common.errors import InputError
from common.images.colours import recolour, stretch_contrast
from common.masks.layers import layer_boxes


class TrainingSet(Protocol):
    """What a competition's data set offers to training; the images are numbered 0 to N - 1."""

    @property
    def image_ids(self) -> Sequence[str]:
        """The images' names."""

    @property
    def sizes(self) -> np.ndarray:
        """(N, 2) int, height and width."""

    def load_image(self, index: int) -> np.ndarray:
        """Return an image, (H, W, 3) uint8."""

    def load_label_layers(self, index: int) -> Sequence[np.ndarray]:
        """Return its objects as label images, (H, W) int32; object k has the label k + 1 in one of them.

        Objects without overlaps need one layer; `common.masks.layers.pack_layers` makes as few as others need.
        """

    def load_class_ids(self, index: int) -> np.ndarray:
        """Return the classes of its objects, (N,) int32, 1-based."""


class BatchLoader:
    """Batches by step number: the same step always gives the same batch, so resuming needs the number only.

    Args:
        dataset: where images come from.
        config: crop, augmentation and batch sizes, seed.
        training: rebalance, choose crops and augment as the config says; otherwise images are only rescaled and
            cropped.
        change: what `config.augment` does after the crop; flips, rotations and channel shifts by default.
    """

    def __init__(self, dataset: TrainingSet, config: Config, *, training: bool, change: Change | None = None) -> None:
        self.dataset = dataset
        self.config = config
        self.training = training
        self.change = change or _usual_change(config)
        self.rescaling = rescaling_of(config)
        indices = np.arange(len(dataset.image_ids))
        if training and config.balanced and len(config.class_names) > 1:
            indices = class_balanced_indices([dataset.load_class_ids(index) for index in indices.tolist()])
        elif training and config.balanced:
            indices = size_balanced_indices(dataset.sizes)
        self.sampler = Sampler(indices, config.seed)

    @property
    def steps_per_epoch(self) -> int:
        """Batches an epoch: as the config says, else as many as take every image once, remainder dropped."""
        return self.config.steps_per_epoch or max(1, len(self.dataset.image_ids) // self.config.batch_size)

    def image_ids_at(self, step: int) -> list[str]:
        """Return the images of a batch."""
        return [self.dataset.image_ids[index] for index in self._indices_at(step)]

    def batch_at(self, step: int) -> dict[str, np.ndarray]:
        """Return a batch: the inputs of `MaskRCNN.call`."""
        config = self.config
        batch_size, side, count = config.batch_size, config.crop_size, config.max_instances
        batch: dict[str, np.ndarray] = {
            "images": np.zeros((batch_size, side, side, 3), np.uint8),
            "boxes": np.zeros((batch_size, count, 4), np.float32),
            "class_ids": np.zeros((batch_size, count), np.int32),
            "mini_masks": np.zeros((batch_size, count, config.mini_mask_size, config.mini_mask_size), np.uint8),
        }
        for row, index in enumerate(self._indices_at(step)):
            # Each place in the stream has its own generator: an image's crop depends on nothing before it.
            rng = np.random.default_rng([config.seed, int(self.training), step * batch_size + row])
            image, labels, boxes, masks = self._load_crop(index, rng)
            class_ids = self.dataset.load_class_ids(index)[labels - 1]
            if len(class_ids) and not 1 <= class_ids.min() <= class_ids.max() < config.num_classes:
                raise InputError(
                    f"{self.dataset.image_ids[index]}: class ids {sorted(set(class_ids.tolist()))} are not in "
                    f"1..{config.num_classes - 1}; look at --class-names"
                )
            batch["images"][row] = image
            batch["boxes"][row, : len(boxes)] = boxes
            batch["class_ids"][row, : len(boxes)] = class_ids
            batch["mini_masks"][row, : len(boxes)] = masks
        return batch

    def _indices_at(self, step: int) -> np.ndarray:
        return self.sampler.indices_at(step * self.config.batch_size, self.config.batch_size)

    def _load_crop(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Return a crop, and of its objects the labels (N,), boxes (N, 4) and mini masks (N, M, M)."""
        image, layers = self.dataset.load_image(index), self.dataset.load_label_layers(index)
        if self.config.stretch_contrast:
            image = stretch_contrast(image)
        drawn = (self._draw_crop(image, layers, rng) for _ in range(self.config.crop_draws if self.training else 1))
        crop, crop_layers, (labels, boxes, owners) = max(drawn, key=lambda one: len(one[2][0]))
        if self.training and self.config.augment and self.config.recolour and rng.random() < self.config.recolour:
            crop = recolour(crop, rng)
        if len(labels) > self.config.max_instances:
            chosen = np.sort(rng.choice(len(labels), self.config.max_instances, replace=False))
            labels, boxes, owners = labels[chosen], boxes[chosen], owners[chosen]
        size = self.config.mini_mask_size
        masks = np.empty((len(labels), size, size), np.uint8)
        for i, layer in enumerate(crop_layers):
            masks[owners == i] = mini_masks(layer, labels[owners == i], boxes[owners == i], size)
        return crop, labels, boxes, masks

    def _draw_crop(
        self, image: np.ndarray, layers: Sequence[np.ndarray], rng: np.random.Generator
    ) -> tuple[np.ndarray, list[np.ndarray], tuple[np.ndarray, ...]]:
        """Return a crop, its label layers and what `layer_boxes` finds in them."""
        config = self.config
        crop, crop_layers = rescale_and_crop(
            image,
            layers,
            rng,
            self.rescaling,
            crop_size=config.crop_size,
            crop_at_origin=config.crop_at_origin,
        )
        if self.training and config.augment:
            crop, crop_layers = self.change(crop, crop_layers, rng)
        return crop, crop_layers, layer_boxes(crop_layers)


def mini_masks(label_image: np.ndarray, labels: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Cut each object to its box and resize it, bilinearly and rounded.

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


def rescaling_of(config: Config) -> Rescaling:
    """Return the rescaling of a config's fields of the same names.

    Example:
        >>> rescaling_of(Config(min_dim=256, zoom=2.0)).zoom
        2.0
    """
    return Rescaling(**{spec.name: getattr(config, spec.name) for spec in fields(Rescaling)})


def _usual_change(config: Config) -> Change:
    return partial(
        augment_imgaug if config.imgaug else flip_rotate_shift,
        rotation_range=config.rotation_range,
        channel_shift_range=config.channel_shift_range,
        upright=config.upright,
    )
