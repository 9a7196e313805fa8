"""What training may do to an image, for every competition."""

import numpy as np
import pytest

from competitions.augmentation import changes_of, fit_for
from competitions.sets import COMPETITIONS


def sample(side=300):
    label_image = np.zeros((side, side + 20), np.int32)
    label_image[100:160, 120:200], label_image[200:260, 60:120] = 1, 2
    noise = np.random.default_rng(0).integers(0, 40, (*label_image.shape, 3))
    return (np.where(label_image[..., None] > 0, 190, 60) + noise).astype(np.uint8), [label_image]


@pytest.mark.parametrize("name", COMPETITIONS)
def test_an_image_fits_the_network_and_every_change_does_something(name):
    config = COMPETITIONS[name].config
    rng = np.random.default_rng(1)
    image, layers = fit_for(config)(*sample(), rng)
    side = getattr(config, "image_size", 0) or config.crop_size
    assert image.shape == (side, side, 3) and [layer.shape for layer in layers] == [(side, side)]
    assert set(np.unique(layers[0])) <= {0, 1, 2}
    changes = changes_of(config)
    assert len(changes) >= 3
    for change in changes.values():
        changed = [change(image, layers, np.random.default_rng(seed)) for seed in range(8)]
        assert any((one.shape != image.shape) or (one != image).any() for one, _ in changed)
        assert all(one.dtype == np.uint8 and after[0].dtype == np.int32 for one, after in changed)


def test_radiographs_are_shrunk_before_they_are_cropped():
    image, layers = sample(1024)
    layers[0][500:1000, 500:1000] = 3
    _, (label_image,) = fit_for(COMPETITIONS["rsna"].config)(image, layers, np.random.default_rng(0))
    assert 3 in label_image and (label_image == 3).sum() == pytest.approx(125**2, rel=0.05)


def test_changes_that_do_nothing_are_left_out():
    names = " ".join(changes_of(COMPETITIONS["lung"].config))
    assert "flip left-right" in names and "up-down" not in names
