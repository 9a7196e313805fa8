"""Activations of layers."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from common.figures.network.canvas import new_figure
from common.masks.resize import resize_image

CHANNELS = 6
LARGEST = 256  # pixels; larger maps are shrunk for display
SAMPLE = 100_000  # values in a histogram
SILENT = 1e-6  # a channel that varies by less over the image says nothing


def draw_activations(name: str, features: np.ndarray, image_shape: Sequence[int]) -> Figure:
    """Draw a layer: the mean of its channels' absolute values, its strongest channels, and how all values lie.

    Args:
        name: of the layer.
        features: (h, w, C) float32.
        image_shape: (height, width) of the image.
    """
    figure = new_figure(1, CHANNELS + 2, image_shape, width=15)
    axes = figure.subplots(1, CHANNELS + 2)
    height, width, count = features.shape
    spread = features.std(axis=(0, 1))
    strongest = np.argsort(-spread, kind="stable")[:CHANNELS]
    maps = [("mean of |x|", np.abs(features).mean(axis=2))]
    maps += [(f"channel {channel}", features[..., channel]) for channel in strongest.tolist()]
    scale = min(1.0, LARGEST / max(height, width))
    shape = max(1, round(height * scale)), max(1, round(width * scale))
    for one, (title, values) in zip(axes, maps, strict=False):
        small = resize_image(np.ascontiguousarray(values), shape)
        low, high = np.percentile(small, (1, 99))
        one.imshow(small, "viridis", vmin=low, vmax=max(high, low + SILENT), interpolation="nearest")
        one.set_title(title, fontsize=8)
    for one in axes[:-1]:
        one.set_axis_off()
    values = features.ravel()[:: max(1, features.size // SAMPLE)]
    low, high = float(values.min()), float(np.percentile(values, 99.9))
    axes[-1].hist(values, 40, range=(low, high if high - low > SILENT else low + 1), color="#0072b2")
    axes[-1].set(yticks=[])
    axes[-1].tick_params(labelsize=6)
    silent = int(np.count_nonzero(spread < SILENT))
    axes[-1].set_title("values", fontsize=8)
    figure.suptitle(f"{name}: {height} x {width} x {count}, {silent} silent channels", fontsize=10)
    return figure
