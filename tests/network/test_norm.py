import keras
import numpy as np
import pytest
from keras import layers, ops

from common.network.norm import BatchNorm, ConvNorm, GroupNorm, build_norm


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


def inputs_of(layer, features):
    """Return features in the precision that the layer computes in."""
    return ops.cast(features, layer.compute_dtype)


def gradients(layer, features):
    """Return the gradients of a fixed weighing of the output by the input and by the weights."""
    weighing = np.random.default_rng(2).normal(size=features.shape).astype(np.float32)
    features = inputs_of(layer, features)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(features)
            total = tf.reduce_sum(tf.cast(layer(features), tf.float32) * weighing)
        by_parts = tape.gradient(total, [features, layer.gamma.value, layer.beta.value])
    else:
        import jax

        def total(features, gamma, beta):
            return (layer.stateless_call([gamma, beta], [], features)[0].astype("float32") * weighing).sum()

        by_parts = jax.grad(total, (0, 1, 2))(features, layer.gamma.value, layer.beta.value)
    return [np.asarray(ops.cast(part, "float32")) for part in by_parts]


@pytest.fixture(params=["float32", "mixed_bfloat16"])
def norms(request, features):
    """Our layer, Keras' own with the same weights, and how far apart they may be."""
    kinds = (GroupNorm, layers.GroupNormalization)
    ours, theirs = (built(kind(16, epsilon=1e-5, dtype=request.param), features.shape) for kind in kinds)
    return ours, theirs, 1e-4 if request.param == "float32" else 0.05


def test_group_norm_is_keras_own(features, norms):
    ours, theirs, apart = norms
    mine, wanted = (layer(inputs_of(layer, features)) for layer in (ours, theirs))
    assert keras.backend.standardize_dtype(mine.dtype) == ours.compute_dtype
    np.testing.assert_allclose(*(ops.cast(values, "float32") for values in (mine, wanted)), rtol=apart, atol=apart)


def test_group_norm_has_the_gradients_of_keras_own(features, norms):
    ours, theirs, apart = norms
    for mine, wanted in zip(gradients(ours, features), gradients(theirs, features), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=apart, atol=apart * np.abs(wanted).max())


def test_the_weights_of_a_group_norm_are_read_in_float32(features):
    read = []

    class Watched(GroupNorm):
        def call(self, inputs):
            read.extend(keras.backend.standardize_dtype(weight.dtype) for weight in (self.gamma, self.beta))
            return super().call(inputs)

    inputs = keras.Input(features.shape[1:], dtype="bfloat16")
    outputs = Watched(16, dtype="mixed_bfloat16")(inputs)
    keras.Model(inputs, outputs)(ops.cast(features, "bfloat16"))
    assert set(read) == {"float32"}


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


def test_batch_norm_uses_the_batch_in_training_and_its_memory_else(features):
    layer = build_norm("batch", 32, "norm")
    normalised = np.asarray(layer(features, training=True))
    np.testing.assert_allclose(normalised.mean(axis=(0, 1, 2)), np.zeros(32), atol=1e-4)
    np.testing.assert_allclose(np.asarray(layer.moving_mean), 0.1 * features.mean(axis=(0, 1, 2)), rtol=1e-3)
    memory = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
    expected = (features - memory[0]) / np.sqrt(memory[1] + 1e-5)
    np.testing.assert_allclose(np.asarray(layer(features, training=False)), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_keras_own(features, norm_pair, training):
    ours, theirs, apart = norm_pair
    mine, wanted = (layer(inputs_of(layer, features), training=training) for layer in (ours, theirs))
    assert keras.backend.standardize_dtype(mine.dtype) == ours.compute_dtype
    np.testing.assert_allclose(ops.cast(mine, "float32"), ops.cast(wanted, "float32"), rtol=apart, atol=apart)
    for moving, expected in zip(ours.non_trainable_weights, theirs.non_trainable_weights, strict=True):
        assert moving.path.split("/")[-1] == expected.path.split("/")[-1]
        np.testing.assert_allclose(moving, expected, rtol=apart)


@pytest.fixture(params=["float32", "mixed_bfloat16"])
def norm_pair(request, features):
    """Our batch norm, Keras' own with the same weights, and how far apart they may be."""
    kinds = (BatchNorm, layers.BatchNormalization)
    ours, theirs = (built(kind(momentum=0.9, epsilon=1e-5, dtype=request.param), features.shape) for kind in kinds)
    return ours, theirs, 1e-4 if request.param == "float32" else 0.02
