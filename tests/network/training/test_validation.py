"""Validation: means over batches, the same random numbers each time, training's left untouched."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from common.network.training.validation import validation_losses
from tests.network.training.test_fit import RUN, Toy, build, loaders


@pytest.fixture
def model():
    model = build(Toy, RUN)
    model.compile(optimizer="sgd")
    return model


def state_of(model):
    return keras.ops.convert_to_numpy(model.seed_generator.state).tolist()


def losses_of(model):
    def losses(batch):
        model.reset_metrics()
        return {name: float(value) for name, value in model.test_on_batch(batch, return_dict=True).items()}

    return losses


@pytest.mark.parametrize(("asked", "used"), [(0, 2), (1, 1), (9, 2)])
def test_means_over_as_many_batches_as_asked_for(model, asked, used):
    model.config = replace(RUN, validation_steps=asked)
    _, validation = loaders(model.config)
    state = state_of(model)
    means = validation_losses(model, validation, losses_of(model))
    assert state_of(model) == state
    assert validation_losses(model, validation, losses_of(model)) == means
    model.seed_generator.state.assign(np.array([RUN.seed, 0], np.uint32))
    each = [losses_of(model)(validation.batch_at(step))["squares"] for step in range(used)]
    assert means["squares"] == pytest.approx(np.mean(each))


def test_an_interruption_leaves_the_random_state(model):
    _, validation = loaders(RUN)
    state = state_of(model)

    def interrupted(step):
        raise KeyboardInterrupt

    validation.batch_at = interrupted
    with pytest.raises(KeyboardInterrupt):
        validation_losses(model, validation, losses_of(model))
    assert state_of(model) == state
