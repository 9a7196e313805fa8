"""RoIAlign over the feature pyramid."""

from collections.abc import Sequence

import numpy as np
from keras import ops

from common.network.backend import crop_and_resize
from common.network.mask_rcnn.anchors import STRIDES
from common.network.tensor import Tensor

CANONICAL_SIZE = 224  # pixels; a region of this size is read from P4
SAMPLES = 2  # points per bin and axis
NUM_LEVELS = 4  # P2 to P5


def roi_level(boxes: Tensor) -> Tensor:
    """Return the pyramid level that serves each region, 0 for P2 to 3 for P5.

    Args:
        boxes: (..., 4) float32, pixels.

    Returns:
        (...) int32.

    Source: Lin et al.: Feature Pyramid Networks, 2017, equation 1 (rounded as in the Mask R-CNN library).
    """
    area = ops.maximum((boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]), 1.0)
    level = ops.round(ops.log(ops.sqrt(area) / CANONICAL_SIZE) / np.log(2.0)) + 2
    return ops.cast(ops.clip(level, 0, NUM_LEVELS - 1), "int32")


def build_atlas(features: Sequence) -> Tensor:
    """Lay P2 to P5 side by side, in float32, so that one operation reads regions of every level.

    P2 is on the left; P3, P4 and P5 are stacked on the right. Each is framed by a copy of its border, so that points
    up to one cell outside read the border's value.

    Args:
        features: P2 to P5, (B, H / stride, W / stride, C).

    Returns:
        (B, H / 4 + 6, 3 W / 8 + 4, C) float32.
    """
    # Four rows remain below P2; filling them with its last row, too, saves a pass.
    below = (5, 1, 1, 1)
    framed = [_frame(ops.cast(level, "float32"), rows) for level, rows in zip(features, below, strict=True)]
    heights, widths = zip(*(ops.shape(level)[1:3] for level in features), strict=True)
    column = [_pad_zeros(level, 0, widths[1] - width) for level, width in zip(framed[1:], widths[1:], strict=True)]
    right = _pad_zeros(ops.concatenate(column, axis=1), heights[3], 0)  # heights: 1/2 + 1/4 + 1/8 + 1/8 = 1
    return ops.concatenate([framed[0], right], axis=2)


def roi_align(atlas: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Pool each region to `size` x `size` bins, each the mean of 2 x 2 bilinear samples.

    Args:
        atlas: the pyramid's, see `build_atlas`.
        boxes: (B, N, 4) float32, pixels, inside the image.
        size: bins per side.

    Returns:
        (B N, size, size, C) float32.

    Source: He et al.: Mask R-CNN, 2017, section 3; with the half-cell offset of later implementations.
    """
    boxes = ops.stop_gradient(boxes)
    level = roi_level(boxes)
    stride = ops.take(ops.convert_to_tensor(STRIDES[:NUM_LEVELS], "float32"), level)[..., None]
    cells = boxes / stride - 0.5
    step = (cells[..., 2:] - cells[..., :2]) / (SAMPLES * size)
    corners = ops.concatenate([cells[..., :2] + step / 2, cells[..., 2:] - step / 2], axis=-1)
    samples = _sample_levels(atlas, level, corners, SAMPLES * size)
    return ops.average_pool(samples, SAMPLES, SAMPLES)


def corner_aligned_roi(atlas: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Pool each region to `size` x `size` bilinear samples, the first and last on the region's corners.

    The image's first and last pixel lie on the first and last cell of every level.

    Args:
        atlas: the pyramid's, see `build_atlas`.
        boxes: (B, N, 4) float32, pixels, inside the image, ending on their last row and column.
        size: samples per side, at least 2.

    Returns:
        (B N, size, size, C) float32.

    Source: the Mask R-CNN library's PyramidROIAlign.
    """
    boxes = ops.stop_gradient(boxes)
    shapes = ops.cast(ops.stack([ops.stack(shape) for shape in _level_shapes(atlas)]), "float32")  # (4, 2)
    image_shape, last_cells = STRIDES[0] * shapes[0], shapes - 1
    level = roi_level(boxes * _twice(image_shape / (image_shape - 1)))
    scales = ops.take(last_cells / (image_shape - 1), level, axis=0)  # (B, N, 2) cells a pixel
    return _sample_levels(atlas, level, boxes * _twice(scales), size)


def _sample_levels(atlas: Tensor, level: Tensor, corners: Tensor, size: int) -> Tensor:
    """Sample `size` x `size` points between corners (B, N, 4), in cells of the level (B, N) int32."""
    origins = ops.take(_atlas_origins(atlas), level, axis=0)  # (B, N, 2)
    corners = ops.reshape(corners + _twice(origins), (-1, 4))
    batch, num_boxes = ops.shape(level)
    indices = ops.repeat(ops.arange(batch, dtype="int32"), num_boxes)
    return crop_and_resize(atlas, corners, indices, size)


def _twice(pairs: Tensor) -> Tensor:
    """Repeat rows and columns, (..., 2), for both corners of a box, (..., 4)."""
    return ops.concatenate([pairs, pairs], axis=-1)


def _frame(level: Tensor, below: int) -> Tensor:
    """Repeat the border cells of (B, H, W, C) once on every side, and `below` times at the bottom."""
    level = ops.concatenate([level[:, :1], level, *[level[:, -1:]] * below], axis=1)
    return ops.concatenate([level[:, :, :1], level, level[:, :, -1:]], axis=2)


def _pad_zeros(level: Tensor, below: Tensor, right: Tensor) -> Tensor:
    return ops.pad(level, ((0, 0), (0, below), (0, right), (0, 0)))


def _level_shapes(atlas: Tensor) -> list[tuple]:
    """Return the height and width of P2 to P5 in cells."""
    height, width = ops.shape(atlas)[1:3]
    return [((height - 6) // 2**level, (width - 4) // 3 * 2 // 2**level) for level in range(NUM_LEVELS)]


def _atlas_origins(atlas: Tensor) -> Tensor:
    """Return the position of each level's first cell in the atlas, (4, 2) float32 rows and columns."""
    (_, width), (third, _), (fourth, _), _ = _level_shapes(atlas)
    column = width + 3
    origins = [(1, 1), (1, column), (third + 3, column), (third + fourth + 5, column)]
    return ops.cast(ops.stack([ops.stack([row, column]) for row, column in origins]), "float32")
