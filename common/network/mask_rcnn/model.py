"""Mask R-CNN: pyramid, proposals, heads, losses."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import keras
from keras import ops

from common.batches.changes import Change
from common.batches.instance_samples import instance_batches
from common.batches.loader import BatchLoader
from common.images.image_set import ImageSet
from common.mask_rcnn_config import MaskRCNNConfig
from common.network.backend import fuse, non_max_suppression
from common.network.devices import batch_uniform
from common.network.loss_model import LossModel
from common.network.mask_rcnn.anchors import pyramid_anchors
from common.network.mask_rcnn.box_coding import (
    clip_to_window,
    decode_deltas,
    end_after_last_pixel,
    end_on_last_pixel,
    take_rows,
)
from common.network.mask_rcnn.heads import build_class_head, build_mask_head, build_rpn
from common.network.mask_rcnn.limits import find_full
from common.network.mask_rcnn.losses import LOSS_NAMES, box_loss, class_loss, mask_loss
from common.network.mask_rcnn.pyramid import build_pyramid
from common.network.mask_rcnn.roi import NUM_LEVELS, build_atlas, corner_aligned_roi, roi_align
from common.network.mask_rcnn.targets import (
    RoiSampling,
    anchor_targets,
    ignored_anchors,
    leave_out_ignored,
    mask_targets,
    roi_targets,
)
from common.network.precision import convolve_in
from common.network.tensor import Tensor

HEADS = "mrcnn_.*|rpn_.*|fpn_.*"


class MaskRCNN(LossModel):
    """Two-stage instance segmentation.

    Called with a training batch (a mapping, see `call`) it returns the five losses; `propose`, `detect` and
    `segment` are the parts of inference. Between them, boxes are half-open in the aligned geometry, and end on their
    last row and column in the library's.

    Source: He et al.: Mask R-CNN, 2017; the defaults of `MaskRCNNConfig` are those of the Mask R-CNN library.
    """

    loss_names: ClassVar[Mapping[str, str]] = dict(
        zip(LOSS_NAMES, ("rpn", "rpn box", "class", "box", "mask"), strict=True)
    )
    layer_groups: ClassVar[Mapping[str, str]] = {
        "heads": HEADS,
        "5+": f"{HEADS}|res5.*|bn5.*",
        "4+": f"{HEADS}|res[45].*|bn[45].*",
        "3+": f"{HEADS}|res[345].*|bn[345].*",
    }

    def __init__(self, config: MaskRCNNConfig) -> None:
        super().__init__(config, name="mask_rcnn")
        self._as_library = config.geometry == "library"
        channels, norm = config.fpn_channels, config.norm
        with convolve_in(config.bfloat16):
            self.pyramid = build_pyramid(config.backbone, norm, channels, config.mean_pixel, config.pixel_std)
            self.rpn = build_rpn(channels, config.rpn_channels, len(config.anchor_ratios))
            self.class_head = build_class_head(
                channels, config.head_channels, config.pool_size, config.num_classes, norm
            )
            self.mask_head = build_mask_head(
                channels, config.mask_channels, config.mask_convs, config.mask_pool_size, config.num_classes, norm
            )
        self.seed_generator = keras.random.SeedGenerator(config.seed)
        self.built = True

    @property
    def random_states(self) -> list:
        """State of the generator that samples anchors and regions."""
        return [self.seed_generator.state]

    def batches(self, images: ImageSet, *, training: bool, change: Change | None = None) -> BatchLoader:
        """Return batches of crops with their objects."""
        return instance_batches(images, self.config, training=training, change=change)

    def call(self, inputs: Mapping, training: bool | None = None) -> dict:
        """Return the five losses of a batch.

        Args:
            inputs: images (B, H, W, 3) uint8; boxes (B, G, 4) float32, pixels, padded with zero rows; class_ids (B, G)
                int32; mini_masks (B, G, M, M) uint8; ignored (B, H, W) uint8, 1 where objects lie that have no row.
            training: passed on to the layers.

        Returns:
            Scalars, by the names in `LOSS_NAMES`.
        """
        config = self.config
        images, true_boxes = inputs["images"], inputs["boxes"]
        features = self.pyramid(images, training=training)
        logits, deltas = self._rpn_outputs(features, training)
        anchors = self._anchors(images)
        choose = partial(anchor_targets, num_sampled=config.rpn_train_anchors, box_std=config.box_std)
        ignored = ignored_anchors(anchors, inputs["ignored"])
        sampled = fuse(choose)(anchors, true_boxes, self._noise(logits), ignored)
        num_positive = config.rpn_train_anchors // 2
        positive, positive_weights = sampled.indices[:, :num_positive], sampled.weights[:, :num_positive]
        losses = [
            class_loss(take_rows(logits, sampled.indices), sampled.labels, sampled.weights),
            box_loss(take_rows(deltas, positive), sampled.deltas, positive_weights),
        ]
        proposals = self._proposals(logits, deltas, anchors, images, config.train_proposals)
        losses += self._head_losses(features, ops.stop_gradient(proposals), inputs, training)
        return dict(zip(LOSS_NAMES, losses, strict=True))

    def propose(self, images: Tensor) -> tuple:
        """Return the pyramid's atlas and the proposals (B, N, 4), float32, pixels, of images (B, H, W, 3) uint8."""
        features = self.pyramid(images, training=False)
        logits, deltas = self._rpn_outputs(features, False)
        proposals = self._proposals(logits, deltas, self._anchors(images), images, self.config.detect_proposals)
        return build_atlas(features[:NUM_LEVELS]), proposals

    def find(self, images: Tensor, windows: Tensor) -> tuple[Any, dict[str, Any]]:
        """Detect objects, without their masks.

        Args:
            images: (B, H, W, 3) uint8, sides multiples of 64.
            windows: see `detect`.

        Returns:
            The atlas, for `segment`; and by name what `detect` returns, `mask_boxes`, the boxes for `segment`, and
            `full`, see `find_full`.
        """
        atlas, proposals = self.propose(images)
        boxes, scores, class_ids, counts = self.detect(atlas, proposals, windows)
        num_skipped = ops.shape(self._anchors(images))[0] - self.config.pre_nms_limit
        full = find_full(self.half_open(boxes), counts, self.half_open(proposals), num_skipped)
        found = {"boxes": boxes, "scores": scores, "class_ids": class_ids, "counts": counts, "full": full}
        return atlas, found | {"mask_boxes": self.mask_regions(boxes, images)}

    def detect(self, atlas: Tensor, proposals: Tensor, windows: Tensor) -> tuple:
        """Classify and refine proposals.

        Args:
            atlas: the pyramid's, see `build_atlas`.
            proposals: (B, N, 4) float32, pixels.
            windows: (B, 4) float32, the part of each image that is not padding, pixels, half-open.

        Returns:
            boxes (B, D, 4) float32, pixels; scores (B, D) float32, descending; class_ids (B, D) int32; counts (B,)
            int32. Rows beyond an image's count are zero.
        """
        config = self.config
        shape = ops.shape(proposals)
        regions = self._pool(atlas, proposals, config.pool_size)
        logits, deltas = self.class_head(regions, training=False)
        probs = ops.reshape(ops.softmax(logits, axis=-1), (shape[0], shape[1], config.num_classes))
        deltas = ops.reshape(deltas, (shape[0], shape[1], config.num_classes, 4))
        best, columns = (part[..., 0] for part in ops.top_k(probs[..., 1:], 1))  # (B, N) each, without background
        class_ids = columns + 1  # ONNX cannot express Keras' argmax
        picked = ops.take_along_axis(deltas, class_ids[..., None, None], axis=2)[:, :, 0]
        boxes = clip_to_window(decode_deltas(proposals, picked, config.box_std), self._corners(windows))
        of_class = ops.one_hot(columns, config.num_classes - 1)
        # Skip padding proposals and boxes that clipping leaves empty.
        exists = ops.all((proposals[..., 2:] > proposals[..., :2]) & (boxes[..., 2:] > boxes[..., :2]), axis=-1)
        if self._as_library:  # it drops what is more likely background, however low the threshold
            exists = exists & (best > probs[..., 0])
        boxes, scores, columns, counts = non_max_suppression(
            boxes,
            probs[..., 1:] * of_class * ops.cast(exists, "float32")[..., None],
            max_output=config.max_detections,
            iou_threshold=config.detection_nms_threshold,
            score_threshold=config.confidence,
        )
        return boxes, scores, columns + ops.cast(scores > 0, "int32"), counts

    def segment(self, atlas: Tensor, boxes: Tensor, class_ids: Tensor) -> Tensor:
        """Return mask probabilities (B, N, 2 pool, 2 pool) float32 of boxes (B, N, 4) with class ids (B, N)."""
        shape = ops.shape(boxes)
        logits = self.mask_head(self._pool(atlas, boxes, self.config.mask_pool_size), training=False)
        logits = ops.take_along_axis(logits, ops.reshape(class_ids, (-1, 1, 1, 1)), axis=3)[..., 0]
        side = 2 * self.config.mask_pool_size
        return ops.sigmoid(ops.reshape(logits, (shape[0], shape[1], side, side)))

    def mask_regions(self, boxes: Tensor, images: Tensor) -> Tensor:
        """Return the boxes to predict masks in: boxes (B, N, 4) enlarged by `mask_margin`, inside the padded image."""
        margin = self.config.mask_margin * (boxes[..., 2:] - boxes[..., :2])
        grown = ops.concatenate([boxes[..., :2] - margin, boxes[..., 2:] + margin], axis=-1)
        return clip_to_window(grown, self._whole(images))

    def half_open(self, boxes: Tensor) -> Tensor:
        """Turn boxes (B, N, 4) of the model's geometry into half-open ones; zero rows stay."""
        return end_after_last_pixel(boxes) if self._as_library else boxes

    def _head_losses(self, features: Tensor, proposals: Tensor, inputs: Tensor, training: Tensor) -> list:
        config = self.config
        true_boxes = self._corners(inputs["boxes"])
        if config.add_true_boxes:
            proposals = ops.concatenate([proposals, true_boxes], axis=1)
        proposals = leave_out_ignored(proposals, true_boxes, inputs["ignored"])
        sampling = RoiSampling(config.train_rois, config.positive_ratio, config.fill_negatives)
        noise = self._noise(proposals)
        targets = roi_targets(proposals, true_boxes, inputs["class_ids"], noise, sampling, config.box_std)
        atlas = build_atlas(features[:NUM_LEVELS])
        num_positive = targets.instances.shape[1]
        logits, deltas = self.class_head(self._pool(atlas, targets.rois, config.pool_size), training=training)
        positive_ids, weights = targets.class_ids[:, :num_positive], targets.weights[:, :num_positive]
        deltas = ops.reshape(deltas, (-1, config.train_rois, config.num_classes, 4))[:, :num_positive]
        deltas = ops.take_along_axis(deltas, positive_ids[..., None, None], axis=2)[:, :, 0]
        rois = targets.rois[:, :num_positive]
        size = 2 * config.mask_pool_size
        masks = mask_targets(
            rois, true_boxes, inputs["mini_masks"], targets.instances, size, corner_aligned=self._as_library
        )
        mask_logits = self.mask_head(self._pool(atlas, rois, config.mask_pool_size), training=training)
        mask_logits = ops.take_along_axis(mask_logits, ops.reshape(positive_ids, (-1, 1, 1, 1)), axis=3)[..., 0]
        return [
            class_loss(
                ops.reshape(logits, (-1, config.train_rois, config.num_classes)), targets.class_ids, targets.weights
            ),
            box_loss(deltas, targets.deltas, weights),
            mask_loss(mask_logits, ops.reshape(masks, (-1, size, size)), ops.reshape(weights, (-1,))),
        ]

    def _rpn_outputs(self, features: Tensor, training: Tensor) -> tuple:
        """Return logits (B, A, 2) and deltas (B, A, 4) of all levels."""
        outputs = [self.rpn(level, training=training) for level in features]
        return tuple(ops.concatenate(part, axis=1) for part in zip(*outputs, strict=True))

    def _proposals(self, logits: Tensor, deltas: Tensor, anchors: Tensor, images: Tensor, count: int) -> Tensor:
        """Return the best `count` refined anchors (B, count, 4) float32, pixels; padded with zero rows."""
        config = self.config
        scores = ops.softmax(ops.stop_gradient(logits), axis=-1)[..., 1]
        num_anchors = ops.shape(anchors)[0]
        limit = config.pre_nms_limit
        limit = min(limit, num_anchors) if isinstance(num_anchors, int) else ops.minimum(limit, num_anchors)
        scores, indices = ops.top_k(scores, limit)
        boxes = decode_deltas(
            self._corners(ops.take(anchors, indices, axis=0)),
            take_rows(ops.stop_gradient(deltas), indices),
            config.box_std,
        )
        kept, *_ = non_max_suppression(
            clip_to_window(boxes, self._whole(images)),
            scores[..., None],
            max_output=count,
            iou_threshold=config.rpn_nms_threshold,
        )
        return kept

    def _anchors(self, images: Tensor) -> Tensor:
        """Return all anchors, half-open."""
        shape, config = ops.shape(images)[1:3], self.config
        offset = 0.0 if self._as_library else 0.5
        return pyramid_anchors(shape, config.anchor_scales, config.anchor_ratios, offset=offset)

    def _whole(self, images: Tensor) -> Tensor:
        """Return the box of whole images, (1, 4)."""
        height, width = ops.shape(images)[1:3]
        return self._corners(ops.cast(ops.stack([0, 0, height, width]), "float32")[None])

    def _corners(self, boxes: Tensor) -> Tensor:
        """Turn half-open boxes into those of the model's geometry."""
        return end_on_last_pixel(boxes) if self._as_library else boxes

    def _pool(self, atlas: Tensor, boxes: Tensor, size: int) -> Tensor:
        """Return the features of regions (B, N, 4), (B N, size, size, C) float32."""
        return (corner_aligned_roi if self._as_library else roi_align)(atlas, boxes, size)

    def _noise(self, rows: Tensor) -> Tensor:
        """Return a random number in [0, 1) for each row of (B, N, C)."""
        return batch_uniform(ops.shape(rows)[:2], self.seed_generator)
