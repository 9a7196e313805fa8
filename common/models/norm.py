"""The two normalisations: frozen batch norm for pretrained weights, group norm to train from nothing."""

import keras


class FrozenBatchNorm(keras.layers.BatchNormalization):
    """Batch normalisation that always uses its stored statistics; gamma and beta may still train.

    Two pictures a step are too few to estimate statistics from (the Mask R-CNN library does the same).
    """

    def call(self, inputs, training=None, mask=None):
        """Normalise (B, H, W, C) with the moving mean and variance, whatever `training` says."""
        return super().call(inputs, training=False, mask=mask)


def build_norm(kind: str, channels: int, name: str, gamma: float = 1.0) -> keras.layers.Layer:
    """Return a normalisation layer over the last axis.

    Args:
        kind: "frozen_batch" or "group".
        channels: size of the last axis, a multiple of 16.
        name: the layer's name.
        gamma: initial scale; 0 for the last norm of a residual block makes the block start as the identity.

    Source: Wu, He: Group Normalization, 2018 (32 groups; 16 where that would leave fewer than 8 channels each).
    """
    gamma_initializer = keras.initializers.Constant(gamma)
    if kind == "group":
        groups = 32 if channels % 256 == 0 else 16
        return keras.layers.GroupNormalization(groups, epsilon=1e-5, gamma_initializer=gamma_initializer, name=name)
    # A frozen norm with gamma 0 could never pass anything on: its weights come from a file.
    return FrozenBatchNorm(epsilon=1e-3, momentum=0.99, name=name)
