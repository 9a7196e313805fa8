"""Detection: pictures in, objects out."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from common.detections import Detections, Frame
from common.models.mask_rcnn import MaskRCNN

MASKS_AT_ONCE = 64  # the mask head runs on the objects found, in batches of this size: one compiled shape


class Detector:
    """Applies a model to pictures of any size; compiled shapes are few, as sides are multiples of 64.

    Args:
        model: with its weights; its config says thresholds and scales.
    """

    def __init__(self, model: MaskRCNN) -> None:
        self.config = model.config
        self._find = _Finding(model)
        self._segment = _Segmenting(model)
        for stage in (self._find, self._segment):
            # XLA is slower on the CPU, and would compile each size of picture anew.
            stage.compile(jit_compile=keras.backend.backend() != "tensorflow")

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Detect objects.

        Args:
            images: pictures (H, W, 3) uint8 of one shape; they go through the network as one batch.

        Returns:
            Detections, one a picture.
        """
        frame = Frame.for_picture(images[0].shape[:2], self.config.min_dim)
        windows = np.tile(np.array(frame.window, np.float32), (len(images), 1))
        batch = {"images": np.stack([frame.place(image) for image in images]), "windows": windows}
        found = self._find.predict_on_batch(batch)
        probs = self._mask_probs(found)
        return [
            Detections(
                frame.to_picture(found["boxes"][i, :count]),
                found["scores"][i, :count],
                found["class_ids"][i, :count],
                probs[i, :count],
                frame.image_shape,
            )
            for i, count in enumerate(found["counts"].tolist())
        ]

    def _mask_probs(self, found: Mapping) -> np.ndarray:
        """Return mask probabilities (B, most objects of a picture, S, S) float16."""
        side = 2 * self.config.mask_pool_size
        most = int(found["counts"].max())
        probs = np.zeros((len(found["boxes"]), most, side, side), np.float16)
        for first in range(0, most, MASKS_AT_ONCE):
            last = min(first + MASKS_AT_ONCE, most)
            some = {name: _padded(found[name][:, first:last], MASKS_AT_ONCE) for name in ("boxes", "class_ids")}
            probs[:, first:last] = self._segment.predict_on_batch({"features": found["features"], **some})[
                :, : last - first
            ]
        return probs


class _Finding(keras.Model):
    """Pictures to boxes, and the features that the masks need."""

    def __init__(self, model: MaskRCNN) -> None:
        super().__init__(name="finding")
        self.model = model

    def call(self, inputs: Mapping) -> dict:
        features, proposals = self.model.propose(inputs["images"])
        boxes, scores, class_ids, counts = self.model.detect(features, proposals, inputs["windows"])
        return {"features": features, "boxes": boxes, "scores": scores, "class_ids": class_ids, "counts": counts}


class _Segmenting(keras.Model):
    """Features and boxes to mask probabilities."""

    def __init__(self, model: MaskRCNN) -> None:
        super().__init__(name="segmenting")
        self.model = model

    def call(self, inputs: Mapping):
        return self.model.segment(inputs["features"], inputs["boxes"], inputs["class_ids"])


def _padded(rows: np.ndarray, length: int) -> np.ndarray:
    """Fill (B, n, ...) up to (B, length, ...) with zeros."""
    return np.pad(rows, [(0, 0), (0, length - rows.shape[1])] + [(0, 0)] * (rows.ndim - 2))
