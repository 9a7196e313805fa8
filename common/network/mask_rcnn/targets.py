"""Training targets for anchors and for regions of interest.

All sampling is a `top_k` over random numbers, so that every shape is static.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from common.network.mask_rcnn.box_coding import encode_deltas, pairwise_ious, take_rows
from common.network.tensor import Tensor

POSITIVE_ANCHOR_IOU = 0.7
NEGATIVE_ANCHOR_IOU = 0.3
POSITIVE_ROI_IOU = 0.5


class AnchorTargets(NamedTuple):
    """A sample of an image's anchors; P + Q of them, the first P positive.

    Attributes:
        indices: (B, P + Q) int32, which anchors.
        weights: (B, P + Q) float32, 1 where the row is in use.
        labels: (B, P + Q) int32, 1 = object.
        deltas: (B, P, 4) float32, to the object of each positive.
    """

    indices: Any
    weights: Any
    labels: Any
    deltas: Any


class AnchorMatches(NamedTuple):
    """Which anchors are positive and negative; all others are neutral, and not learnt from.

    Attributes:
        positive: (B, A) bool.
        negative: (B, A) bool.
        objects: (B, A) int32, the object that each anchor overlaps most.
    """

    positive: Any
    negative: Any
    objects: Any


class RoiTargets(NamedTuple):
    """A sample of an image's regions; P + Q of them, the first P positive.

    Attributes:
        rois: (B, P + Q, 4) float32, pixels.
        weights: (B, P + Q) float32, 1 where the row is in use.
        class_ids: (B, P + Q) int32, 0 = background.
        deltas: (B, P, 4) float32.
        instances: (B, P) int32, the object of each positive.
    """

    rois: Any
    weights: Any
    class_ids: Any
    deltas: Any
    instances: Any


class RoiSampling(NamedTuple):
    """How many regions the heads learn from.

    Attributes:
        num_sampled: P + Q.
        positive_ratio: P is at most this share of the sample.
        fill: use all Q negatives; otherwise only as many as keep the ratio.
    """

    num_sampled: int
    positive_ratio: float
    fill: bool


def covered_share(boxes: Tensor, ignored: Tensor) -> Tensor:
    """Return the share of each box that lies on ignored pixels.

    Args:
        boxes: (B, N, 4) float32, pixels, half-open.
        ignored: (B, H, W), 0 or 1.

    Returns:
        (B, N) float32; the pixels that a box only touches count in full.
    """
    height, width = ops.shape(ignored)[1:3]
    sums = ops.cumsum(ops.cumsum(ops.cast(ignored, "float32"), axis=1), axis=2)
    sums = ops.reshape(ops.pad(sums, ((0, 0), (1, 0), (1, 0))), (-1, (height + 1) * (width + 1)))
    limits = ops.cast(ops.stack([height, width]), "float32")
    lows = ops.cast(ops.minimum(ops.maximum(ops.floor(boxes[..., :2]), 0.0), limits), "int32")
    highs = ops.cast(ops.minimum(ops.maximum(ops.ceil(boxes[..., 2:]), 0.0), limits), "int32")
    total = 0.0
    for sign, rows, columns in ((1, highs, highs), (-1, lows, highs), (-1, highs, lows), (1, lows, lows)):
        total = total + sign * ops.take_along_axis(sums, rows[..., 0] * (width + 1) + columns[..., 1], axis=1)
    return total / ops.maximum(ops.prod(boxes[..., 2:] - boxes[..., :2], axis=-1), 1.0)


def ignored_anchors(anchors: Tensor, ignored: Tensor) -> Tensor:
    """Return which anchors (A, 4) an object on the ignored pixels (B, H, W) might make positive or neutral, (B, A)."""
    everywhere = ops.repeat(anchors[None], ops.shape(ignored)[0], axis=0)
    return covered_share(everywhere, ignored) >= NEGATIVE_ANCHOR_IOU


def leave_out_ignored(regions: Tensor, true_boxes: Tensor, ignored: Tensor) -> Tensor:
    """Turn regions that would be negative into padding where an ignored object might have made them positive.

    Args:
        regions: (B, N, 4) float32, pixels; zero rows are padding.
        true_boxes: (B, G, 4) float32, pixels; zero rows are padding.
        ignored: (B, H, W), 0 or 1.

    Returns:
        (B, N, 4) float32.
    """
    positive = ops.max(pairwise_ious(regions, true_boxes), axis=2) >= POSITIVE_ROI_IOU
    free = covered_share(regions, ignored) < POSITIVE_ROI_IOU
    return ops.where((positive | free)[..., None], regions, 0.0)


def match_anchors(anchors: Tensor, true_boxes: Tensor, ignored: Tensor) -> AnchorMatches:
    """Decide what each anchor is to learn.

    An anchor is positive if its IoU with an object is >= 0.7 or that object's highest, negative if it is < 0.3 with
    all and the anchor is not ignored.

    Args:
        anchors: (A, 4) float32, pixels.
        true_boxes: (B, G, 4) float32, pixels; zero rows are padding.
        ignored: (B, A) bool, anchors that an object without a box might have made positive or neutral.

    Source: Ren et al.: Faster R-CNN, 2015, section 3.1.2.
    """
    ious = pairwise_ious(anchors[None], true_boxes)  # (B, A, G)
    best = ops.max(ious, axis=2)
    best_of_object = ops.max(ious, axis=1, keepdims=True)
    # Not `==`: a compiler may compute the same IoU twice, in two ways that differ in the last bit.
    is_best = ops.any((ious >= best_of_object * (1 - 1e-6)) & (ious > 0), axis=2)
    positive = is_best | (best >= POSITIVE_ANCHOR_IOU)
    negative = ~positive & (best < NEGATIVE_ANCHOR_IOU) & ~ignored
    return AnchorMatches(positive, negative, ops.argmax(ious, axis=2))


def anchor_targets(
    anchors: Tensor,
    true_boxes: Tensor,
    noise: Tensor,
    ignored: Tensor,
    *,
    num_sampled: int,
    box_std: Sequence[float],
) -> AnchorTargets:
    """Sample anchors to train on, see `match_anchors`.

    At most half of the sample is positive; negatives fill the rest.

    Args:
        anchors: (A, 4) float32, pixels.
        true_boxes: (B, G, 4) float32, pixels; zero rows are padding.
        noise: (B, A) float32 in [0, 1), random; decides the sample.
        ignored: (B, A) bool, anchors that an object without a box might have made positive or neutral.
        num_sampled: size of the sample.
        box_std: divisors of the deltas.

    Source: Ren et al.: Faster R-CNN, 2015, section 3.1.2.
    """
    positive, negative, objects = match_anchors(anchors, true_boxes, ignored)
    num_positive = num_sampled // 2
    indices, in_use = _sample(positive, noise, num_positive)
    negative_indices, negative_in_use = _sample(negative, noise, num_sampled)
    wanted = num_sampled - ops.sum(in_use, axis=1, keepdims=True)
    negative_in_use = negative_in_use * ops.cast(_ranks(negative_in_use) < wanted, "float32")
    matched = ops.take_along_axis(objects, indices, axis=1)
    deltas = encode_deltas(ops.take(anchors, indices, axis=0), take_rows(true_boxes, matched), box_std)
    labels = ops.concatenate([ops.ones_like(indices), ops.zeros_like(negative_indices)], axis=1)
    return AnchorTargets(
        ops.concatenate([indices, negative_indices], axis=1),
        ops.concatenate([in_use, negative_in_use], axis=1),
        labels,
        deltas,
    )


def roi_targets(
    proposals: Tensor,
    true_boxes: Tensor,
    class_ids: Tensor,
    noise: Tensor,
    sampling: RoiSampling,
    box_std: Sequence[float],
) -> RoiTargets:
    """Sample regions for the heads to train on: positive if the IoU with an object is >= 0.5, else negative.

    Args:
        proposals: (B, N, 4) float32, pixels; zero rows are padding.
        true_boxes: (B, G, 4) float32, pixels; zero rows are padding.
        class_ids: (B, G) int32.
        noise: (B, N) float32 in [0, 1), random; decides the sample.
        sampling: sample size and ratio.
        box_std: divisors of the deltas.

    Source: Girshick: Fast R-CNN, 2015, section 2.3; `fill=False` is the Mask R-CNN library's rule.
    """
    num_sampled, positive_ratio, fill = sampling
    ious = pairwise_ious(proposals, true_boxes)  # (B, N, G)
    best = ops.max(ious, axis=2)
    exists = ops.any(proposals != 0, axis=2)
    positive = exists & (best >= POSITIVE_ROI_IOU)
    num_positive = int(num_sampled * positive_ratio)
    indices, in_use = _sample(positive, noise, num_positive)
    negative_indices, negative_in_use = _sample(exists & ~positive, noise, num_sampled - num_positive)
    if not fill:
        count = ops.sum(in_use, axis=1, keepdims=True)
        wanted = ops.floor(count * (1 / positive_ratio)) - count  # 33 / 0.33 is below 100 in float32
        negative_in_use = negative_in_use * ops.cast(_ranks(negative_in_use) < wanted, "float32")
    matched = ops.take_along_axis(ops.argmax(ious, axis=2), indices, axis=1)
    rois = take_rows(proposals, ops.concatenate([indices, negative_indices], axis=1))
    positive_ids = ops.take_along_axis(class_ids, matched, axis=1) * ops.cast(in_use, class_ids.dtype)
    return RoiTargets(
        rois,
        ops.concatenate([in_use, negative_in_use], axis=1),
        ops.concatenate([positive_ids, ops.zeros_like(negative_indices)], axis=1),
        encode_deltas(rois[:, :num_positive], take_rows(true_boxes, matched), box_std),
        matched,
    )


def mask_targets(
    rois: Tensor, true_boxes: Tensor, mini_masks: Tensor, instances: Tensor, size: int, *, corner_aligned: bool = False
) -> Tensor:
    """Crop each region from its object's mask.

    The samples are the centres of `size` x `size` bins, or, corner-aligned, as many points whose first and last lie
    on the region's corners; the mask's own samples lie in its box likewise.

    Args:
        rois: (B, P, 4) float32, pixels.
        true_boxes: (B, G, 4) float32, pixels.
        mini_masks: (B, G, M, M), 0 or 1: each object's mask over its box.
        instances: (B, P) int32, the object of each region.
        size: S, side of the result.
        corner_aligned: sample as the Mask R-CNN library; then boxes end on their last row and column.

    Returns:
        (B, P, S, S) float32, 0 or 1; sampled bilinearly and rounded, 0 outside the box.
    """
    side = mini_masks.shape[-1]
    boxes = take_rows(true_boxes, instances)
    box_size = ops.maximum(boxes[..., 2:] - boxes[..., :2], 1e-3)
    margin = 0.0 if corner_aligned else 0.5  # from the box's edge to the first sample, in samples
    steps = (ops.arange(size, dtype="float32") + margin) / (size - 1 + 2 * margin)
    points = rois[..., None, :2] + (rois[..., None, 2:] - rois[..., None, :2]) * steps[:, None]  # (B, P, S, 2)
    points = (points - boxes[..., None, :2]) / box_size[..., None, :] * (side - 1 + 2 * margin) - margin
    reach = margin or 1e-3  # rounding must not push a sample on the edge out of the box
    inside = ops.cast((points >= -reach) & (points <= side - 1 + reach), "float32")
    points = ops.clip(points, 0, side - 1)
    low = ops.clip(ops.floor(points), 0, side - 2)
    weight = points - low
    batch, count = mini_masks.shape[0], mini_masks.shape[1]
    if batch is None:
        batch = ops.shape(mini_masks)[0]
    flat = ops.reshape(mini_masks, (-1,))
    first = (ops.arange(batch, dtype="int32")[:, None] * count + instances) * side * side  # (B, P)
    low = ops.cast(low, "int32")
    value = 0.0
    for row in (0, 1):
        for column in (0, 1):
            index = (low[..., 0] + row)[..., :, None] * side + (low[..., 1] + column)[..., None, :]
            row_weight = weight[..., 0] if row else 1 - weight[..., 0]
            column_weight = weight[..., 1] if column else 1 - weight[..., 1]
            corner = ops.cast(ops.take(flat, first[..., None, None] + index), "float32")
            value = value + corner * row_weight[..., :, None] * column_weight[..., None, :]
    value = value * inside[..., 0][..., :, None] * inside[..., 1][..., None, :]
    return ops.cast(value >= 0.5, "float32")


def _sample(candidates: Tensor, noise: Tensor, count: int) -> tuple:
    """Return `count` random candidates of each image: indices (B, count) int32 and whether each is one, float32."""
    priorities, indices = ops.top_k(ops.where(candidates, noise, -1.0), count)
    return ops.cast(indices, "int32"), ops.cast(priorities >= 0, "float32")


def _ranks(rows: Tensor) -> Tensor:
    """Return 0, 1, 2, ... along the second axis, float32, (1, N)."""
    return ops.arange(rows.shape[1], dtype="float32")[None]
