import tracemalloc

import numpy as np
import pytest

from common.images.colours import stretch_contrast


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_stretch_uses_the_whole_range(rng):
    image = rng.integers(90, 160, (64, 48, 3)).astype(np.uint8)
    stretched = stretch_contrast(image)
    assert stretched.dtype == np.uint8
    assert (stretched.min(), stretched.max()) == (0, 255)


def test_stretch_keeps_the_order_of_values_and_the_balance_of_channels(rng):
    image = np.sort(rng.integers(50, 200, (300, 1, 1)), axis=0).astype(np.uint8) + np.array([0, 10, 20], np.uint8)
    stretched = stretch_contrast(image).astype(int)
    assert (np.diff(stretched, axis=0) >= 0).all()
    middle = stretched[100:200]
    assert np.ptp(middle[..., 1] - middle[..., 0]) <= 1


@pytest.mark.parametrize("value", [0, 77, 255])
def test_stretch_of_a_constant_image_is_constant(value):
    assert np.ptp(stretch_contrast(np.full((9, 9, 3), value, np.uint8))) == 0


def test_noise_of_an_empty_image_stays_low(rng):
    image = rng.integers(3, 6, (64, 64, 3)).astype(np.uint8)
    assert np.ptp(stretch_contrast(image)) == 2 * 8


def test_hot_pixels_do_not_keep_the_rest_dark(rng):
    image = rng.integers(0, 40, (100, 100, 3)).astype(np.uint8)
    image[0, :5] = 255
    assert stretch_contrast(image)[1:].max() > 240


def test_stretching_a_large_image_takes_little_more_memory_than_the_image(rng):
    image = rng.integers(0, 256, (1000, 1000, 3)).astype(np.uint8)
    tracemalloc.start()
    stretch_contrast(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert image.nbytes <= peak < 1.1 * image.nbytes
