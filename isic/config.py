"""Hyperparameters of the published run on skin lesions, and of a run on a CPU."""

from dataclasses import dataclass
from typing import Literal

from common.batches.folds import FOLD_SEED
from common.settings.config import Stage
from common.settings.mask_rcnn import SEPARATION, MaskRCNNConfig
from common.settings.options import option
from common.settings.recipe import from_scratch

DATASET = "data/isic.zip"
LABELS_HELP = "labels.json for train, labels_test.json for test, in the set or beside the archive"


@dataclass(frozen=True, kw_only=True)
class LesionConfig(MaskRCNNConfig):
    """Skin lesions, one class."""

    unused = SEPARATION

    name: str = "lesion"
    class_names: tuple[str, ...] = option(("lesion",), "category names in the labels, in order of class id")
    fold: Literal["0", "1", "2", "3", "4", "same", "all"] = option(
        "same", "held-out fold; same: validate on the training images; all: no validation"
    )
    fold_seed: int = option(FOLD_SEED, "seed of the split into folds", minimum=0)
    look_again: bool = False  # the best lesions of an image are enough
    lesion: Literal["best", "union"] = option(
        "best", "mask of an image: the lesion with the best score, or the union of all", only="prediction"
    )


PUBLISHED = LesionConfig(
    geometry="library",
    min_dim=800,
    max_dim=1024,
    crop_size=1024,
    augment=False,
    aspect_ratio=1.0,
    min_enlarge=0.1,
    zoom=1.0,
    anchor_scales=(32, 64, 128, 256, 512),
    batch_size=2,
    steps_per_epoch=100,
    schedule=(Stage(10, 1e-3, "heads"),),
    validation_steps=50,
)

# From scratch, on a CPU: every image is resized to 128 pixels, of which a lesion spans 20 to 128.
SMALL = from_scratch(
    LesionConfig(),
    fold="0",
    min_dim=128,
    max_dim=128,
    crop_size=128,
    aspect_ratio=1.2,
    min_enlarge=0.1,
    min_zoom=0.8,
    zoom=1.25,
    rotation_range=30.0,
    channel_shift_range=20.0,
    max_instances=8,
    mask_convs=2,
    anchor_scales=(16, 32, 64, 96, 128),  # every lesion of the 200 published images has one with an IoU above 0.5
    rpn_train_anchors=64,
    pre_nms_limit=500,
    train_proposals=100,
    detect_proposals=100,
    train_rois=32,
    steps_per_epoch=250,
    weight_decay=0.05,
    schedule=(Stage(16, 1e-3),),
    validation_steps=10,
    score_every=4,
    score_limit=40,
    confidence=0.05,  # every image has a lesion, so a low score is better than none
    max_detections=10,
)

PRESETS = {"published": PUBLISHED, "small": SMALL}
