"""From the network's outputs to boxes with scores, before suppression: of anchors, and of proposals."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from common.network.mask_rcnn.box_coding import clip_to_window, decode_deltas, take_rows
from common.network.tensor import Tensor


class RankedAnchors(NamedTuple):
    """An image's best anchors, best first.

    Attributes:
        indices: (B, K) int32, which anchors.
        scores: (B, K) float32, the probability that there is an object.
        refined: (B, K, 4) float32, after their deltas; may leave the image.
        clipped: (B, K, 4) float32, inside the image.
    """

    indices: Any
    scores: Any
    refined: Any
    clipped: Any


class Classified(NamedTuple):
    """What the class and box head makes of N proposals.

    Attributes:
        probs: (B, N, K) float32, of each class, background first.
        class_ids: (B, N) int32, the most probable class but background.
        boxes: (B, N, 4) float32, refined by that class, inside the window.
        exists: (B, N) bool, whether the row may become a detection; not for padding and empty boxes.
    """

    probs: Any
    class_ids: Any
    boxes: Any
    exists: Any

    @property
    def columns(self) -> Tensor:
        """Scores for suppression, (B, N, K - 1) float32: that of the class in its column, else 0."""
        of_class = ops.one_hot(self.class_ids - 1, self.probs.shape[-1] - 1)
        return self.probs[..., 1:] * of_class * ops.cast(self.exists, "float32")[..., None]


def rank_anchors(
    logits: Tensor, deltas: Tensor, anchors: Tensor, window: Tensor, *, limit: int, box_std: Sequence[float]
) -> RankedAnchors:
    """Refine the best anchors.

    Args:
        logits: (B, A, 2) float32, background first; no gradient passes.
        deltas: (B, A, 4) float32; no gradient passes.
        anchors: (A, 4) float32, pixels.
        window: (1, 4) float32, pixels, to clip to.
        limit: most anchors to keep.
        box_std: divisors of the deltas.
    """
    scores = ops.softmax(ops.stop_gradient(logits), axis=-1)[..., 1]
    num_anchors = ops.shape(anchors)[0]
    limit = min(limit, num_anchors) if isinstance(num_anchors, int) else ops.minimum(limit, num_anchors)
    scores, indices = ops.top_k(scores, limit)
    refined = decode_deltas(ops.take(anchors, indices, axis=0), take_rows(ops.stop_gradient(deltas), indices), box_std)
    return RankedAnchors(indices, scores, refined, clip_to_window(refined, window))


def classify_regions(
    logits: Tensor,
    deltas: Tensor,
    proposals: Tensor,
    windows: Tensor,
    *,
    box_std: Sequence[float],
    unlikely: bool = True,
) -> Classified:
    """Choose each proposal's class, and refine its box by that class.

    Args:
        logits: (B N, K) float32, background first.
        deltas: (B N, K, 4) float32.
        proposals: (B, N, 4) float32, pixels; zero rows are padding.
        windows: (B, 4) float32, pixels, to clip to.
        box_std: divisors of the deltas.
        unlikely: keep what is more likely background, which the Mask R-CNN library drops, however low the threshold.
    """
    batch, count = ops.shape(proposals)[:2]
    num_classes = logits.shape[-1]
    probs = ops.reshape(ops.softmax(logits, axis=-1), (batch, count, num_classes))
    deltas = ops.reshape(deltas, (batch, count, num_classes, 4))
    best, columns = (part[..., 0] for part in ops.top_k(probs[..., 1:], 1))  # (B, N) each, without background
    class_ids = columns + 1  # ONNX cannot express Keras' argmax
    picked = ops.take_along_axis(deltas, class_ids[..., None, None], axis=2)[:, :, 0]
    boxes = clip_to_window(decode_deltas(proposals, picked, box_std), windows)
    # Skip padding proposals and boxes that clipping leaves empty.
    exists = ops.all((proposals[..., 2:] > proposals[..., :2]) & (boxes[..., 2:] > boxes[..., :2]), axis=-1)
    return Classified(probs, class_ids, boxes, exists if unlikely else exists & (best > probs[..., 0]))
