import keras
import numpy as np
import pytest

from common.network.loss_model import mean_square_penalty
from common.network.mask_rcnn.losses import box_loss, class_loss, mask_loss

SHAPES = {"logits": (2, 9, 4), "deltas": (2, 9, 4), "masks": (6, 5, 5)}


def arrays(seed):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(scale=3, size=shape).astype(np.float32) for name, shape in SHAPES.items()}, rng


def value(loss):
    return float(keras.ops.convert_to_numpy(loss))


def test_class_loss_is_the_mean_cross_entropy_of_the_rows_in_use():
    given, rng = arrays(1)
    logits, labels, weights = given["logits"], rng.integers(0, 4, (2, 9)), rng.integers(0, 2, (2, 9)).astype("f")
    probs = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    entropies = [-np.log(probs[i, j, labels[i, j]]) for i, j in zip(*np.nonzero(weights), strict=True)]
    assert value(class_loss(logits, labels, weights)) == pytest.approx(np.mean(entropies), rel=1e-4)


def test_box_loss_is_the_mean_smooth_distance_of_the_rows_in_use():
    given, rng = arrays(2)
    deltas, weights = given["deltas"], rng.integers(0, 2, (2, 9)).astype("f")
    targets = rng.normal(scale=3, size=deltas.shape).astype(np.float32)
    distance = np.abs(deltas - targets)[weights > 0]
    expected = np.where(distance < 1, 0.5 * distance**2, distance - 0.5).mean()
    assert value(box_loss(deltas, targets, weights)) == pytest.approx(expected, rel=1e-4)


def test_box_loss_by_hand():
    deltas = np.array([[0.5, 0, 0, 0], [3, 0, 0, 0], [9, 9, 9, 9]], np.float32)
    losses = [value(box_loss(deltas, np.zeros_like(deltas), np.eye(3, dtype="f")[i])) for i in range(2)]
    assert losses == [0.125 / 4, 2.5 / 4]


def test_mask_loss_is_the_mean_cross_entropy_of_the_masks_in_use():
    given, rng = arrays(3)
    logits, targets = given["masks"], rng.integers(0, 2, (6, 5, 5)).astype(np.float32)
    weights = np.array([1, 0, 1, 1, 0, 0], np.float32)
    probs = 1 / (1 + np.exp(-logits))
    entropies = -np.where(targets > 0, np.log(probs), np.log(1 - probs))[weights > 0]
    assert value(mask_loss(logits, targets, weights)) == pytest.approx(entropies.mean(), rel=1e-4)


def test_losses_are_nothing_where_nothing_takes_part():
    given, _ = arrays(4)
    assert value(class_loss(given["logits"], np.zeros((2, 9), np.int32), np.zeros((2, 9), "f"))) == 0
    assert value(box_loss(given["deltas"], given["deltas"] + 5, np.zeros((2, 9), "f"))) == 0
    assert value(mask_loss(given["masks"], np.ones((6, 5, 5), "f"), np.zeros(6, "f"))) == 0


def test_extreme_logits_stay_finite():
    logits = np.array([[[-1e4, 1e4], [1e4, -1e4]]], np.float32)
    ones = np.ones((1, 2), np.float32)
    assert value(class_loss(logits, np.array([[0, 1]]), ones)) == pytest.approx(2e4)
    assert value(mask_loss(logits, np.array([[[1, 1], [0, 0]]], "f"), ones[0, :1])) == pytest.approx(5e3)


def test_the_penalty_leaves_norms_out():
    values = {"kernel": np.full((2, 3), 2.0), "gamma": np.ones(3), "beta": np.ones(3), "bias": np.array([1.0, 3.0])}
    variables = [keras.Variable(array, name=name, dtype="float32") for name, array in values.items()]
    assert value(mean_square_penalty(variables)) == pytest.approx(4 + 5)
    assert value(mean_square_penalty(variables[1:3])) == 0
