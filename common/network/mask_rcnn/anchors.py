"""Anchors: the reference boxes that proposals start from."""

from collections.abc import Sequence

from keras import ops

from common.network.tensor import Tensor

STRIDES = (4, 8, 16, 32, 64)  # of P2 to P6


def pyramid_anchors(
    image_shape: Sequence, scales: Sequence[float], ratios: Sequence[float], *, offset: float = 0.5
) -> Tensor:
    """Return the anchors of all levels, row by row, the ratios innermost.

    The anchors of cell (i, j) at a stride s are centred on the point ((i + offset) s, (j + offset) s).

    Args:
        image_shape: (height, width), pixels, multiples of 64; numbers or scalar tensors.
        scales: side of the square anchor at strides 4, 8, 16, 32 and 64, pixels.
        ratios: widths over heights.
        offset: of the centre in its cell, cells; 0 in the Mask R-CNN library.

    Returns:
        (A, 4) float32, y1, x1, y2, x2, pixels; they may extend beyond the image.

    Source: Ren et al.: Faster R-CNN, 2015, section 3.1.1.
    """
    levels = [
        _level_anchors(image_shape[0] // stride, image_shape[1] // stride, stride, scale, ratios, offset)
        for stride, scale in zip(STRIDES, scales, strict=True)
    ]
    return ops.concatenate(levels, axis=0)


def _level_anchors(
    num_rows: Tensor, num_columns: Tensor, stride: int, scale: float, ratios: Sequence[float], offset: float
) -> Tensor:
    halves = ops.convert_to_tensor([(scale / ratio**0.5 / 2, scale * ratio**0.5 / 2) for ratio in ratios], "float32")
    y = (ops.cast(ops.arange(num_rows), "float32") + offset) * stride
    x = (ops.cast(ops.arange(num_columns), "float32") + offset) * stride
    y, x = ops.meshgrid(y, x, indexing="ij")
    centres = ops.stack([y, x], axis=-1)[:, :, None, :]  # (rows, columns, 1, 2)
    boxes = ops.concatenate([centres - halves, centres + halves], axis=-1)  # (rows, columns, ratios, 4)
    return ops.reshape(boxes, (-1, 4))
