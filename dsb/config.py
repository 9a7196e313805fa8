"""The figures of the third-place run, and of what a CPU can train."""

import re
from dataclasses import dataclass, replace
from typing import Literal

from common.config import Config, Stage, option
from common.errors import InputError
from common.recipe import from_nothing


@dataclass(frozen=True, kw_only=True)
class DSBConfig(Config):
    """Nuclei, one class; the defaults are the published run's, its first step."""

    name: str = option("001", "names the run's folder under --logs")
    class_names: tuple[str, ...] = option(("nucleus",), "names of the classes 1, 2, ...; background is not one")
    fold: str = option(
        "all",
        "kept for validation: a fold, 0 to 4, or all pictures of a size, such as 256x320; all: train on everything",
    )

    add_true_boxes: bool = option(False, "append the true boxes to the proposals in training")
    fill_negatives: bool = option(False, "use all background regions, not only those that keep the positive ratio")
    train_rois: int = option(600, "regions of a training picture that the heads see", minimum=2)
    schedule: tuple[Stage, ...] = option(
        (Stage(30, 1e-3), Stage(50, 1e-4), Stage(75, 1e-3 / 30)), "stages epochs:learning_rate:layers, epochs as totals"
    )
    confidence: float = option(0.9, "lowest score of a detection", minimum=0, maximum=1)
    detection_nms_threshold: float = option(
        0.2, "detections that overlap a better one more are dropped", minimum=0, maximum=1
    )
    max_detections: int = option(512, "detections of a picture, or of a tile", minimum=1)
    mask_nms_threshold: float = option(
        1.0,
        "a detection that shares more than this part of the smaller mask with a better one is dropped; 1: none",
        minimum=0,
        maximum=1,
    )
    tta: Literal["votes", "majority"] = option(
        "votes",
        "votes: 15 views, of which five must see a pixel; majority: flips, turns and enlargements, of which half must "
        "see an object, whose mask is the mean of theirs",
    )
    dilation: bool = option(True, "grow each mask of a single prediction by one step of binary dilation")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not re.fullmatch(r"[0-4]|all|\d{1,9}x\d{1,9}", self.fold):
            raise InputError(f"--fold {self.fold}: give 0 to 4, all, or height x width, such as 256x320")


# The geometry is not a default of the class: a config.json from before there was a choice means the aligned one.
PUBLISHED = DSBConfig(geometry="library")

# From nothing, on a CPU: small crops of pictures at the published scale.
SMALL = from_nothing(
    PUBLISHED,
    stretch_contrast=True,
    crop_size=256,
    min_zoom=0.75,
    recolour=0.5,
    crop_draws=3,
    max_instances=128,
    rpn_train_anchors=128,
    pre_nms_limit=2000,
    train_proposals=500,
    train_rois=96,
    validation_steps=8,
    # Thresholds and the way to merge: chosen on 60 pictures of fold 1.
    confidence=0.9,
    detection_nms_threshold=0.5,
    mask_nms_threshold=0.4,
    mask_confidence=0.84,
    mask_margin=0.05,
    mask_threshold=0.55,
    tta="majority",
    dilation=False,  # masks of aligned regions are not too small
)

# The same recipe in the published sizes, for 25 minutes on a large GPU.
GPU = replace(
    SMALL,
    trunk="resnet50",
    fpn_channels=256,
    rpn_channels=512,
    head_channels=1024,
    mask_channels=256,
    crop_size=512,
    batch_size=16,
    max_instances=256,
    rpn_train_anchors=256,
    train_proposals=1000,
    train_rois=200,
    warmup_steps=500,
)

# Minutes on a CPU: generated pictures at their own size.
DEMO = replace(
    SMALL,
    min_dim=256,
    crop_size=128,
    batch_size=8,
    train_rois=48,
    ema=0.99,
    warmup_steps=50,
    min_zoom=1.0,
    recolour=0.0,  # generated pictures have the colours that they have
    max_detections=256,
    confidence=0.6,
    mask_confidence=0.0,  # what has learnt for minutes is sure of nothing
)
