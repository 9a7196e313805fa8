"""Feature extractors: ResNet-50 and -101 with the Mask R-CNN library's layer names, and a small one for CPUs."""

import string
from typing import Any

from keras import KerasTensor, layers

from common.network.norm import ConvNorm, build_norm

BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3), "small": (2, 2, 2, 2)}
SMALL_CHANNELS = (64, 128, 256, 256)


def backbone_features(images: KerasTensor, backbone: str, norm: str) -> list[KerasTensor]:
    """Return the feature maps C2 to C5, at strides 4, 8, 16 and 32.

    Args:
        images: (B, H, W, 3) float32, centred; H and W multiples of 64.
        backbone: "resnet50", "resnet101" or "small".
        norm: see `build_norm`.

    Source: He et al.: Deep Residual Learning, 2015; the first version, with the stride in the first 1x1 convolution.
    """
    small = backbone == "small"
    x = layers.ZeroPadding2D(3, name="conv1_pad")(images)
    filters = 32 if small else 64
    conv = layers.Conv2D(filters, 7, strides=2, kernel_initializer="he_normal", name="conv1")
    x = ConvNorm(conv, build_norm(norm, filters, "bn_conv1"))(x)
    x = layers.ReLU(name="conv1_relu")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="pool1")(x)
    features = []
    for stage, num_blocks in enumerate(BLOCKS[backbone], start=2):
        for block in range(num_blocks):
            strides = 2 if block == 0 and stage > 2 else 1
            name = f"{stage}{string.ascii_lowercase[block]}"
            if small:
                x = _basic_block(x, SMALL_CHANNELS[stage - 2], strides, norm, name)
            else:
                x = _bottleneck_block(x, 64 * 2 ** (stage - 2), strides, norm, name)
        features.append(x)
    return features


def _conv_norm(x: KerasTensor, filters: int, size: int, norm: str, name: str, **options: Any) -> KerasTensor:
    """Convolve and normalise; `name` is a block's and a branch's, e.g. `2a_branch1`."""
    gamma = options.pop("gamma", 1.0)
    conv = layers.Conv2D(filters, size, padding="same", kernel_initializer="he_normal", name=f"res{name}", **options)
    return ConvNorm(conv, build_norm(norm, filters, f"bn{name}", gamma))(x)


def _bottleneck_block(x: KerasTensor, filters: int, strides: int, norm: str, name: str) -> KerasTensor:
    """Apply 1x1, 3x3 and 1x1 convolutions and a shortcut, (B, H, W, C) to (B, H / strides, ..., 4 filters)."""
    shortcut = x
    if x.shape[-1] != 4 * filters:
        shortcut = _conv_norm(x, 4 * filters, 1, norm, f"{name}_branch1", strides=strides)
    x = layers.ReLU()(_conv_norm(x, filters, 1, norm, f"{name}_branch2a", strides=strides))
    x = layers.ReLU()(_conv_norm(x, filters, 3, norm, f"{name}_branch2b"))
    x = _conv_norm(x, 4 * filters, 1, norm, f"{name}_branch2c", gamma=0.0)
    return layers.ReLU(name=f"res{name}_out")(layers.Add()([x, shortcut]))


def _basic_block(x: KerasTensor, filters: int, strides: int, norm: str, name: str) -> KerasTensor:
    """Apply two 3x3 convolutions and a shortcut, (B, H, W, C) to (B, H / strides, W / strides, filters)."""
    shortcut = x
    if x.shape[-1] != filters or strides > 1:
        shortcut = _conv_norm(x, filters, 1, norm, f"{name}_branch1", strides=strides)
    x = layers.ReLU()(_conv_norm(x, filters, 3, norm, f"{name}_branch2a", strides=strides))
    x = _conv_norm(x, filters, 3, norm, f"{name}_branch2b", gamma=0.0)
    return layers.ReLU(name=f"res{name}_out")(layers.Add()([x, shortcut]))
