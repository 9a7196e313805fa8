"""Hyperparameters of the third-place run, and of runs that a CPU can train."""

import re
from dataclasses import dataclass, replace

from common.errors import InputError
from common.settings.config import Stage
from common.settings.mask_rcnn import MaskRCNNConfig
from common.settings.options import option
from common.settings.recipe import from_scratch


@dataclass(frozen=True, kw_only=True)
class DSBConfig(MaskRCNNConfig):
    """Nuclei, one class; the defaults are those of the published run's first step."""

    name: str = "001"
    class_names: tuple[str, ...] = ("nucleus",)
    fold: str = option(
        "all",
        "images to hold out: a fold, 0 to 4, or those of a size, such as 256x320; all: train on everything",
    )
    page: int = option(
        0, "which image to read of files that hold several, from 1; 0: they hold one", minimum=0, fixed="run"
    )
    channel: tuple[int, ...] = option(
        (0,), "which channel to read, from 1; or three, as red, green and blue; 0: all, grey or RGB", fixed="run"
    )

    add_true_boxes: bool = False
    fill_negatives: bool = False
    train_rois: int = 600
    schedule: tuple[Stage, ...] = (Stage(30, 1e-3), Stage(50, 1e-4), Stage(75, 1e-3 / 30))
    confidence: float = 0.9
    detection_nms_threshold: float = 0.2
    max_detections: int = 512
    separate: bool = True
    dilation: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not re.fullmatch(r"[0-4]|all|\d{1,9}x\d{1,9}", self.fold):
            raise InputError(f"--fold {self.fold}: give 0 to 4, all, or height x width, such as 256x320")


# Not defaults of the class: a config.json from before these options existed means the aligned geometry, and nuclei that
# are not to be lost. The published code took one look.
PUBLISHED = DSBConfig(geometry="library", look_again=False)

# From scratch, on a CPU: small crops of images at the published scale.
SMALL = from_scratch(
    PUBLISHED,
    stretch_contrast=True,
    longest_strip=1.5,  # a strip has the magnification of the image that it was cut from
    padding="median",  # bright images of tissue framed in black look like nothing that was trained on
    crop_size=256,
    min_zoom=0.5,
    recolour=0.5,
    crop_draws=3,
    max_instances=128,
    rpn_train_anchors=128,
    pre_nms_limit=2000,
    train_proposals=500,
    train_rois=96,
    validation_steps=8,
    # Thresholds and merging: chosen on held-out images, fold 1 and whole sizes.
    confidence=0.8,
    detection_nms_threshold=0.5,
    mask_nms_threshold=0.4,
    mask_confidence=0.86,
    mask_margin=0.05,
    mask_threshold=0.6,
    look_again=True,
    views="majority",
    dilation=False,  # masks of aligned regions are not too small
)

# The same recipe with ResNet-50, heads of full width and crops of 512 pixels, for 25 minutes on a large GPU.
GPU = replace(
    SMALL,
    backbone="resnet50",
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

# A minute or two on a CPU, from the pretrained weights: generated images, whose scales and colours vary enough.
DEMO = replace(SMALL, batch_size=2, warmup_steps=10, min_zoom=1.0, recolour=0.0)

# The first is the default; each training step changes them for its part.
PRESETS = {"published": PUBLISHED, "small": SMALL, "gpu": GPU, "demo": DEMO}
