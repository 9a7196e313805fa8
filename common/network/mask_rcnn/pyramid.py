"""The feature pyramid: from an image to P2 to P6."""

import keras
from keras import layers

from common.network.norm import ConvNorm, build_norm
from common.network.resnet import backbone_features
from common.network.tensor import Tensor


def build_pyramid(
    backbone: str, norm: str, channels: int, mean_pixel: tuple[float, ...], pixel_std: float
) -> keras.Model:
    """Build the model from images (B, H, W, 3) uint8 to [P2, ..., P6], each (B, H / stride, W / stride, channels).

    Args:
        backbone: see `backbone_features`.
        norm: see `build_norm`; with "group" the pyramid's own convolutions are normalised, too.
        channels: channels of every level.
        mean_pixel: RGB mean, 0-255.
        pixel_std: divisor after the mean's subtraction, 0-255.

    Source: Lin et al.: Feature Pyramid Networks, 2017.
    """
    images = keras.Input((None, None, 3), dtype="uint8", name="images")
    x = layers.Rescaling(1 / pixel_std, [-mean / pixel_std for mean in mean_pixel], name="centre")(images)
    top_down = None
    levels: list[keras.KerasTensor] = []
    for level, features in reversed(list(enumerate(backbone_features(x, backbone, norm), start=2))):
        lateral = _conv(features, channels, 1, norm, f"fpn_c{level}p{level}")
        if top_down is not None:
            upsampled = layers.UpSampling2D(2, name=f"fpn_p{level + 1}upsampled")(top_down)
            lateral = layers.Add(name=f"fpn_p{level}add")([upsampled, lateral])
        top_down = lateral
        levels.insert(0, _conv(top_down, channels, 3, norm, f"fpn_p{level}"))
    levels.append(layers.MaxPooling2D(1, strides=2, name="fpn_p6")(levels[-1]))
    return keras.Model(images, levels, name="pyramid")


def _conv(x: Tensor, channels: int, size: int, norm: str, name: str) -> Tensor:
    conv = layers.Conv2D(channels, size, padding="same", name=name)
    return ConvNorm(conv, build_norm(norm, channels, f"{name}_norm"))(x) if norm == "group" else conv(x)
