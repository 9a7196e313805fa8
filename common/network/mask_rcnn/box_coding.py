"""Boxes as tensors: deltas, IoUs, clipping, selection. All boxes are y1, x1, y2, x2 in pixels, float32."""

from collections.abc import Sequence

from keras import ops

from common.network.tensor import Tensor

# Limits a predicted side relative to the anchor's: exp() of a wild delta would overflow to infinity, then NaN.
LARGEST_LOG_SCALE = 4.135  # log(1000 / 16), the bound of Detectron and its successors
SMALLEST_SIDE = 1e-3  # pixels; keeps logarithms and divisions finite for degenerate boxes


def _centre_size(boxes: Tensor) -> tuple:
    size = ops.maximum(boxes[..., 2:] - boxes[..., :2], SMALLEST_SIDE)
    return (boxes[..., :2] + boxes[..., 2:]) / 2, size


def encode_deltas(boxes: Tensor, targets: Tensor, std: Sequence[float]) -> Tensor:
    """Return the deltas from boxes to targets.

    Args:
        boxes: (..., 4) pixels.
        targets: (..., 4) pixels.
        std: 4 divisors.

    Returns:
        (..., 4) dy, dx, log dh, log dw, divided by `std`; finite for any finite boxes.

    Source: Girshick et al.: R-CNN, 2014, equations 6 to 9.
    """
    centre, size = _centre_size(boxes)
    target_centre, target_size = _centre_size(targets)
    deltas = ops.concatenate([(target_centre - centre) / size, ops.log(target_size / size)], axis=-1)
    return deltas / ops.convert_to_tensor(std, "float32")


def decode_deltas(boxes: Tensor, deltas: Tensor, std: Sequence[float]) -> Tensor:
    """Apply deltas to boxes: the inverse of `encode_deltas`. All (..., 4)."""
    deltas = deltas * ops.convert_to_tensor(std, "float32")
    centre, size = _centre_size(boxes)
    centre = centre + deltas[..., :2] * size
    half = size * ops.exp(ops.minimum(deltas[..., 2:], LARGEST_LOG_SCALE)) / 2
    return ops.concatenate([centre - half, centre + half], axis=-1)


def end_on_last_pixel(boxes: Tensor) -> Tensor:
    """Turn half-open boxes (..., 4) into those that end on their last row and column; zero rows stay.

    Source: the Mask R-CNN library, which divides such boxes by the image's last row and column.
    """
    return boxes - _last_pixel(boxes)


def end_after_last_pixel(boxes: Tensor) -> Tensor:
    """Turn boxes (..., 4) that end on their last row and column into half-open ones; zero rows stay."""
    return boxes + _last_pixel(boxes)


def _last_pixel(boxes: Tensor) -> Tensor:
    """Return (0, 0, 1, 1) for each box, zeros for zero rows."""
    exists = ops.cast(ops.any(boxes != 0, axis=-1, keepdims=True), "float32")
    return exists * ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0])


def clip_to_window(boxes: Tensor, window: Tensor) -> Tensor:
    """Clip boxes (B, N, 4) to one window per image, (B, 4) pixels."""
    low = ops.concatenate([window[:, :2], window[:, :2]], axis=-1)[:, None]
    high = ops.concatenate([window[:, 2:], window[:, 2:]], axis=-1)[:, None]
    return ops.minimum(ops.maximum(boxes, low), high)


def pairwise_ious(boxes: Tensor, others: Tensor) -> Tensor:
    """Return intersections over unions, (B, N, 4) and (B, M, 4) to (B, N, M); 0 where either box is empty."""
    y1, x1, y2, x2 = (boxes[..., None, i] for i in range(4))
    other_y1, other_x1, other_y2, other_x2 = (others[..., None, :, i] for i in range(4))
    height = ops.maximum(ops.minimum(y2, other_y2) - ops.maximum(y1, other_y1), 0)
    width = ops.maximum(ops.minimum(x2, other_x2) - ops.maximum(x1, other_x1), 0)
    intersection = height * width
    union = (y2 - y1) * (x2 - x1) + (other_y2 - other_y1) * (other_x2 - other_x1) - intersection
    return intersection / ops.maximum(union, 1e-6)


def take_rows(values: Tensor, indices: Tensor) -> Tensor:
    """Pick rows of each image: (B, N, C) and (B, K) to (B, K, C)."""
    return ops.take_along_axis(values, indices[..., None], axis=1)
