"""Segmentation: images in, maps of probabilities out."""

import contextlib
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import keras
import numpy as np
from keras import ops

from common.network.backend import compile_for_prediction, predicts_in_threads
from common.network.tensor import Tensor
from common.network.unet.model import UNet
from common.network.weights import load_weights
from common.settings.unet import UNetConfig

BATCH_PIXELS = 1 << 20  # per batch, to bound its memory: four images of 512x512


class Segmenter:
    """Applies a model to images of any size.

    It is traced anew for each size: with sizes that are known, no features are copied to fit each other. A predictor
    has at most as many as its views have scales.

    Args:
        model: with its weights.
    """

    def __init__(self, model: UNet) -> None:
        self._model = model
        self._traced: dict[tuple[int, int], Probabilities] = {}
        self._tracing, self._alone = threading.Lock(), threading.Lock()

    def __call__(self, images: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Return each image's map, (h, w) float32, probabilities.

        Images of one shape are batched. Batching depends on this call alone, so the same images give bit-identical
        results.

        Args:
            images: (h, w, 3) uint8 each.
        """
        images = list(images)
        groups: dict[tuple[int, ...], list[int]] = {}
        for i, image in enumerate(images):
            groups.setdefault(image.shape, []).append(i)
        maps: dict[int, np.ndarray] = {}
        for (height, width, _), rows in groups.items():
            size = max(1, BATCH_PIXELS // (height * width))
            for first in range(0, len(rows), size):
                some = rows[first : first + size]
                maps |= zip(some, self._segment(np.stack([images[i] for i in some])), strict=True)
        return [maps[i] for i in range(len(images))]

    def _segment(self, images: np.ndarray) -> np.ndarray:
        model = self._trace(images.shape[1], images.shape[2])
        side_by_side = predicts_in_threads() and images[..., 0].size <= BATCH_PIXELS
        with contextlib.nullcontext() if side_by_side else self._alone:
            return model.predict_on_batch({"images": images})[..., 0]

    def _trace(self, height: int, width: int) -> "Probabilities":
        with self._tracing:
            if (height, width) not in self._traced:
                traced = Probabilities(self._model)
                compile_for_prediction(traced, {"images": ((None, height, width, 3), "uint8")})
                self._traced[height, width] = traced
            return self._traced[height, width]


class Probabilities(keras.Model):
    """Images (B, H, W, 3) uint8, by the name `images`, to probabilities (B, H, W, 1) float32."""

    def __init__(self, model: UNet) -> None:
        super().__init__(name="probabilities")
        self.model = model
        self.built = True  # else Keras on JAX runs the first batch layer by layer, compiling each

    def call(self, inputs: Mapping) -> Tensor:
        """Return the probabilities."""
        return ops.sigmoid(self.model.body(inputs["images"], training=False))


def load_segmenter(config: UNetConfig, weights: Path) -> Segmenter:
    """Build a model with weights from a file, ready to segment."""
    model = UNet(config)
    load_weights(model, weights)
    return Segmenter(model)
