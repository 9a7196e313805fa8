"""Training batches by step number, from samples that a network's `SampleMaker` draws."""

from typing import Protocol

import numpy as np

from common.batches.sampler import Sampler, class_balanced_indices, size_balanced_indices
from common.images.image_set import ImageSet
from common.settings.config import RunConfig


class SampleMaker(Protocol):
    """Draws what a network learns from an image, in arrays of fixed shapes."""

    def __call__(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return a random sample of the image at `index`, the network's inputs and targets by name."""


class BatchLoader:
    """Batches by step number: the same step always gives the same batch, so resuming needs only the number.

    Args:
        images: N images.
        config: batch size, seed, and whether rare images are repeated.
        sample: draws a sample of an image.
        training: rebalance as the config says; otherwise sample uniformly.
    """

    def __init__(self, images: ImageSet, config: RunConfig, sample: SampleMaker, *, training: bool) -> None:
        self.images = images
        self.config = config
        self.sample = sample
        self.training = training
        indices, root = np.arange(len(images)), config.balance == "root"
        if training and config.balanced and len(config.class_names) > 1:
            indices = class_balanced_indices([images.load_class_ids(index) for index in indices.tolist()], root=root)
        elif training and config.balanced:
            indices = size_balanced_indices(images.sizes, root=root)
        self.sampler = Sampler(indices, config.seed)

    @property
    def steps_per_epoch(self) -> int:
        """Batches per epoch: in training as the config says, else each image once, with the remainder dropped.

        Not in training, each image at least once: the last batch is filled with some of them again.
        """
        if not self.training:
            return max(1, -(-len(self.images) // self.config.batch_size))
        return self.config.steps_per_epoch or max(1, len(self.images) // self.config.batch_size)

    def image_ids_at(self, step: int) -> list[str]:
        """Return the images of a batch."""
        return [self.images.image_ids[index] for index in self._indices_at(step)]

    def batch_at(self, step: int) -> dict[str, np.ndarray]:
        """Return a batch: the samples' arrays by name, stacked."""
        samples = []
        for row, index in enumerate(self._indices_at(step).tolist()):
            # Each position in the stream has its own generator: a sample does not depend on earlier ones.
            rng = np.random.default_rng([self.config.seed, int(self.training), step * self.config.batch_size + row])
            samples.append(self.sample(index, rng))
        return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}

    def note(self) -> str:
        """Return what to tell of the samples so far; empty if nothing, or if the sample maker has no `note`."""
        note = getattr(self.sample, "note", None)
        return note() if note else ""

    def _indices_at(self, step: int) -> np.ndarray:
        return self.sampler.indices_at(step * self.config.batch_size, self.config.batch_size)
