"""What chosen layers of a network say of an image."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from common.errors import InputError
from common.network.mask_rcnn.model import MaskRCNN
from common.network.norm import ConvNorm


def activations(network: Any, image: np.ndarray, names: Sequence[str] = ()) -> Iterator[tuple[str, np.ndarray]]:
    """Yield what layers say of an image.

    Args:
        network: a `MaskRCNN`, whose pyramid is looked at, or a `UNet`.
        image: (H, W, 3) uint8, as the network sees it.
        names: of layers; by default, see `usual_layers`.

    Yields:
        Name and (h, w, C) float32.

    Raises:
        InputError: no such layer.
    """
    trunk = network.pyramid if isinstance(network, MaskRCNN) else network.body
    outputs = _outputs(trunk)
    names = names or usual_layers(list(outputs))
    for name in names:
        if name not in outputs:
            raise InputError(f"--layers {name}: no such layer; give some of {', '.join(outputs)}")
    found = keras.Model(trunk.inputs, [outputs[name] for name in names])([image[None]], training=False)
    for name, features in zip(names, found if isinstance(found, list) else [found], strict=True):
        yield name, ops.convert_to_numpy(ops.cast(features[0], "float32"))


def usual_layers(names: Sequence[str]) -> list[str]:
    """Return the last layer of each stage of a backbone, then the levels of a pyramid; the levels of a U-Net.

    Args:
        names: of all layers, in the network's order.

    Example:
        >>> usual_layers(["conv1", "res2a_out", "res2b_out", "res3a_out", "fpn_c2p2", "fpn_p3", "fpn_p2"])
        ['res2b_out', 'res3a_out', 'fpn_p2', 'fpn_p3']
        >>> usual_layers(["down1_relu1", "down1_relu2", "bottleneck_relu2", "up1_relu2", "final"])
        ['down1_relu2', 'bottleneck_relu2', 'up1_relu2']
    """
    last: dict[str, str] = {}
    for name in names:
        if match := re.fullmatch(r"(res\d)[a-z]_out|(fpn_p\d)|(.+)_relu2", name):
            last["".join(filter(None, match.groups()))] = name
    chosen = sorted(last.values(), key=list(names).index)
    return sorted(chosen, key=lambda name: name if name.startswith("fpn_") else "")


def _outputs(trunk: keras.Model) -> dict[str, keras.KerasTensor]:
    """Return the output of each layer with features (B, h, w, C), a convolution's with its norm's applied."""
    named = {layer.conv.name if isinstance(layer, ConvNorm) else layer.name: layer.output for layer in trunk.layers}
    return {name: output for name, output in named.items() if isinstance(output, keras.KerasTensor)}
