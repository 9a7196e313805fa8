from dataclasses import replace

import keras
import numpy as np
import pytest

from common.network.network import build_network
from common.network.training.optimizer import build_optimizer, set_trainable
from common.network.unet.losses import LOSS_NAMES
from common.network.unet.model import UNet
from common.network.weights import load_weights, save_weights, weighted_layers
from common.settings.config import Stage
from common.settings.unet import UNetConfig
from tests.batches.test_mask_samples import chest
from tests.image_sets import array_set

TINY = UNetConfig(
    name="tiny",
    image_size=32,
    channels=(16, 16),
    norm="group",
    batch_size=2,
    optimizer="adamw",
    weight_decay=0.0,
    schedule=(Stage(1, 1e-2),),
)
CHESTS = [chest(32, 48), chest(40, 40)]
IMAGES = array_set([image for image, _ in CHESTS], [labels for _, labels in CHESTS])


def compiled(config, seed=1):
    keras.utils.set_random_seed(seed)
    model = build_network(config)
    optimizer = build_optimizer(config)
    model.compile(optimizer, jit_compile=keras.backend.backend() != "tensorflow")
    optimizer.learning_rate = 1e-2
    return model


def weights_of(model):
    return {weight.path: keras.ops.convert_to_numpy(weight).copy() for weight in model.weights}


def changed(before, after):
    return {path for path in before if not np.array_equal(before[path], after[path])}


def batch_of(model):
    return model.batches(IMAGES, training=False).batch_at(0)


def test_a_config_chooses_the_network():
    model = build_network(TINY)
    assert isinstance(model, UNet) and model.random_states == []


@pytest.mark.parametrize("norm", ["group", "batch"])
@pytest.mark.parametrize("bfloat16", [False, True])
def test_a_step_gives_finite_losses_and_trains_every_layer(norm, bfloat16):
    model = compiled(replace(TINY, norm=norm, bfloat16=bfloat16))
    before = weights_of(model)
    losses = model.train_on_batch(batch_of(model), return_dict=True)
    assert losses.keys() == {"loss", *LOSS_NAMES} and np.isfinite(list(losses.values())).all()
    assert losses["loss"] == pytest.approx(sum(losses[name] for name in LOSS_NAMES), rel=1e-5)
    assert changed(before, weights_of(model)) == before.keys()


@pytest.mark.parametrize("weights", [(1, 0), (0, 1)])
def test_each_loss_trains_alone(weights):
    """The published Dice loss had no gradient."""
    model = compiled(replace(TINY, loss_weights=weights))
    before = weights_of(model)
    batch = batch_of(model)
    name = LOSS_NAMES[weights.index(1)]
    losses = [float(model.train_on_batch(batch, return_dict=True)[name])]
    assert len(changed(before, weights_of(model))) == len(before)
    for _ in range(8):
        model.reset_metrics()
        losses.append(float(model.train_on_batch(batch, return_dict=True)[name]))
    assert losses[-1] < 0.8 * losses[0]


def test_one_batch_is_overfitted():
    model = compiled(replace(TINY, channels=(16, 32)))
    batch = batch_of(model)
    for _ in range(60):
        model.reset_metrics()
        losses = model.train_on_batch(batch, return_dict=True)
    assert losses["dice_loss"] < 0.05 and losses["bce_loss"] < 0.1


def test_saved_weights_load_with_the_statistics_of_batch_norm(tmp_path):
    model = compiled(replace(TINY, norm="batch"))
    batch = batch_of(model)
    model.train_on_batch(batch)
    save_weights(model, tmp_path / "w.h5")
    other = compiled(model.config, seed=2)
    expected, found = (float(one.test_on_batch(batch, return_dict=True)["loss"]) for one in (model, other))
    assert found != pytest.approx(expected)
    assert load_weights(other, tmp_path / "w.h5") == []
    assert not changed(weights_of(model), weights_of(other))
    model.reset_metrics()
    other.reset_metrics()
    expected, found = (float(one.test_on_batch(batch, return_dict=True)["loss"]) for one in (model, other))
    assert found == pytest.approx(expected)


def test_layers_have_unique_names_and_groups_to_train():
    model = build_network(TINY)
    names = [layer.name for layer in weighted_layers(model)]
    assert len(names) == len(set(names))
    trained = set_trainable(model, "decoder")
    assert 0 < trained < len(model.weights)
    assert {weight.path.split("/")[-2][:2] for weight in model.trainable_weights} == {"up", "fi"}


def test_the_l2_penalty_of_sgd_is_part_of_the_loss():
    plain, heavy = (compiled(replace(TINY, optimizer="sgd", weight_decay=decay)) for decay in (0.0, 10.0))
    losses = [float(one.test_on_batch(batch_of(one), return_dict=True)["loss"]) for one in (plain, heavy)]
    assert losses[1] > losses[0] + 0.01
