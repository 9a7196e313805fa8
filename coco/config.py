"""The figures of the library's samples, and of what a CPU can train."""

from dataclasses import dataclass
from typing import Any, Literal

from common.config import Config, Stage, option
from common.recipe import NARROW, from_nothing


@dataclass(frozen=True, kw_only=True)
class ShapesConfig(Config):
    """Generated squares, circles and triangles; the defaults are those of the Mask R-CNN library's sample."""

    name: str = option("shapes", "names the run's folder under --logs")
    class_names: tuple[str, ...] = option(
        ("square", "circle", "triangle"), "names of the classes 1, 2, ...; background is not one"
    )
    pictures: int = option(500, "generated pictures to train on", minimum=1)
    validation_pictures: int = option(50, "generated pictures to predict and to score", minimum=1)

    min_dim: int = option(128, "side of the pictures, pixels", minimum=80, maximum=1024)
    crop_size: int = option(128, "side of a training crop, pixels, a multiple of 64", minimum=64, maximum=2048)
    augment: bool = option(False, "flips, rotations and channel shifts after the crop")
    aspect_ratio: float = option(1.0, "largest extra stretch of one axis", minimum=1, maximum=4)
    min_enlarge: float = option(1.0, "largest scale is at least this", minimum=0.1, maximum=8)
    zoom: float = option(1.0, "largest scale is at least the smallest times this", minimum=1, maximum=8)
    train_rois: int = option(32, "regions of a training picture that the heads see", minimum=2)
    batch_size: int = option(8, "pictures a step", minimum=1)
    steps_per_epoch: int = option(100, "batches an epoch; 0: all pictures once", minimum=0)
    validation_steps: int = option(5, "batches that the validation losses see", minimum=0)
    schedule: tuple[Stage, ...] = option(
        (Stage(1, 1e-3, "heads"), Stage(2, 1e-4)), "stages epochs:learning_rate:layers, epochs as totals"
    )


SHAPES_PUBLISHED = ShapesConfig(geometry="library")

# From nothing, on a CPU, in minutes: never the same picture twice.
SHAPES_SMALL = from_nothing(
    SHAPES_PUBLISHED,
    **NARROW,
    pictures=20_000,
    batch_size=8,
    mask_convs=2,
    max_instances=8,
    rpn_train_anchors=64,
    pre_nms_limit=500,
    train_proposals=100,
    detect_proposals=100,
    max_detections=20,
    warmup_steps=100,
    ema=0.99,
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
class PhotoConfig(Config):
    """Photographs; the defaults are what the Mask R-CNN library's samples of COCO and the balloons share."""

    min_dim: int = option(800, "shorter side to which rescaling is relative, pixels", minimum=64, maximum=4096)
    max_dim: int = option(
        1024, "longer side of a picture that is scaled, at most, pixels, a multiple of 64; 0: no limit", minimum=0
    )
    crop_size: int = option(1024, "side of a training crop, pixels, a multiple of 64", minimum=64, maximum=2048)
    upright: bool = option(True, "of flips and turns only the flip left-right, for pictures that know up from down")
    aspect_ratio: float = option(1.0, "largest extra stretch of one axis", minimum=1, maximum=4)
    min_enlarge: float = option(0.1, "largest scale is at least this", minimum=0.1, maximum=8)
    zoom: float = option(1.0, "largest scale is at least --min-dim's times this", minimum=1, maximum=8)
    rotation_range: float = option(0.0, "largest rotation, degrees", minimum=0, maximum=180)
    channel_shift_range: float = option(0.0, "largest shift of a channel, 0-255", minimum=0, maximum=255)
    max_instances: int = option(100, "objects of a training crop; a random choice where there are more", minimum=1)
    anchor_scales: tuple[float, ...] = option((32, 64, 128, 256, 512), "anchor sides at strides 4, 8, ..., pixels")
    add_true_boxes: bool = option(False, "append the true boxes to the proposals in training")
    fill_negatives: bool = option(False, "use all background regions, not only those that keep the positive ratio")


@dataclass(frozen=True, kw_only=True)
class CocoConfig(PhotoConfig):
    """COCO's 80 categories; the defaults are those of the library's training on it."""

    name: str = option("coco", "names the run's folder under --logs")
    class_names: tuple[str, ...] = option(
        tuple(COCO_NAMES.split(",")), "names of the classes 1, 2, ...; training takes those of the annotations"
    )
    year: Literal["2017", "2014"] = option("2017", "of the annotations")

    steps_per_epoch: int = option(1000, "batches an epoch; 0: all pictures once", minimum=0)
    schedule: tuple[Stage, ...] = option(
        (Stage(40, 1e-3, "heads"), Stage(120, 1e-3, "4+"), Stage(160, 1e-4)),
        "stages epochs:learning_rate:layers, epochs as totals",
    )
    confidence: float = option(
        0.0, "lowest score of a detection; the average precision wants all", minimum=0, maximum=1
    )


@dataclass(frozen=True, kw_only=True)
class BalloonConfig(PhotoConfig):
    """Balloons; the defaults are those of the library's sample."""

    name: str = option("balloon", "names the run's folder under --logs")
    class_names: tuple[str, ...] = option(("balloon",), "names of the classes 1, 2, ...; background is not one")

    augment: bool = option(False, "flips, rotations and channel shifts after the crop")
    steps_per_epoch: int = option(100, "batches an epoch; 0: all pictures once", minimum=0)
    schedule: tuple[Stage, ...] = option(
        (Stage(30, 1e-3, "heads"),), "stages epochs:learning_rate:layers, epochs as totals"
    )
    confidence: float = option(0.9, "lowest score of a detection", minimum=0, maximum=1)


COCO_PUBLISHED = CocoConfig(geometry="library")
BALLOON_PUBLISHED = BalloonConfig(geometry="library")

# On a CPU: small pictures, cut out of larger ones.
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

COCO_SMALL = from_nothing(
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

# A few dozen pictures teach little from nothing; the nuclei's weights, of the same shape, know round things already.
# Any colour and size may be a balloon's.
BALLOON_SMALL = from_nothing(
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
