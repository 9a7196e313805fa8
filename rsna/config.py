"""Hyperparameters of the known runs on chest radiographs, and of runs on a CPU."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from common.settings.config import Stage
from common.settings.mask_rcnn import SEPARATION, MaskRCNNConfig
from common.settings.options import option
from common.settings.recipe import NARROW, from_scratch

# The augmentations of `rsna/augmentation.py` have their own ranges; images are never tiled; predictions have no masks.
NO_EFFECT = frozenset(
    (
        "rotation_range",
        "channel_shift_range",
        "upright",
        "max_whole_side",
        "tile_size",
        "tile_overlap",
        "look_again",
        "mask_threshold",
    )
)


@dataclass(frozen=True, kw_only=True)
class RSNAConfig(MaskRCNNConfig):
    """Lung opacities, one class; the defaults are those that all known runs share."""

    unused: ClassVar[frozenset[str]] = SEPARATION | NO_EFFECT

    name: str = "pneumonia"
    class_names: tuple[str, ...] = ("Lung Opacity",)
    fold: Literal["0", "1", "2", "3", "4", "all"] = option("0", "held-out fold; all: train on everything")
    negatives: Literal["all", "even", "none"] = option(
        "all",
        "patients without boxes: train on all; even: repeat those with boxes to match; none: leave them out",
        only="training",
    )

    min_dim: int = option(256, "shorter side that scales are relative to, pixels", minimum=64, maximum=1024)
    downscale: bool = option(True, "shrink larger images to --min-dim, by area averaging")
    crop_size: int = option(
        256, "side of a training crop, pixels, a multiple of 64", minimum=64, maximum=1024, only="training"
    )
    aspect_ratio: float = 1.0
    min_enlarge: float = 1.0
    zoom: float = 1.0
    augment: bool = option(True, "augment crops as --augmentation says", only="training")
    augmentation: Literal["flip", "mdai", "transfer"] = option(
        "transfer",
        "what --augment does: flip left-right, as 'lungfish' did, or what the runs of these names did",
        only="training",
    )
    imgaug: bool = option(False, "augment with the imgaug package instead of our own code", only="training")
    train_rois: int = 32
    max_instances: int = option(4, "boxes in a training image; of more, a random choice", minimum=1, only="training")
    validation_steps: int = 50

    confidence: float = 0.78
    detection_nms_threshold: float = 0.01
    max_whole_side: int = 65536
    look_again: bool = False
    max_detections: int = option(3, "detections per image", minimum=1, only="prediction")
    fuse_views: bool = option(
        False, "predict four views, mirrored and enlarged, and fuse their boxes", only="prediction"
    )
    fusion_iou: float = option(
        0.4,
        "IoU above which boxes of several views or models are fused",
        minimum=0,
        maximum=1,
        only="prediction",
    )
    fused_confidence: float = option(0.3, "lowest score of a fused box", minimum=0, maximum=1, only="prediction")
    shrink: float = option(
        1.0, "factor on the sides of predicted boxes; the winners used 0.875", minimum=0.1, maximum=2, only="prediction"
    )


# Fewer scales than the five levels are extended by doubling; the library leaves the other levels without anchors, and
# neither trains nor reads their outputs.
LUNGFISH = RSNAConfig(
    geometry="library",
    augment=False,
    augmentation="flip",
    backbone="resnet50",
    anchor_scales=(16, 32, 64, 128, 256),
    batch_size=2,
    steps_per_epoch=200,
    # Its notebooks start each stage as a new training.
    schedule=(Stage(2, 6e-3, "heads"), Stage(10, 1e-3, "heads"), Stage(20, 1e-3, "4+"), Stage(30, 1e-3)),
)

# 1,000 images. It also trained its batch norm, which is frozen here.
LUNGFISH_SMALL = replace(LUNGFISH, steps_per_epoch=500, schedule=(Stage(5, 6e-3, "heads"),), confidence=0.7)

# All images, in four trainings of five epochs; with flips from the second on.
LUNGFISH_BIG = replace(LUNGFISH, backbone="resnet101", augment=True, schedule=(Stage(15, 3e-3), Stage(20, 1e-3)))

# The annotation service's starter, on 1,000 images.
MDAI = replace(
    LUNGFISH,
    augment=True,
    augmentation="mdai",
    min_dim=64,
    crop_size=64,
    fpn_channels=32,
    anchor_scales=(32, 64, 128, 256, 512),
    rpn_train_anchors=16,
    train_rois=16,
    max_instances=3,
    batch_size=8,
    steps_per_epoch=100,
    schedule=(Stage(1, 1e-3),),
    confidence=0.9,
    detection_nms_threshold=0.1,
)
MDAI_CLIENT = replace(MDAI, batch_size=16, train_proposals=200)

# The kernel that starts from COCO, and a modified copy. Its first two epochs had no augmentation.
TRANSFER = replace(
    LUNGFISH,
    augment=True,
    augmentation="transfer",
    anchor_scales=(32, 64, 128, 256, 512),
    max_instances=3,
    batch_size=8,
    schedule=(Stage(2, 1e-2, "heads"), Stage(6, 5e-3), Stage(16, 1e-3)),
    confidence=0.7,
    detection_nms_threshold=0.1,
)
TRANSFER_COPY = replace(TRANSFER, max_instances=4, confidence=0.78, detection_nms_threshold=0.01)

# From scratch, on a CPU.
SMALL = from_scratch(
    RSNAConfig(),
    **NARROW,
    negatives="even",
    augmentation="mdai",
    mask_convs=1,
    anchor_scales=(16, 32, 64, 96, 128),
    rpn_train_anchors=64,
    pre_nms_limit=1000,
    train_proposals=200,
    detect_proposals=200,
    steps_per_epoch=400,
    schedule=(Stage(12, 2e-3),),
    validation_steps=8,
    score_every=2,
    score_limit=200,
    confidence=0.5,
    detection_nms_threshold=0.1,
)

# Takes minutes: enough to see it work.
DEMO = replace(
    SMALL,
    min_dim=128,
    crop_size=128,
    anchor_scales=(8, 16, 32, 48, 64),
    batch_size=8,
    steps_per_epoch=100,
    schedule=(Stage(4, 2e-3),),
    warmup_steps=50,
    score_limit=50,
    confidence=0.3,
)

PRESETS = {
    "demo": DEMO,
    "small": SMALL,
    "lungfish": LUNGFISH,
    "lungfish-small-data": LUNGFISH_SMALL,
    "lungfish-big-data": LUNGFISH_BIG,
    "mdai": MDAI,
    "mdai-client": MDAI_CLIENT,
    "transfer": TRANSFER,
    "transfer-copy": TRANSFER_COPY,
}
