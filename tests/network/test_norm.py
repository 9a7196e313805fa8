import keras
import numpy as np
import pytest
from keras import layers, ops

from common.network.norm import ConvNorm, GroupNorm, build_norm


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(3.0, 2.0, (2, 5, 7, 32)).astype(np.float32)


def built(layer, shape, seed=1):
    """Build a layer where needed, and give its weights random positive values."""
    if not layer.built:
        layer.build(shape)
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.weights])
    return layer


def gradients(layer, features):
    """Return the gradients of a fixed weighing of the output by the input and by the weights."""
    weighing = np.random.default_rng(2).normal(size=features.shape).astype(np.float32)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        inputs = tf.constant(features)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = tf.reduce_sum(layer(inputs) * weighing)
        return [np.asarray(g) for g in tape.gradient(total, [inputs, layer.gamma.value, layer.beta.value])]
    import jax

    def total(inputs, gamma, beta):
        return (layer.stateless_call([gamma, beta], [], inputs)[0] * weighing).sum()

    return [np.asarray(g) for g in jax.grad(total, (0, 1, 2))(features, layer.gamma.value, layer.beta.value)]


def test_group_norm_is_keras_own(features):
    ours = built(GroupNorm(16, epsilon=1e-5), features.shape)
    theirs = built(layers.GroupNormalization(16, epsilon=1e-5), features.shape)
    np.testing.assert_allclose(ours(features), theirs(features), atol=2e-5)


def test_group_norm_has_the_gradients_of_keras_own(features):
    ours = gradients(built(GroupNorm(16, epsilon=1e-5), features.shape), features)
    theirs = gradients(built(layers.GroupNormalization(16, epsilon=1e-5), features.shape), features)
    for mine, wanted in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, wanted, atol=1e-4)


def test_group_norm_of_a_constant_is_its_beta():
    layer = built(GroupNorm(16, epsilon=1e-5), (1, 4, 4, 16))
    normalised = ops.convert_to_numpy(layer(np.full((1, 4, 4, 16), 3.0, np.float32)))
    np.testing.assert_allclose(normalised[0, 0, 0], layer.beta, atol=1e-3)


@pytest.mark.parametrize("kind", ["frozen_batch", "group"])
def test_conv_norm_is_a_convolution_and_then_its_norm(features, kind):
    conv = layers.Conv2D(16, 3, strides=2, padding="same", name="conv")
    norm = build_norm(kind, 16, "norm")
    both = ConvNorm(conv, norm)
    both.build(features.shape)
    built(conv, features.shape)
    built(norm, both.compute_output_shape(features.shape))
    np.testing.assert_allclose(both(features), norm(conv(features)), rtol=1e-4, atol=1e-4)


def test_a_folded_norm_trains_its_scale_and_offset(features):
    both = ConvNorm(layers.Conv2D(16, 1, name="conv"), build_norm("frozen_batch", 16, "norm"))
    both.build(features.shape)
    assert {weight.name for weight in both.trainable_weights} == {"kernel", "bias", "gamma", "beta"}
    assert {weight.name for weight in both.non_trainable_weights} == {"moving_mean", "moving_variance"}
