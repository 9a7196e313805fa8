"""The figures of the library's samples, and of what a CPU can train."""

from dataclasses import dataclass, replace

from common.config import Config, Stage, option


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
    dilation: bool = option(False, "grow each mask of a single prediction by one step of binary dilation")


SHAPES_PUBLISHED = ShapesConfig(geometry="library")

# From nothing, on a CPU, in minutes: a narrow network; never the same picture twice.
SHAPES_SMALL = replace(
    SHAPES_PUBLISHED,
    geometry="aligned",
    pictures=20_000,
    trunk="small",
    norm="group",
    fpn_channels=64,
    rpn_channels=64,
    head_channels=128,
    mask_channels=32,
    mask_convs=2,
    bfloat16=True,
    pixel_std=58.0,
    mini_mask_size=28,
    max_instances=8,
    rpn_train_anchors=64,
    pre_nms_limit=500,
    train_proposals=100,
    detect_proposals=100,
    max_detections=20,
    optimizer="adamw",
    decay="cosine",
    warmup_steps=100,
    weight_decay=0.02,
    ema=0.99,
    schedule=(Stage(16, 2e-3),),
    score_every=4,
    score_limit=50,
    confidence=0.3,
)
