"""The heads: region proposals on every level, class and box, and mask of a region. Names are the library's."""

import keras
from keras import layers

from common.network.norm import ConvNorm, build_norm


def build_rpn(channels: int, hidden: int, num_ratios: int) -> keras.Model:
    """Build the proposal head: features (B, h, w, channels) to logits (B, A, 2) and deltas (B, A, 4), float32.

    Args:
        channels: of the pyramid.
        hidden: channels of the shared convolution.
        num_ratios: anchors per cell; A = h w num_ratios, background logit first.
    """
    features = keras.Input((None, None, channels), name="input_rpn_feature_map")
    shared = layers.Conv2D(
        hidden, 3, padding="same", activation="relu", kernel_initializer="he_normal", name="rpn_conv_shared"
    )(features)
    logits = layers.Conv2D(2 * num_ratios, 1, kernel_initializer=_small(0.01), name="rpn_class_raw", dtype="float32")(
        shared
    )
    deltas = layers.Conv2D(4 * num_ratios, 1, kernel_initializer=_small(0.01), name="rpn_bbox_pred", dtype="float32")(
        shared
    )
    outputs = [layers.Reshape((-1, 2), dtype="float32")(logits), layers.Reshape((-1, 4), dtype="float32")(deltas)]
    return keras.Model(features, outputs, name="rpn_model")


def build_class_head(channels: int, hidden: int, pool_size: int, num_classes: int, norm: str) -> keras.Model:
    """Build the class and box head: regions (R, pool, pool, channels) to logits (R, K) and deltas (R, K, 4), float32.

    Args:
        channels: of the pyramid.
        hidden: width of both layers.
        pool_size: bins per side.
        num_classes: K, background included.
        norm: see `build_norm`.
    """
    regions = keras.Input((pool_size, pool_size, channels), name="regions")
    x = regions
    for number, size in ((1, pool_size), (2, 1)):
        conv = layers.Conv2D(hidden, size, kernel_initializer="he_normal", name=f"mrcnn_class_conv{number}")
        x = layers.ReLU()(ConvNorm(conv, build_norm(norm, hidden, f"mrcnn_class_bn{number}"))(x))
    x = layers.Flatten(name="pool_squeeze")(x)
    logits = layers.Dense(num_classes, kernel_initializer=_small(0.01), name="mrcnn_class_logits", dtype="float32")(x)
    deltas = layers.Dense(4 * num_classes, kernel_initializer=_small(0.001), name="mrcnn_bbox_fc", dtype="float32")(x)
    deltas = layers.Reshape((num_classes, 4), name="mrcnn_bbox", dtype="float32")(deltas)
    return keras.Model(regions, [logits, deltas], name="class_head")


def build_mask_head(
    channels: int, hidden: int, num_convs: int, pool_size: int, num_classes: int, norm: str
) -> keras.Model:
    """Build the mask head: regions (R, pool, pool, channels) to logits (R, 2 pool, 2 pool, K), float32.

    Args:
        channels: of the pyramid.
        hidden: channels of its convolutions.
        num_convs: 3x3 convolutions before the upsampling.
        pool_size: bins per side.
        num_classes: K, background included.
        norm: see `build_norm`.
    """
    regions = keras.Input((pool_size, pool_size, channels), name="regions")
    x = regions
    for number in range(1, num_convs + 1):
        conv = layers.Conv2D(hidden, 3, padding="same", kernel_initializer="he_normal", name=f"mrcnn_mask_conv{number}")
        x = layers.ReLU()(ConvNorm(conv, build_norm(norm, hidden, f"mrcnn_mask_bn{number}"))(x))
    x = layers.Conv2DTranspose(
        hidden, 2, strides=2, activation="relu", kernel_initializer="he_normal", name="mrcnn_mask_deconv"
    )(x)
    logits = layers.Conv2D(num_classes, 1, kernel_initializer=_small(0.001), name="mrcnn_mask", dtype="float32")(x)
    return keras.Model(regions, logits, name="mask_head")


def _small(stddev: float) -> keras.Initializer:
    return keras.initializers.RandomNormal(stddev=stddev)
