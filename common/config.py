"""One frozen dataclass holds every figure of a run; its fields become `config.json`, and flags in `common/flags.py`."""

import dataclasses
import json
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from common.errors import InputError

# In the folder of a run:
CONFIG_FILE = "config.json"
LAST_WEIGHTS = "last.h5"
STATE_FILE = "last.npz"


def option(default: Any, help: str, *, minimum: float | None = None, maximum: float | None = None) -> Any:
    """Declare a field with its meaning and unit, and the closed range of its values."""
    return field(default=default, metadata={"help": help, "minimum": minimum, "maximum": maximum})


@dataclass(frozen=True)
class Stage:
    """A part of a training run: up to `epochs` (a total, not a count) at one learning rate, on some layers."""

    epochs: int
    learning_rate: float
    layers: str = "all"

    def __post_init__(self) -> None:
        if self.epochs < 1 or not 0 < self.learning_rate < 10:
            raise InputError(f"stage {self}: epochs start at 1, learning rates lie in (0, 10)")

    @classmethod
    def parse(cls, text: str) -> "Stage":
        """Read `epochs:learning_rate` or `epochs:learning_rate:layers`, e.g. `20:1e-3:heads`."""
        epochs, learning_rate, *layers = text.split(":", 2)
        return cls(int(epochs), float(learning_rate), *layers)

    def __str__(self) -> str:
        return f"{self.epochs}:{self.learning_rate!r}:{self.layers}"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every figure of a training run and of its inference; the defaults are those of the Mask R-CNN library.

    A competition subclasses it and changes defaults, whose meaning and range stay; an experiment is an instance.
    """

    def __init_subclass__(cls) -> None:
        """Turn bare new defaults into fields before `dataclass` looks at them."""
        super().__init_subclass__()
        inherited = {spec.name: spec.metadata for spec in dataclasses.fields(cls)}
        for name in cls.__dict__.keys() & inherited.keys():
            if not isinstance(cls.__dict__[name], dataclasses.Field):
                setattr(cls, name, field(default=cls.__dict__[name], metadata=inherited[name]))

    name: str = option("run", "names the run's folder under --logs")
    seed: int = option(123, "seed of every random choice", minimum=0, maximum=2**32 - 1)
    class_names: tuple[str, ...] = option(("object",), "names of the classes 1, 2, ...; background is not one")

    # Images
    min_dim: int = option(512, "shorter side to which rescaling is relative, pixels", minimum=64, maximum=4096)
    max_dim: int = option(
        0,
        "longer side of an image that is scaled, at most, pixels, a multiple of 64; all are padded to that square; "
        "0: no limit",
        minimum=0,
        maximum=4096,
    )
    crop_size: int = option(512, "side of a training crop, pixels, a multiple of 64", minimum=64, maximum=2048)
    mean_pixel: tuple[float, ...] = option((123.7, 116.8, 103.9), "RGB mean that is subtracted, 0-255")
    stretch_contrast: bool = option(False, "stretch each image's values to 0-255 before all else")
    pixel_std: float = option(1.0, "divisor after the mean's subtraction, 0-255", minimum=0.01)

    # Augmentation: rescale, then crop
    augment: bool = option(True, "flips, rotations and channel shifts after the crop")
    imgaug: bool = option(False, "by the imgaug package, as the author's second variant, instead of our own code")
    aspect_ratio: float = option(1.3, "largest extra stretch of one axis", minimum=1, maximum=4)
    min_zoom: float = option(1.0, "smallest scale, where --min-dim's is 1", minimum=0.1, maximum=1)
    min_enlarge: float = option(1.2, "largest scale is at least this", minimum=0.1, maximum=8)
    zoom: float = option(1.5, "largest scale is at least --min-dim's times this", minimum=1, maximum=8)
    upright: bool = option(False, "of flips and turns only the flip left-right, for images that know up from down")
    rotation_range: float = option(10.0, "largest rotation, degrees", minimum=0, maximum=180)
    channel_shift_range: float = option(15.0, "largest shift of a channel, 0-255", minimum=0, maximum=255)
    recolour: float = option(
        0.0, "share of crops that are tinted, inverted, or changed in colour, contrast, sharpness", minimum=0, maximum=1
    )
    crop_at_origin: bool = option(False, "always crop at (0, 0), as the submitted run did by mistake")
    crop_draws: int = option(1, "crops drawn of an image, of which the one with most objects is taken", minimum=1)
    balanced: bool = option(False, "repeat images of rare sizes; where there are several classes, of rare classes")
    mini_mask_size: int = option(56, "side of the masks that training works on, pixels", minimum=14, maximum=224)
    max_instances: int = option(256, "objects of a training crop; a random choice where there are more", minimum=1)

    # Network
    backbone: Literal["resnet50", "resnet101", "small"] = option("resnet101", "the feature extractor")
    norm: Literal["frozen_batch", "group"] = option("frozen_batch", "normalisation; 'group' to train from nothing")
    fpn_channels: int = option(256, "channels of the feature pyramid", minimum=16)
    rpn_channels: int = option(512, "channels of the region proposal head", minimum=16)
    head_channels: int = option(1024, "width of the class and box head", minimum=32)  # 16 groups of one would be 0
    mask_channels: int = option(256, "channels of the mask head", minimum=16)
    mask_convs: int = option(4, "3x3 convolutions of the mask head", minimum=1, maximum=8)
    bfloat16: bool = option(
        False,
        "convolve in bfloat16 where the machine has units for it, else float32; losses, boxes and scores stay float32",
    )

    # Anchors and proposals
    anchor_scales: tuple[float, ...] = option((8, 16, 32, 64, 128), "anchor sides at strides 4, 8, ..., pixels")
    anchor_ratios: tuple[float, ...] = option((0.5, 1, 2), "anchor widths over heights")
    rpn_nms_threshold: float = option(0.7, "proposals that overlap a better one more are dropped", minimum=0, maximum=1)
    rpn_train_anchors: int = option(256, "anchors of an image that the proposal losses see", minimum=2)
    pre_nms_limit: int = option(6000, "best anchors that become proposals", minimum=1)
    train_proposals: int = option(2000, "proposals of a training image", minimum=1)
    detect_proposals: int = option(1000, "proposals of an image in detection", minimum=1)
    box_std: tuple[float, ...] = option((0.1, 0.1, 0.2, 0.2), "divisors of box deltas dy, dx, log dh, log dw")

    # Where features and boxes lie
    geometry: Literal["aligned", "library"] = option(
        "aligned",
        "library: as the Mask R-CNN library, whose weights expect it: regions sampled from corner to corner, once a "
        "bin; anchors on the cells' upper left corners; boxes that end on their last pixel. "
        "aligned: half a cell and half a pixel more exact",
    )

    # Regions of interest
    train_rois: int = option(200, "regions of a training image that the heads see", minimum=2)
    positive_ratio: float = option(0.33, "largest share of them that holds objects", minimum=0.01, maximum=1)
    add_true_boxes: bool = option(True, "append the true boxes to the proposals in training")
    fill_negatives: bool = option(True, "use all background regions, not only those that keep the positive ratio")
    pool_size: int = option(7, "side of a region's features in the class and box head", minimum=2)
    mask_pool_size: int = option(
        14, "side of a region's features in the mask head; masks are twice as large", minimum=2
    )

    # Losses and optimiser
    loss_weights: tuple[float, ...] = option((1, 1, 1, 1, 1), "proposal class, proposal box, class, box, mask")
    optimizer: Literal["sgd", "adamw"] = option("sgd", "gradient descent with momentum 0.9, or AdamW")
    batch_size: int = option(2, "images a step", minimum=1)
    steps_per_epoch: int = option(0, "batches an epoch; 0: all images once", minimum=0)
    schedule: tuple[Stage, ...] = option((Stage(40, 1e-3),), "stages epochs:learning_rate:layers, epochs as totals")
    decay: Literal["steps", "cosine"] = option("steps", "learning rate constant in a stage, or falling along a cosine")
    warmup_steps: int = option(0, "steps over which the learning rate rises from nothing", minimum=0)
    momentum: float = option(0.9, "of the optimiser", minimum=0, maximum=0.9999)
    gradient_clip: float = option(5.0, "largest norm of the gradient", minimum=0.001)
    weight_decay: float = option(
        1e-4, "sgd: L2, divided by each kernel's size; adamw: decoupled, not on norms and biases", minimum=0
    )
    validation_steps: int = option(50, "batches that the validation losses see", minimum=0)
    score_every: int = option(0, "epochs between scores on the validation images; 0: never", minimum=0)
    score_limit: int = option(20, "validation images that are scored in training", minimum=1)

    # Detection
    confidence: float = option(0.7, "lowest score of a detection", minimum=0, maximum=1)
    detection_nms_threshold: float = option(
        0.3, "detections that overlap a better one more are dropped", minimum=0, maximum=1
    )
    max_detections: int = option(100, "detections of an image, or of a tile", minimum=1)
    mask_confidence: float = option(
        0.0, "lowest mean probability of a mask, over its pixels of 0.5 and more; 0: any", minimum=0, maximum=1
    )
    mask_margin: float = option(
        0.0, "a mask is looked for in its box and this share of its sides beyond each of them", minimum=0, maximum=1
    )
    mask_threshold: float = option(0.5, "a pixel belongs to the mask from this probability on", minimum=0, maximum=1)

    # Tiles of large images
    max_whole_side: int = option(
        1408, "longest side of an image that is detected in one piece, in all its views, pixels", minimum=64
    )
    tile_size: int = option(1024, "side of the tiles of larger images, pixels, at least --min-dim", minimum=64)
    tile_overlap: int = option(
        192, "shared by neighbouring tiles at least, pixels; larger objects are joined from parts", minimum=16
    )

    def __post_init__(self) -> None:
        for spec in dataclasses.fields(self):
            _check_value(spec, getattr(self, spec.name))
        if self.crop_size % 64:
            raise InputError(f"--crop-size {self.crop_size}: choose a multiple of 64")
        if self.max_dim % 64 or 0 < self.max_dim < self.min_dim:
            raise InputError(f"--max-dim {self.max_dim}: a multiple of 64, at least --min-dim, {self.min_dim}, or 0")
        for name, length in (("anchor_scales", 5), ("box_std", 4), ("loss_weights", 5), ("mean_pixel", 3)):
            if len(getattr(self, name)) != length:
                raise InputError(f"--{flag_name(name)} takes {length} values, got {getattr(self, name)}")
        num_anchors = len(self.anchor_ratios) * sum((self.crop_size // stride) ** 2 for stride in (4, 8, 16, 32, 64))
        if self.rpn_train_anchors > num_anchors:
            raise InputError(f"--rpn-train-anchors {self.rpn_train_anchors}: a crop has only {num_anchors} anchors")
        if not 1 <= self.train_rois * self.positive_ratio <= self.train_rois <= self.train_proposals:
            raise InputError(
                f"--train-rois {self.train_rois}: at most --train-proposals, {self.train_proposals}, and so many that "
                f"--positive-ratio, {self.positive_ratio:g}, leaves one for an object"
            )
        for name in ("anchor_scales", "anchor_ratios", "box_std"):
            if min(getattr(self, name), default=0) <= 0:
                raise InputError(f"--{flag_name(name)} {getattr(self, name)}: all must be above 0")
        for name in ("fpn_channels", "head_channels", "mask_channels") if self.norm == "group" else ():
            if getattr(self, name) % 16:
                raise InputError(f"--{flag_name(name)} {getattr(self, name)}: group norm needs a multiple of 16")
        if self.tile_size < self.min_dim:  # a tile would be scaled up, though its image is not
            raise InputError(f"--tile-size {self.tile_size}: must be at least --min-dim, {self.min_dim}")
        if 2 * self.tile_overlap > self.tile_size:
            raise InputError(f"--tile-overlap {self.tile_overlap}: at most half of --tile-size, {self.tile_size}")
        totals = [stage.epochs for stage in self.schedule]
        if totals != sorted(set(totals)) or not totals:
            raise InputError(f"--schedule: the totals of epochs {totals} must rise from stage to stage")

    @property
    def epochs(self) -> int:
        """Epochs of the whole run."""
        return self.schedule[-1].epochs

    @property
    def num_classes(self) -> int:
        """Classes, background included."""
        return len(self.class_names) + 1

    def with_epochs(self, epochs: int) -> "typing.Self":
        """Return a copy whose schedule ends after `epochs`, every stage shortened or lengthened in proportion.

        Each stage keeps an epoch at least; where there are fewer epochs than stages, the last stages are left out.
        """
        stages: list[Stage] = []
        for i, stage in enumerate(self.schedule):
            total = min(epochs, max(i + 1, round(stage.epochs * epochs / self.epochs)))
            if not stages or total > stages[-1].epochs:
                stages.append(dataclasses.replace(stage, epochs=total))
        return dataclasses.replace(self, schedule=tuple(stages))

    def save(self, path: Path) -> None:
        """Write every field to a JSON file."""
        values: dict[str, Any] = {spec.name: getattr(self, spec.name) for spec in dataclasses.fields(self)}
        values["schedule"] = [str(stage) for stage in self.schedule]
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "typing.Self":
        """Read what `save` wrote.

        Raises:
            InputError: no such file, no JSON, an unknown field or an impossible value.
        """
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; it is written beside the weights in training") from None
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: not a configuration: {error}") from None
        if not isinstance(values, dict):
            raise InputError(f"{path}: not a configuration: no JSON object")
        unknown = sorted(set(values) - {spec.name for spec in dataclasses.fields(cls)})
        if unknown:
            raise InputError(
                f"{path}: unknown fields {', '.join(unknown)}; was it written by another version? delete these lines"
            )
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        try:
            if "schedule" in fields:
                fields["schedule"] = tuple(Stage.parse(stage) for stage in fields["schedule"])
            return cls(**fields)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path}: a value of the wrong kind: {error}; train anew, or mend it") from None


def flag_name(name: str) -> str:
    """Return a field's flag without its dashes.

    Example:
        >>> flag_name("min_dim")
        'min-dim'
    """
    return name.replace("_", "-")


def _check_value(spec: Any, value: Any) -> None:
    if not _is_of(value, spec.type):
        raise InputError(f"--{flag_name(spec.name)} {value!r}: a value of the wrong kind")
    if typing.get_origin(spec.type) is Literal and value not in typing.get_args(spec.type):
        raise InputError(f"--{flag_name(spec.name)} {value}: choose one of {', '.join(typing.get_args(spec.type))}")
    minimum, maximum = spec.metadata.get("minimum"), spec.metadata.get("maximum")
    if (minimum is not None and not value >= minimum) or (maximum is not None and not value <= maximum):
        bounds = f"at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
        raise InputError(f"--{flag_name(spec.name)} {value}: must be {bounds}")


def _is_of(value: Any, kind: Any) -> bool:
    """Tell whether a value, from a JSON file, say, is of a field's type."""
    if typing.get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_is_of(part, typing.get_args(kind)[0]) for part in value)
    if typing.get_origin(kind) is Literal:
        return isinstance(value, str)
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, kind)
