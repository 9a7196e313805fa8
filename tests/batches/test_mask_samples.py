from dataclasses import replace

import numpy as np
import pytest

from common.batches.mask_samples import MaskSamples, mask_batches
from common.settings.unet import UNetConfig
from tests.image_sets import array_set

CONFIG = UNetConfig(image_size=32, channels=(16,), batch_size=2, brightness=0.2, contrast=0.2, scale_range=0.1)


def chest(height=60, width=90):
    """Two bright lungs; one reaches the border."""
    labels = np.zeros((height, width), np.int32)
    labels[10:40, 5:35], labels[8:height, 50:80] = 1, 2
    return np.where(labels[..., None] > 0, 200, 40).astype(np.uint8).repeat(3, axis=2), labels


@pytest.fixture
def images():
    shapes = [(60, 90), (32, 32), (90, 61)]
    drawn, labels = zip(*(chest(*shape) for shape in shapes), strict=True)
    return array_set(list(drawn), list(labels))


@pytest.mark.parametrize("training", [True, False])
def test_a_sample_is_an_image_with_its_binary_mask(images, training):
    for index in range(len(images)):
        sample = MaskSamples(images, CONFIG, training=training)(index, np.random.default_rng(index))
        assert sample["images"].shape == (32, 32, 3) and sample["images"].dtype == np.uint8
        assert sample["masks"].shape == (32, 32, 1) and set(np.unique(sample["masks"])) == {0, 1}
        # Whatever moves the image moves the mask along.
        bright = sample["images"][..., 0] > (110 if not training else 95)
        assert (bright != sample["masks"][..., 0]).mean() < 0.1


def test_validation_is_not_augmented_and_training_is(images):
    def masks(training, **changes):
        samples = MaskSamples(images, replace(CONFIG, **changes), training=training)
        return [samples(0, np.random.default_rng(seed))["masks"] for seed in range(4)]

    first, *others = masks(False)
    assert all(np.array_equal(first, other) for other in [*others, *masks(True, augment=False)])
    assert not any(np.array_equal(first, other) for other in masks(True))


def test_an_image_without_objects_has_an_empty_mask():
    empty = array_set([np.full((20, 20, 3), 9, np.uint8)])
    assert not MaskSamples(empty, CONFIG, training=True)(0, np.random.default_rng(0))["masks"].any()


def test_another_augmentation_takes_the_place_of_the_usual(images):
    samples = MaskSamples(images, CONFIG, training=True, change=lambda image, layers, rng: (image * 0, list(layers)))
    assert not samples(0, np.random.default_rng(0))["images"].any()


def test_batches(images):
    batch = mask_batches(images, CONFIG, training=True).batch_at(3)
    assert {name: array.shape for name, array in batch.items()} == {"images": (2, 32, 32, 3), "masks": (2, 32, 32, 1)}
