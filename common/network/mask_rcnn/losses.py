"""The five losses; each is a mean, 0 if no row counts.

Where several devices share a batch, each returns its share: they add up to the mean over the whole batch, whichever
device has how many of the rows that count.
"""

from keras import ops

from common.network.devices import sum_over_devices
from common.network.tensor import Tensor

LOSS_NAMES = ("rpn_class_loss", "rpn_bbox_loss", "mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss")


def class_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Return the mean cross entropy.

    Args:
        logits: (..., K) float32.
        labels: (...) int32 in [0, K).
        weights: (...) float32, 1 where the row counts.
    """
    log_probs = ops.log_softmax(logits, axis=-1)
    picked = ops.take_along_axis(log_probs, ops.cast(labels, "int32")[..., None], axis=-1)[..., 0]
    return _weighted_mean(-picked, weights)


def box_loss(deltas: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the mean smooth L1 distance, quadratic below 1.

    Args:
        deltas: (..., 4) float32.
        targets: (..., 4) float32.
        weights: (...) float32, 1 where the row counts.

    Source: Girshick: Fast R-CNN, 2015, equation 3.
    """
    distance = ops.abs(deltas - targets)
    smooth = ops.where(distance < 1, 0.5 * distance * distance, distance - 0.5)
    return _weighted_mean(ops.mean(smooth, axis=-1), weights)


def mask_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the mean binary cross entropy of pixels.

    Args:
        logits: (R, S, S) float32, of the true class.
        targets: (R, S, S) float32, 0 or 1.
        weights: (R,) float32, 1 where the mask counts.
    """
    entropy = ops.maximum(logits, 0) - logits * targets + ops.log1p(ops.exp(-ops.abs(logits)))
    return _weighted_mean(ops.mean(entropy, axis=(1, 2)), weights)


def _weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    return ops.sum(values * weights) / ops.maximum(sum_over_devices(ops.sum(weights)), 1.0)
