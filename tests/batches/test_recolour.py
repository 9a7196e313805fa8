"""Augmentation of colours."""

import numpy as np
import pytest

from common.batches.recolour import recolour


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_recolour_keeps_shape_and_depends_on_the_generator_alone(rng):
    image = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    first, second = (recolour(image, np.random.default_rng(7)) for _ in range(2))
    assert first.shape == image.shape
    assert first.dtype == np.uint8
    assert np.array_equal(first, second)
    assert not np.array_equal(first, recolour(image, np.random.default_rng(8)))


def test_recolour_leaves_grey_images_grey_or_tints_them_and_inverts_some():
    ramp = np.linspace(40, 220, 64).astype(np.uint8)[None, :, None].repeat(64, 0).repeat(3, 2)
    rises: dict[bool, list[bool]] = {True: [], False: []}
    for seed in range(200):
        changed = recolour(ramp, np.random.default_rng(seed)).astype(float)
        columns = changed[:, 8:-8].mean(axis=0) @ [0.299, 0.587, 0.114]
        tinted = abs(changed.mean(axis=(0, 1)) - changed.mean()).max() > 2
        rises[tinted].append(columns[-1] > columns[0])
        assert abs(columns[-1] - columns[0]) > 15  # a ramp it stays
    assert 60 < len(rises[True]) < 100
    assert 0.35 < np.mean(rises[True]) < 0.65
    assert 0.75 < np.mean(rises[False]) < 0.95


def test_a_grey_image_runs_from_one_colour_to_another():
    ramp = np.arange(256, dtype=np.uint8)[None, :, None].repeat(8, 0).repeat(3, 2)
    images = [recolour(ramp, np.random.default_rng(seed)).astype(float) for seed in range(40)]
    without_noise = [image for image in images if np.array_equal(image[0], image[-1])]
    assert len(without_noise) > 20
    for image in without_noise:
        colours = image[0] - image[0, 0]
        along = colours[-1] / np.linalg.norm(colours[-1])
        assert abs(colours - np.outer(colours @ along, along)).max() < 2


def test_recolour_makes_some_colour_images_grey(rng):
    image = np.zeros((16, 16, 3), np.uint8) + np.array([200, 60, 120], np.uint8)
    spreads = [np.ptp(recolour(image, np.random.default_rng(seed))[4, 4].astype(int)) for seed in range(100)]
    assert 5 < sum(spread < 40 for spread in spreads) < 60
