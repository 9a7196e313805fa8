"""A network small enough for tests, and batches for it."""

import numpy as np

from common.batches.instance_samples import mini_masks
from common.masks.boxes import label_boxes
from common.settings.config import Stage
from common.settings.mask_rcnn import MaskRCNNConfig

TINY = MaskRCNNConfig(
    name="tiny",
    min_dim=64,
    crop_size=64,
    pixel_std=58.0,
    augment=False,
    mini_mask_size=28,
    max_instances=4,
    backbone="small",
    norm="group",
    fpn_channels=32,
    rpn_channels=32,
    head_channels=64,
    mask_channels=32,
    mask_convs=1,
    rpn_train_anchors=32,
    pre_nms_limit=100,
    train_proposals=30,
    detect_proposals=30,
    train_rois=16,
    max_detections=10,
    confidence=0.0,
    optimizer="adamw",
    weight_decay=0.0,
    batch_size=2,
    schedule=(Stage(1, 1e-3),),
)


def empty_batch(config: MaskRCNNConfig, batch_size: int, side: int | None = None) -> dict[str, np.ndarray]:
    """Return a training batch of black images without objects."""
    side, count, size = side or config.crop_size, config.max_instances, config.mini_mask_size
    return {
        "images": np.zeros((batch_size, side, side, 3), np.uint8),
        "boxes": np.zeros((batch_size, count, 4), np.float32),
        "class_ids": np.zeros((batch_size, count), np.int32),
        "mini_masks": np.zeros((batch_size, count, size, size), np.uint8),
        "ignored": np.zeros((batch_size, side, side), np.uint8),
    }


def label_batch(config: MaskRCNNConfig, label_images: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Return a training batch of images with objects of class 1, brighter than the background."""
    batch = empty_batch(config, len(label_images), len(label_images[0]))
    for row, label_image in enumerate(label_images):
        labels, boxes = label_boxes(label_image)
        batch["images"][row] = np.where(label_image[..., None] > 0, 190, 50)
        batch["boxes"][row, : len(labels)] = boxes
        batch["class_ids"][row, : len(labels)] = 1
        batch["mini_masks"][row, : len(labels)] = mini_masks(label_image, labels, boxes, config.mini_mask_size)
    return batch


def disc_labels(side: int, discs: list[tuple[int, int, int]]) -> np.ndarray:
    """Return a label image of discs given as (y, x, radius)."""
    y, x = np.mgrid[:side, :side]
    label_image = np.zeros((side, side), np.int32)
    for label, (centre_y, centre_x, radius) in enumerate(discs, start=1):
        label_image[(y - centre_y) ** 2 + (x - centre_x) ** 2 <= radius**2] = label
    return label_image
