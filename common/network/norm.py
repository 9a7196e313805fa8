"""Normalisations: frozen batch norm for pretrained weights; group or batch norm to train from scratch."""

from typing import Any

import keras
from keras import ops

from common.network.backend import batch_normalise
from common.network.devices import count_shares
from common.network.tensor import Tensor


class FrozenBatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation that always uses its stored statistics; gamma and beta may still train.

    Two images per step are too few to estimate statistics; the Mask R-CNN library does the same.
    """

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor = None) -> Tensor:
        """Normalise (B, H, W, C) with the moving mean and variance, whatever `training` says."""
        return super().call(inputs, training=False, mask=mask)

    def fold(self, kernel: Tensor, bias: Tensor) -> tuple:
        """Return the kernel (h, w, in, C) and bias (C,) of a convolution with this normalisation folded in."""
        scale = self.gamma * ops.rsqrt(self.moving_variance + self.epsilon)
        return kernel * scale, (bias - self.moving_mean) * scale + self.beta


class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation of (B, H, W, C): Keras' own, in half the time on TensorFlow."""

    def add_weight(self, *args: Any, **options: Any) -> Any:
        """Add a weight that is always read as float32."""
        return super().add_weight(*args, **options | {"autocast": False})

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor = None) -> Tensor:
        """Normalise with the statistics of the batch in training, else with the moving ones."""
        if not (training and self.trainable):
            moving = self.moving_mean, self.moving_variance
            return batch_normalise(inputs, self.gamma, self.beta, self.epsilon, moving)[0]
        normalised, *statistics = batch_normalise(inputs, self.gamma, self.beta, self.epsilon)
        for moving, latest in zip((self.moving_mean, self.moving_variance), statistics, strict=True):
            moving.assign(moving * self.momentum + latest * (1.0 - self.momentum))
        return normalised


class GroupNorm(keras.layers.GroupNormalization):
    """Group normalisation of (B, H, W, C), with statistics in float32.

    Source: Wu, He: Group Normalization, 2018.
    """

    def add_weight(self, *args: Any, **options: Any) -> Any:
        """Add a weight that is always read as float32, as in Keras' own layer since 3.15."""
        return super().add_weight(*args, **options | {"autocast": False})

    def call(self, inputs: Tensor) -> Tensor:
        """Normalise each group of channels of each image."""
        return _group_normalise(inputs, self.gamma, self.beta, self.groups, self.epsilon)


