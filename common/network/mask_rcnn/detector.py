"""Detection: images in, objects out."""

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
from keras import ops

from common.masks.crops import mean_inside
from common.network.backend import compile_for_prediction, predicts_in_threads
from common.network.mask_rcnn.model import MaskRCNN
from common.network.tensor import Tensor
from common.network.weights import load_weights
from common.prediction.detections import Detections, Frame
from common.settings.mask_rcnn import MaskRCNNConfig

BATCH_PIXELS = 1 << 20  # per batch, to bound its memory: four images of 512x512
MASKS_AT_ONCE = 20  # detections per image that the mask head processes at a time


class Detector:
    """Applies a model to images of any size, in frames whose sides are multiples of 64.

    TensorFlow traces the model once; other backends compile it anew for each shape of a batch.

    Args:
        model: with its weights; its config has thresholds and scales.
    """

    def __init__(self, model: MaskRCNN) -> None:
        self.config = model.config
        self._model = _Detecting(model)
        inputs = {"images": ((None, None, None, 3), "uint8"), "windows": ((None, 4), "float32")}
        compile_for_prediction(self._model, inputs)
        self._alone = threading.Lock()

    def __call__(self, images: Iterable[np.ndarray], scale: float | None = None) -> list[Detections]:
        """Detect objects.

        Images of one padded shape are batched. Batching depends on this call alone, so the same images give
        bit-identical results.

        Args:
            images: (H, W, 3) uint8 each.
            scale: factor at which to show them, for parts of an image; by default, the config's rules choose it.

        Returns:
            Detections, one per image.
        """
        images = list(images)
        frames = [self._frame(image.shape[:2], scale) for image in images]
        found: dict[int, Detections] = {}
        for rows in _batches([frame.padded_shape for frame in frames]):
            found |= zip(rows, self._detect([images[i] for i in rows], [frames[i] for i in rows]), strict=True)
        return [found[i] for i in range(len(images))]

    def _frame(self, image_shape: tuple[int, int], scale: float | None) -> Frame:
        if scale is not None:
            return Frame.at_scale(image_shape, scale)
        config = self.config
        return Frame.for_image(image_shape, config.min_dim, config.max_dim, config.longest_strip)

    def _detect(self, images: Sequence[np.ndarray], frames: Sequence[Frame]) -> Iterator[Detections]:
        """Detect objects in images of one padded shape."""
        padding = self.config.padding
        placed = np.stack([frame.place(image, padding) for frame, image in zip(frames, images, strict=True)])
        windows = np.array([frame.window for frame in frames], np.float32)
        # Run oversized images one at a time to bound memory, whatever the backend allows.
        side_by_side = predicts_in_threads() and placed[..., 0].size <= BATCH_PIXELS
        with contextlib.nullcontext() if side_by_side else self._alone:
            found = self._model.predict_on_batch({"images": placed, "windows": windows})
        for row, frame in enumerate(frames):
            yield read_detections(found, row, frame, self.config)


def read_detections(
    found: Mapping[str, np.ndarray], row: int, frame: Frame, config: MaskRCNNConfig, *, unsure: bool = False
) -> Detections:
    """Return the detections of one image of a batch, in pixels of the image.

    Args:
        found: what `MaskRCNN.find` returned for the batch, and `mask_probs`, see `segment_in_rounds`; as arrays.
        row: of the image in the batch.
        frame: of the image.
        config: of the model.
        unsure: keep detections whose mask is less sure than `mask_confidence`.
    """
    count = int(found["counts"][row])
    probs = found["mask_probs"][:, row].reshape(-1, *found["mask_probs"].shape[3:])[:count]
    sure = np.ones(count, bool) if unsure else mean_inside(probs) >= config.mask_confidence
    scores, class_ids = (found[name][row, :count][sure] for name in ("scores", "class_ids"))
    as_library = config.geometry == "library"
    to_image = frame.corners_to_image if as_library else frame.to_image
    boxes, mask_boxes = (to_image(found[name][row, :count][sure]) for name in ("boxes", "mask_boxes"))
    probs = probs[sure].astype(np.float16)
    full = bool(found["full"][row])
    return Detections(boxes, scores, class_ids, probs, frame.image_shape, as_library, mask_boxes, frame.scale, full)


def load_detector(config: MaskRCNNConfig, weights: Path) -> Detector:
    """Build a model with weights from a file, ready to detect."""
    model = MaskRCNN(config)
    load_weights(model, weights)
    return Detector(model)


class _Detecting(keras.Model):
    """Images to boxes, scores, class ids, counts, mask probabilities, and whether they are full."""

    def __init__(self, model: MaskRCNN) -> None:
        super().__init__(name="detecting")
        self.model = model
        self.built = True  # else Keras on JAX runs the first batch layer by layer, compiling each

    def call(self, inputs: Mapping) -> dict:
        atlas, found = self.model.find(inputs["images"], inputs["windows"])
        return found | {"mask_probs": segment_in_rounds(self.model, atlas, found)}


def segment_in_rounds(model: MaskRCNN, atlas: Tensor, found: Mapping[str, Tensor]) -> Tensor:
    """Return mask probabilities of detections, some at a time; unused ones are zeros.

    Args:
        model: whose mask head is used.
        atlas: the pyramid's.
        found: see `MaskRCNN.find`.

    Returns:
        (rounds, B, `MASKS_AT_ONCE`, S, S) float32.
    """
    boxes, class_ids = found["mask_boxes"], found["class_ids"]
    batch, most = ops.shape(boxes)[:2]
    rounds = -(-most // MASKS_AT_ONCE)
    spare = rounds * MASKS_AT_ONCE - most
    boxes = ops.reshape(ops.pad(boxes, ((0, 0), (0, spare), (0, 0))), (batch, rounds, MASKS_AT_ONCE, 4))
    class_ids = ops.reshape(ops.pad(class_ids, ((0, 0), (0, spare))), (batch, rounds, MASKS_AT_ONCE))
    side = 2 * model.config.mask_pool_size
    used = ops.max(found["counts"])

    def some_are_left(i: Tensor, probs: Tensor) -> Tensor:
        return i * MASKS_AT_ONCE < used

    def segment_some(i: Tensor, probs: Tensor) -> tuple:
        some = model.segment(atlas, ops.take(boxes, i, axis=1), ops.take(class_ids, i, axis=1))
        return i + 1, ops.scatter_update(probs, ops.reshape(i, (1, 1)), some[None])

    start = ops.zeros((rounds, batch, MASKS_AT_ONCE, side, side))
    return ops.while_loop(some_are_left, segment_some, (ops.convert_to_tensor(0, "int32"), start))[1]


def _batches(shapes: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Yield rows of equal shapes together, at most a batch and at least one at a time."""
    groups: dict[tuple[int, int], list[int]] = {}
    for i, shape in enumerate(shapes):
        groups.setdefault(shape, []).append(i)
    for (height, width), rows in groups.items():
        size = max(1, BATCH_PIXELS // (height * width))
        for first in range(0, len(rows), size):
            yield rows[first : first + size]
