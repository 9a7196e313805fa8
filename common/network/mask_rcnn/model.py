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
from common.network.backend import fuse, non_max_suppression
from common.network.devices import batch_uniform, by_image
from common.network.loss_model import LossModel
from common.network.mask_rcnn.anchors import pyramid_anchors
from common.network.mask_rcnn.box_coding import (
    clip_to_window,
    end_after_last_pixel,
    end_on_last_pixel,
    take_rows,
)
from common.network.mask_rcnn.heads import build_class_head, build_mask_head, build_rpn
from common.network.mask_rcnn.limits import find_full
from common.network.mask_rcnn.losses import LOSS_NAMES, box_loss, class_loss, mask_loss
from common.network.mask_rcnn.pyramid import build_pyramid
from common.network.mask_rcnn.regions import Classified, RankedAnchors, classify_regions, rank_anchors
from common.network.mask_rcnn.roi import NUM_LEVELS, build_atlas, corner_aligned_roi, roi_align
from common.network.mask_rcnn.targets import (
    AnchorTargets,
    RoiSampling,
    RoiTargets,
    anchor_targets,
    ignored_anchors,
    leave_out_ignored,
    mask_targets,
    roi_targets,
)
from common.network.precision import convolve_in
from common.network.tensor import Tensor
from common.settings.mask_rcnn import MaskRCNNConfig

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
        images = inputs["images"]
        features = self.pyramid(images, training=training)
        logits, deltas = self.rpn_outputs(features, training)
        anchors = self.anchors(images)
        sampled = self.sample_anchors(anchors, inputs)
        num_positive = config.rpn_train_anchors // 2
        positive, positive_weights = sampled.indices[:, :num_positive], sampled.weights[:, :num_positive]
        losses = [
            class_loss(take_rows(logits, sampled.indices), sampled.labels, sampled.weights),
            box_loss(take_rows(deltas, positive), sampled.deltas, positive_weights),
        ]
        proposals = self.suppress_anchors(self.rank_anchors(logits, deltas, images), config.train_proposals)
        losses += self._head_losses(features, ops.stop_gradient(proposals), inputs, training)
        return dict(zip(LOSS_NAMES, losses, strict=True))

    def propose(self, images: Tensor) -> tuple:
        """Return the pyramid's atlas and the proposals (B, N, 4), float32, pixels, of images (B, H, W, 3) uint8."""
        features = self.pyramid(images, training=False)
        ranked = self.rank_anchors(*self.rpn_outputs(features, False), images)
        proposals = self.suppress_anchors(ranked, self.config.detect_proposals)
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
        return atlas, self.complete(self.detect(atlas, proposals, windows), proposals, images)

    def complete(self, detected: tuple, proposals: Tensor, images: Tensor) -> dict[str, Any]:
        """Return detections by name, with what `find` adds to them; `detected` as from `detect`."""
        boxes, scores, class_ids, counts = detected
        num_skipped = ops.shape(self.anchors(images))[0] - self.config.pre_nms_limit
        full = find_full(self.half_open(boxes), counts, self.half_open(proposals), num_skipped)
        found = {"boxes": boxes, "scores": scores, "class_ids": class_ids, "counts": counts, "full": full}
        return found | {"mask_boxes": self.mask_regions(boxes, images)}

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
        return self.suppress_regions(self.classify(atlas, proposals, windows))

    def classify(self, atlas: Tensor, proposals: Tensor, windows: Tensor) -> Classified:
        """Return class and refined box of each proposal, before suppression; arguments as for `detect`."""
        config = self.config
        logits, deltas = self.class_head(self._pool(atlas, proposals, config.pool_size), training=False)
        return classify_regions(
            logits,
            deltas,
            proposals,
            self._corners(windows),
            box_std=config.box_std,
            unlikely=not self._as_library,
        )

    def suppress_regions(self, classified: Classified) -> tuple:
        """Return the best of each class, see `detect`."""
        config = self.config
        boxes, scores, columns, counts = non_max_suppression(
            classified.boxes,
            classified.columns,
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

    def sample_anchors(self, anchors: Tensor, inputs: Mapping) -> AnchorTargets:
        """Sample anchors (A, 4) to train on; `inputs` as for `call`."""
        config = self.config
        choose = partial(anchor_targets, num_sampled=config.rpn_train_anchors, box_std=config.box_std)
        ignored = ignored_anchors(anchors, inputs["ignored"])
        return by_image(partial(fuse(choose), anchors))(inputs["boxes"], self._noise(ignored), ignored)

    def sample_regions(self, proposals: Tensor, inputs: Mapping) -> tuple[RoiTargets, Tensor]:
        """Sample proposals (B, N, 4) for the heads to train on, `inputs` as for `call`; and the masks of positives."""
        config = self.config
        true_boxes = self._corners(inputs["boxes"])
        if config.add_true_boxes:
            proposals = ops.concatenate([proposals, true_boxes], axis=1)
        proposals = leave_out_ignored(proposals, true_boxes, inputs["ignored"])
        sampling = RoiSampling(config.train_rois, config.positive_ratio, config.fill_negatives)
        noise = self._noise(proposals)
        choose = partial(roi_targets, sampling=sampling, box_std=config.box_std)
        targets = by_image(choose)(proposals, true_boxes, inputs["class_ids"], noise)
        rois = targets.rois[:, : targets.instances.shape[1]]
        crop = partial(mask_targets, size=2 * config.mask_pool_size, corner_aligned=self._as_library)
        return targets, by_image(crop)(rois, true_boxes, inputs["mini_masks"], targets.instances)

    def _head_losses(self, features: Tensor, proposals: Tensor, inputs: Tensor, training: Tensor) -> list:
        config = self.config
        targets, masks = self.sample_regions(proposals, inputs)
        atlas = build_atlas(features[:NUM_LEVELS])
        num_positive = targets.instances.shape[1]
        logits, deltas = self.class_head(self._pool(atlas, targets.rois, config.pool_size), training=training)
        positive_ids, weights = targets.class_ids[:, :num_positive], targets.weights[:, :num_positive]
        deltas = ops.reshape(deltas, (-1, config.train_rois, config.num_classes, 4))[:, :num_positive]
        deltas = ops.take_along_axis(deltas, positive_ids[..., None, None], axis=2)[:, :, 0]
        rois = targets.rois[:, :num_positive]
        mask_logits = self.mask_head(self._pool(atlas, rois, config.mask_pool_size), training=training)
        mask_logits = ops.take_along_axis(mask_logits, ops.reshape(positive_ids, (-1, 1, 1, 1)), axis=3)[..., 0]
        size = 2 * config.mask_pool_size
        return [
            class_loss(
                ops.reshape(logits, (-1, config.train_rois, config.num_classes)), targets.class_ids, targets.weights
            ),
            box_loss(deltas, targets.deltas, weights),
            mask_loss(mask_logits, ops.reshape(masks, (-1, size, size)), ops.reshape(weights, (-1,))),
        ]

    def rpn_outputs(self, features: Tensor, training: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, A, 2), background first, and deltas (B, A, 4) of all levels."""
        outputs = [self.rpn(level, training=training) for level in features]
        logits, deltas = (ops.concatenate(part, axis=1) for part in zip(*outputs, strict=True))
        return logits, deltas

    def rank_anchors(
        self, logits: Tensor, deltas: Tensor, images: Tensor, limit: Tensor | None = None
    ) -> RankedAnchors:
        """Return the best anchors of images (B, H, W, 3), refined, by default as many as the config keeps."""
        config, anchors = self.config, self._corners(self.anchors(images))
        window = self._whole(images)
        limit = config.pre_nms_limit if limit is None else limit
        rank = partial(rank_anchors, anchors=anchors, window=window, limit=limit, box_std=config.box_std)
        return by_image(rank)(logits, deltas)

    def suppress_anchors(self, ranked: RankedAnchors, count: int) -> Tensor:
        """Return the best `count` refined anchors (B, count, 4) float32, pixels; padded with zero rows."""
        keep = partial(non_max_suppression, max_output=count, iou_threshold=self.config.rpn_nms_threshold)
        return by_image(keep)(ranked.clipped, ranked.scores[..., None])[0]

    def anchors(self, images: Tensor) -> Tensor:
        """Return all anchors of images (B, H, W, 3), (A, 4) float32, pixels, half-open."""
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
        pool = corner_aligned_roi if self._as_library else roi_align
        return by_image(partial(pool, size=size))(atlas, boxes)

    def _noise(self, rows: Tensor) -> Tensor:
        """Return a random number in [0, 1) for each row of (B, N, ...)."""
        return batch_uniform(ops.shape(rows)[:2], self.seed_generator)
