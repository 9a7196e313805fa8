from dataclasses import replace

import keras
import numpy as np
import pytest

from common.errors import InputError
from common.network.mask_rcnn.model import MaskRCNN
from common.network.training.optimizer import learning_rate_at, set_trainable
from common.network.weights import weighted_layers
from common.settings.config import Stage
from tests.tiny import TINY


def test_constant_learning_rates():
    config = replace(TINY, schedule=(Stage(1, 1e-2), Stage(3, 1e-3)), warmup_steps=0)
    assert [learning_rate_at(config, step, 2) for step in range(6)] == [1e-2] * 2 + [1e-3] * 4


def test_warm_up():
    config = replace(TINY, schedule=(Stage(1, 1.0), Stage(3, 0.1)), warmup_steps=4)
    rates = [learning_rate_at(config, step, 2) for step in range(6)]
    np.testing.assert_allclose(rates, [0.25, 0.5, 0.075, 0.1, 0.1, 0.1])


def test_cosine_learning_rates_fall_in_every_stage():
    config = replace(TINY, schedule=(Stage(2, 1.0), Stage(4, 0.1)), decay="cosine")
    rates = np.array([learning_rate_at(config, step, 10) for step in range(40)])
    assert (rates[0], rates[20]) == (1.0, 0.1)
    np.testing.assert_allclose(rates[20:], rates[:20] / 10)
    assert (np.diff(rates[:20]) < 0).all()
    assert rates[10] == pytest.approx(0.505)
    assert 0.01 < rates[19] < 0.02


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return MaskRCNN(replace(TINY, norm="frozen_batch"))


def trained_names(model, layers):
    count = set_trainable(model, layers)
    names = {layer.name for layer in weighted_layers(model) if layer.trainable_weights}
    assert count == len(model.trainable_weights) > 0
    return names


def test_stages_of_layers_grow(model):
    names = {layers: trained_names(model, layers) for layers in ("heads", "5+", "4+", "3+", "all")}
    assert names["all"] == {layer.name for layer in weighted_layers(model)}
    assert {name[:4] for name in names["heads"]} == {"mrcn", "rpn_", "fpn_"}
    assert {name[:4] for name in names["5+"] - names["heads"]} == {"res5", "bn5a", "bn5b"}
    assert {name[:4] for name in names["4+"] - names["5+"]} == {"res4", "bn4a", "bn4b"}
    assert {name[:4] for name in names["3+"] - names["4+"]} == {"res3", "bn3a", "bn3b"}
    assert {name[:4] for name in names["all"] - names["3+"]} == {"res2", "bn2a", "bn2b", "conv", "bn_c"}


def test_layers_by_regular_expression(model):
    assert trained_names(model, "mrcnn_mask|res2a_.*") == {
        *("mrcnn_mask", "res2a_branch1", "res2a_branch2a", "res2a_branch2b"),
    }


def test_frozen_norms_never_learn_their_statistics(model):
    set_trainable(model, "bn_conv1")
    assert [weight.name for weight in model.trainable_weights] == ["gamma", "beta"]


@pytest.mark.parametrize(("layers", "message"), [("head", "no layer's name"), ("res(", "not a regular expression")])
def test_layers_that_do_not_exist_are_one_line(model, layers, message):
    with pytest.raises(InputError, match=message):
        set_trainable(model, layers)
