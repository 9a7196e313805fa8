"""What layers say of an image."""

from itertools import pairwise

import keras
import numpy as np
import pytest

from common.errors import InputError
from common.network.inspection.activations import activations
from common.network.mask_rcnn.model import MaskRCNN
from common.network.unet.model import UNet
from common.settings.unet import UNetConfig
from tests.tiny import TINY

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 128, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return MaskRCNN(TINY)


def test_stages_and_levels_of_a_mask_rcnn(model):
    found = dict(activations(model, IMAGE))
    stages, levels = [f"res{stage}b_out" for stage in range(2, 6)], [f"fpn_p{level}" for level in range(2, 7)]
    assert list(found) == [*stages, *levels]
    assert [found[name].shape[:2] for name in levels] == [
        (64 // stride, 128 // stride) for stride in (4, 8, 16, 32, 64)
    ]
    for name, expected in zip(levels, model.pyramid(IMAGE[None], training=False), strict=True):
        np.testing.assert_array_equal(found[name], expected[0])


def test_chosen_layers_in_the_given_order(model):
    found = dict(activations(model, IMAGE, ["fpn_p3", "conv1"]))
    assert list(found) == ["fpn_p3", "conv1"] and found["conv1"].shape == (32, 64, 32)
    with pytest.raises(InputError, match=r"--layers dream: no such layer; give some of .*conv1, .*res2a_out"):
        list(activations(model, IMAGE, ["dream"]))


def test_levels_of_a_unet():
    found = list(activations(UNet(UNetConfig(image_size=32, channels=(8, 16))), IMAGE[:32, :32]))
    assert [name for name, _ in found] == ["down1_relu2", "down2_relu2", "bottleneck_relu2", "up2_relu2", "up1_relu2"]
    sides = [features.shape[0] for _, features in found]
    assert sides == [32, 16, 8, 16, 32] and all(one != other for one, other in pairwise(sides))
