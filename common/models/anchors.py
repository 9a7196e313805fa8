"""Anchors: the reference boxes that proposals start from."""

from collections.abc import Sequence

from keras import ops

STRIDES = (4, 8, 16, 32, 64)  # of P2 to P6


def pyramid_anchors(image_shape: Sequence, scales: Sequence[float], ratios: Sequence[float]):
    """Return the anchors of all levels, row by row, the ratios innermost.

    An anchor is centred on its cell: cell (i, j) at a stride s on pixel ((i + 0.5) s, (j + 0.5) s).

    Args:
        image_shape: (height, width), pixels, multiples of 64; numbers or scalar tensors.
        scales: side of the square anchor at strides 4, 8, 16, 32 and 64, pixels.
        ratios: widths over heights.

    Returns:
        (A, 4) float32, y1, x1, y2, x2, pixels; they may leave the picture.

    Source: Ren et al.: Faster R-CNN, 2015, section 3.1.1.
    """
    levels = [
        _level_anchors(image_shape[0] // stride, image_shape[1] // stride, stride, scale, ratios)
        for stride, scale in zip(STRIDES, scales, strict=True)
    ]
    return ops.concatenate(levels, axis=0)


def _level_anchors(num_rows, num_columns, stride: int, scale: float, ratios: Sequence[float]):
    halves = ops.convert_to_tensor([(scale / ratio**0.5 / 2, scale * ratio**0.5 / 2) for ratio in ratios], "float32")
    y = (ops.cast(ops.arange(num_rows), "float32") + 0.5) * stride
    x = (ops.cast(ops.arange(num_columns), "float32") + 0.5) * stride
    y, x = ops.meshgrid(y, x, indexing="ij")
    centres = ops.stack([y, x], axis=-1)[:, :, None, :]  # (rows, columns, 1, 2)
    boxes = ops.concatenate([centres - halves, centres + halves], axis=-1)  # (rows, columns, ratios, 4)
    return ops.reshape(boxes, (-1, 4))