class ConvNorm(keras.layers.Layer):
    """A convolution and its normalisation, each a layer with its own name and weights.

    Frozen batch norm is folded into the kernel: training then stores and traverses half as many features. A kernel as
    large as the input becomes a matrix product.
    """

    def __init__(self, conv: keras.layers.Conv2D, norm: keras.layers.Layer) -> None:
        super().__init__(autocast=False, name=f"{conv.name}_{norm.name}")  # kernels are folded in float32
        self.conv, self.norm = conv, norm

    def build(self, input_shape: Tensor) -> None:
        """Build both layers."""
        self.conv.build(input_shape)
        self.norm.build(self.compute_output_shape(input_shape))

    def compute_output_shape(self, input_shape: Tensor) -> tuple:
        """Return the convolution's."""
        return self.conv.compute_output_shape(input_shape)

    def call(self, inputs: Tensor) -> Tensor:
        """Convolve and normalise (B, H, W, C)."""
        frozen = isinstance(self.norm, FrozenBatchNorm)
        kernel, bias = self.conv.kernel, self.conv.bias
        if frozen:
            kernel, bias = self.norm.fold(kernel, bias)
        inputs, kernel, bias = (ops.cast(part, self.compute_dtype) for part in (inputs, kernel, bias))
        features = self._convolve(inputs, kernel) + bias
        return features if frozen else self.norm(features)

    def _convolve(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        if self.conv.padding == "same" or tuple(inputs.shape[1:3]) != self.conv.kernel_size:
            return self.conv.convolution_op(inputs, kernel)
        filters = self.conv.filters
        products = ops.matmul(
            ops.reshape(inputs, (-1, kernel.shape[0] * kernel.shape[1] * kernel.shape[2])),
            ops.reshape(kernel, (-1, filters)),
        )
        return ops.reshape(products, (-1, 1, 1, filters))


def build_norm(kind: str, channels: int, name: str, gamma: float = 1.0) -> keras.layers.Layer:
    """Return a normalisation layer over the last axis.

    Args:
        kind: "frozen_batch", "group", or "batch", with the statistics of each training batch.
        channels: size of the last axis, a multiple of 16.
        name: the layer's name.
        gamma: initial scale; 0 for the last norm of a residual block makes the block start as the identity.

    Source: Wu, He: Group Normalization, 2018 (32 groups; 16 where that would leave fewer than 8 channels each).
    """
    gamma_initializer = keras.initializers.Constant(gamma)
    if kind == "group":
        groups = 32 if channels % 256 == 0 else 16
        return GroupNorm(groups, epsilon=1e-5, gamma_initializer=gamma_initializer, name=name)
    if kind == "batch":
        options: Any = {"momentum": 0.9, "epsilon": 1e-5, "gamma_initializer": gamma_initializer, "name": name}
        if count_shares() > 1:  # the statistics of the whole batch, on however many devices
            return keras.layers.BatchNormalization(synchronized=True, **options)
        return BatchNorm(**options)
    # A frozen norm with gamma 0 would block its branch for good: its weights come from a file.
    return FrozenBatchNorm(epsilon=1e-3, momentum=0.99, name=name)


def _group_normalise(features: Tensor, gamma: Tensor, beta: Tensor, groups: int, epsilon: float) -> tuple:
    """Normalise (B, H, W, C), with a hand-written gradient: half as many passes over the features as Keras' layer."""
    height, width, channels = ops.shape(features)[1:]
    count = ops.cast(height * width * (channels // groups), "float32")

    def group_mean(sums: Tensor) -> Tensor:
        """Turn each channel's sum, (B, C), into its group's mean, (B, C)."""
        means = ops.sum(ops.reshape(sums, (-1, groups, channels // groups)), axis=2) / count
        return ops.repeat(means, channels // groups, axis=1)

    def channel_sums(features: Tensor) -> Tensor:
        return ops.sum(ops.sum(ops.cast(features, "float32"), axis=2), axis=1)  # slow on TensorFlow in one step

    def everywhere(values: Tensor, like: Tensor) -> Tensor:
        return ops.cast(values, like.dtype)[:, None, None]

    @ops.custom_gradient
    def normalise(features: Tensor, gamma: Tensor, beta: Tensor) -> tuple:
        mean = group_mean(channel_sums(features))
        variance = group_mean(channel_sums(ops.square(ops.cast(features, "float32")))) - ops.square(mean)
        inverse = ops.rsqrt(ops.maximum(variance, 0.0) + epsilon)
        scale = inverse * gamma
        normalised = features * everywhere(scale, features) + everywhere(beta - mean * scale, features)

        def gradient(upstream: Tensor) -> tuple:
            by_beta = channel_sums(upstream)  # (B, C), as is by_gamma
            products = ops.cast(upstream, "float32") * ops.cast(features, "float32")
            by_gamma = (channel_sums(products) - mean * by_beta) * inverse
            # upstream gamma inverse - inverse (mean of upstream gamma) - x inverse (mean of upstream gamma x), where
            # x = (features - mean) inverse: a linear function of upstream and features.
            slope = -ops.square(inverse) * group_mean(by_gamma * gamma)
            offset = -inverse * group_mean(by_beta * gamma) - mean * slope
            by_features = upstream * everywhere(scale, features)
            by_features = by_features + (features * everywhere(slope, features) + everywhere(offset, features))
            return by_features, ops.sum(by_gamma, axis=0, keepdims=True), ops.sum(by_beta, axis=0, keepdims=True)

        return normalised, gradient

    return normalise(features, ops.reshape(gamma, (1, channels)), ops.reshape(beta, (1, channels)))
