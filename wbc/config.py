"""Hyperparameters of the published run on white blood cells, and of a run on a CPU."""

from dataclasses import dataclass

from common.settings.config import Stage
from common.settings.mask_rcnn import SEPARATION, MaskRCNNConfig
from common.settings.options import option
from common.settings.recipe import from_scratch

CLASS_NAMES = ("Basophil", "Eosinophil", "Lymphocyte", "Monocyte", "Neutrophil")


@dataclass(frozen=True, kw_only=True)
class WBCConfig(MaskRCNNConfig):
    """White blood cells of five classes."""

    unused = SEPARATION

    name: str = "wbc"
    class_names: tuple[str, ...] = option(CLASS_NAMES, "names of the class folders, in order of class id")

    look_again: bool = False  # an image has few cells; more detections than allowed are unlikely ones


PUBLISHED = WBCConfig(
    geometry="library",
    min_dim=768,
    max_dim=768,
    crop_size=768,
    augment=False,
    aspect_ratio=1.0,
    min_enlarge=0.1,
    zoom=1.0,
    backbone="resnet50",
    anchor_scales=(32, 64, 128, 256, 512),
    batch_size=1,
    steps_per_epoch=60,
    validation_steps=2,
    schedule=(Stage(75, 1e-3, "3+"),),
    confidence=0.8,
)

# From scratch, on a CPU: images of one cell each, resized so that a cell is 50 to 120 pixels wide.
SMALL = from_scratch(
    WBCConfig(),
    min_dim=128,
    max_dim=128,
    crop_size=128,
    balanced=True,
    aspect_ratio=1.2,
    min_enlarge=0.1,
    min_zoom=0.8,
    zoom=1.25,
    rotation_range=30.0,
    channel_shift_range=10.0,
    max_instances=16,
    mask_convs=2,
    anchor_scales=(16, 48, 72, 96, 120),  # every training cell has one with an IoU above 0.5
    rpn_train_anchors=64,
    pre_nms_limit=500,
    train_proposals=100,
    detect_proposals=100,
    train_rois=32,
    steps_per_epoch=400,
    weight_decay=0.05,
    schedule=(Stage(11, 1e-3),),
    validation_steps=15,
    score_every=4,
    score_limit=60,
    confidence=0.1,
    max_detections=20,
)
