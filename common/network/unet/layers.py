"""The U-Net's layers, from pixels to logits."""

from collections.abc import Sequence

import keras
from keras import KerasTensor, layers, ops

from common.network.norm import build_norm
from common.network.tensor import Tensor


class FitTo(layers.Layer):
    """Fits (B, h, w, C) to the height and width of a second tensor, which has at most one row and column more.

    These, which pooling dropped, repeat the last ones.
    """

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        """Fit the first tensor."""
        features, other = inputs
        if None not in features.shape[1:3] and tuple(features.shape[1:3]) == tuple(other.shape[1:3]):
            return features
        for axis in (1, 2):
            if features.shape[axis] is None or features.shape[axis] != other.shape[axis]:
                last = features[:, -1:] if axis == 1 else features[:, :, -1:]
                features = ops.concatenate([features, last], axis=axis)
        return features[:, : ops.shape(other)[1], : ops.shape(other)[2]]

    def compute_output_shape(self, input_shape: Sequence[tuple]) -> tuple:
        """Return the first tensor's batch and channels, the second's height and width."""
        features, other = input_shape
        return features[0], *other[1:3], features[3]


def build_unet(channels: Sequence[int], norm: str) -> keras.Model:
    """Return the network from pixels to logits.

    Every level has two 3x3 convolutions without bias, each with its norm and ReLU. The encoder halves the resolution
    after each level by max-pooling; the decoder doubles it by transposed convolution and appends the result to the
    encoder's features.

    Args:
        channels: of each level of the encoder, the first at full resolution; the bottleneck below has twice the last.
        norm: "batch" or "group".

    Returns:
        A model from (B, H, W, 3) uint8 to (B, H, W, 1) float32 logits. Sides need not be multiples of anything: pooling
        drops a last odd row or column, and the decoder repeats the one before.

    Source: Ronneberger, Fischer, Brox: U-Net, 2015, with padding and norms.
    """
    images = layers.Input((None, None, 3), dtype="uint8", name="images")
    x = layers.Rescaling(1 / 255, name="scale")(images)
    skips = []
    for level, width in enumerate(channels, start=1):
        x = _double_conv(x, width, norm, f"down{level}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"pool{level}")(x)
    x = _double_conv(x, 2 * channels[-1], norm, "bottleneck")
    for level in range(len(channels), 0, -1):
        width, skip = channels[level - 1], skips[level - 1]
        x = layers.Conv2DTranspose(width, 2, strides=2, name=f"up{level}_transposed")(x)
        x = layers.Concatenate(name=f"up{level}_concat")([skip, FitTo(name=f"up{level}_fit")([x, skip])])
        x = _double_conv(x, width, norm, f"up{level}")
    logits = layers.Conv2D(1, 1, name="final", dtype="float32")(x)
    return keras.Model(images, logits, name="unet_body")


def _double_conv(x: KerasTensor, width: int, norm: str, name: str) -> KerasTensor:
    """Convolve, normalise and rectify twice: (B, H, W, C) to (B, H, W, width)."""
    for number in (1, 2):
        conv = layers.Conv2D(
            width, 3, padding="same", use_bias=False, kernel_initializer="he_normal", name=f"{name}_conv{number}"
        )
        x = build_norm(norm, width, f"{name}_norm{number}")(conv(x))
        x = layers.ReLU(name=f"{name}_relu{number}")(x)
    return x
