"""Hyperparameters of the Mask R-CNN library's samples, and of runs on a CPU."""

from dataclasses import dataclass
from typing import Any, Literal

from common.settings.config import Stage
from common.settings.mask_rcnn import SEPARATION, MaskRCNNConfig
from common.settings.options import option
from common.settings.recipe import NARROW, from_scratch


@dataclass(frozen=True, kw_only=True)
class ShapesConfig(MaskRCNNConfig):
    """Generated squares, circles and triangles; the defaults are the Mask R-CNN library's."""

    unused = SEPARATION

    name: str = "shapes"
    seed: int = option(123, "seed of the generated images and all random choices", minimum=0, maximum=2**32 - 1)
    class_names: tuple[str, ...] = ("square", "circle", "triangle")
    images: int = option(500, "generated training images", minimum=1, only="training")
    validation_images: int = option(50, "generated validation images, to predict and score", minimum=1)

    min_dim: int = option(128, "side of the images, pixels", minimum=80, maximum=1024)
    look_again: bool = False  # an image has few shapes
    crop_size: int = 128
    augment: bool = False
    aspect_ratio: float = 1.0
    min_enlarge: float = 1.0
    zoom: float = 1.0
    train_rois: int = 32
    batch_size: int = 8
    steps_per_epoch: int = 100
    validation_steps: int = 5
    schedule: tuple[Stage, ...] = (Stage(1, 1e-3, "heads"), Stage(2, 1e-4))


SHAPES_PUBLISHED = ShapesConfig(geometry="library")

# From scratch, on a CPU, in minutes: every image is new.
SHAPES_SMALL = from_scratch(
    SHAPES_PUBLISHED,
    **NARROW,
    images=20_000,
    batch_size=8,
    mask_convs=2,
    max_instances=8,
    rpn_train_anchors=64,
    pre_nms_limit=500,
    train_proposals=100,
    detect_proposals=100,
    max_detections=20,
    warmup_steps=100,
    schedule=(Stage(16, 2e-3),),
    score_every=4,
    score_limit=50,
    confidence=0.3,
)

COCO_NAMES = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,"
    "bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,skis,"
    "snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,"
    "fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,"
    "potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,"
    "refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"
)


@dataclass(frozen=True, kw_only=True)
class PhotoConfig(MaskRCNNConfig):
    """Photographs; the defaults are those that the Mask R-CNN library's COCO and balloon samples share."""

    unused = SEPARATION

    min_dim: int = 800
    max_dim: int = 1024
    crop_size: int = 1024
    upright: bool = True
    aspect_ratio: float = 1.0
    min_enlarge: float = 0.1
    zoom: float = 1.0
    rotation_range: float = 0.0
    channel_shift_range: float = 0.0
    max_instances: int = 100
    look_again: bool = False  # COCO's rule: the best 100 detections of an image count
    anchor_scales: tuple[float, ...] = (32, 64, 128, 256, 512)
    add_true_boxes: bool = False
    fill_negatives: bool = False


@dataclass(frozen=True, kw_only=True)
class CocoConfig(PhotoConfig):
    """COCO's 80 categories; the defaults are those of the library's COCO sample."""

    name: str = "coco"
    class_names: tuple[str, ...] = option(
        tuple(COCO_NAMES.split(",")), "names of the classes 1, 2, ...; training uses those in the annotations"
    )
    year: Literal["2017", "2014"] = option("2017", "year of the annotations")

    steps_per_epoch: int = 1000
    schedule: tuple[Stage, ...] = (Stage(40, 1e-3, "heads"), Stage(120, 1e-3, "4+"), Stage(160, 1e-4))
    confidence: float = option(
        0.0, "lowest score of a detection; average precision needs all of them", minimum=0, maximum=1, only="prediction"
    )


@dataclass(frozen=True, kw_only=True)
class BalloonConfig(PhotoConfig):
    """Balloons; the defaults are those of the library's sample."""

    name: str = "balloon"
    class_names: tuple[str, ...] = ("balloon",)

    augment: bool = False
    steps_per_epoch: int = 100
    schedule: tuple[Stage, ...] = (Stage(30, 1e-3, "heads"),)
    confidence: float = 0.9


COCO_PUBLISHED = CocoConfig(geometry="library")
BALLOON_PUBLISHED = BalloonConfig(geometry="library")

# On a CPU: small crops.
_ON_A_CPU: dict[str, Any] = {
    "crop_size": 320,
    "aspect_ratio": 1.2,
    "anchor_scales": (16, 32, 64, 128, 256),
    "rpn_train_anchors": 128,
    "pre_nms_limit": 1000,
    "train_proposals": 300,
    "detect_proposals": 300,
    "train_rois": 64,
    "validation_steps": 8,
}

COCO_SMALL = from_scratch(
    CocoConfig(),
    **_ON_A_CPU,
    min_dim=320,
    max_dim=320,
    zoom=1.5,
    channel_shift_range=15.0,
    crop_draws=3,
    schedule=(Stage(40, 1e-3),),
    score_every=4,
    score_limit=100,
)

# A few dozen images do not suffice from scratch; the nuclei's weights, of the same architecture, already find round
# objects. Balloons come in any colour and size.
BALLOON_SMALL = from_scratch(
    BalloonConfig(),
    **_ON_A_CPU,
    min_dim=512,
    max_dim=512,
    augment=True,
    min_zoom=0.5,
    zoom=1.25,
    rotation_range=20.0,
    channel_shift_range=40.0,
    recolour=0.7,
    crop_draws=2,
    weight_decay=0.05,
    schedule=(Stage(30, 5e-4),),
    score_every=2,
    confidence=0.05,
    max_detections=30,
)
