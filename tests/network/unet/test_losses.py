import keras
import numpy as np
import pytest
from keras import ops

from common.network.unet.losses import bce_loss, dice_loss


def value(tensor):
    return float(ops.convert_to_numpy(tensor))


def gradient(loss, logits, targets):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        variable = tf.Variable(logits)
        with tf.GradientTape() as tape:
            total = loss(variable, targets)
        return tape.gradient(total, variable).numpy()
    import jax

    return np.asarray(jax.grad(lambda logits: loss(logits, targets))(logits))


def maps(*values):
    return np.array(values, np.float32).reshape(1, 1, -1, 1)


def test_cross_entropy_by_hand():
    logits, targets = maps(0.0, 2.0, -1.0), maps(1, 1, 0)
    probs = 1 / (1 + np.exp([0.0, -2.0, 1.0]))
    assert value(bce_loss(logits, targets)) == pytest.approx(-np.mean(np.log([probs[0], probs[1], 1 - probs[2]])))
    assert value(bce_loss(maps(-1e4, 1e4), maps(1, 0))) == pytest.approx(1e4)  # stays finite


def test_dice_by_hand():
    probs = np.array([0.5, 0.8, 0.1, 0.3])
    logits = maps(*np.log(probs / (1 - probs)))
    expected = 1 - (2 * (0.5 + 0.8) + 1) / (probs.sum() + 2 + 1)
    assert value(dice_loss(logits, maps(1, 1, 0, 0))) == pytest.approx(expected)


def test_dice_is_a_mean_over_images_and_an_empty_mask_is_met_by_nothing():
    perfect, wrong, targets = maps(30, 30, -30), maps(-30, -30, 30), maps(1, 1, 0)
    assert value(dice_loss(perfect, targets)) == pytest.approx(0, abs=1e-5)
    assert value(dice_loss(wrong, targets)) == pytest.approx(1 - 1 / 4, abs=1e-5)
    both = value(dice_loss(np.concatenate([perfect, wrong]), np.concatenate([targets, targets])))
    assert both == pytest.approx(3 / 8, abs=1e-5)
    assert value(dice_loss(maps(-30, -30, -30), maps(0, 0, 0))) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("loss", [bce_loss, dice_loss])
def test_the_gradient_reaches_every_pixel_and_is_that_of_finite_differences(loss):
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(2, 3, 4, 1)).astype("f"), rng.integers(0, 2, (2, 3, 4, 1)).astype("f")
    found = gradient(loss, logits, targets)
    assert (np.sign(found) == np.where(targets, -1, 1)).all()  # up on the lungs, down elsewhere
    step = np.zeros_like(logits)
    for place in ((0, 0, 0, 0), (1, 2, 3, 0), (0, 1, 2, 0)):
        step[...] = 0
        step[place] = 1e-2
        slope = (value(loss(logits + step, targets)) - value(loss(logits - step, targets))) / 2e-2
        assert found[place] == pytest.approx(slope, rel=2e-2)
