"""Hyperparameters of Mask R-CNN, in addition to those of every run."""

from dataclasses import dataclass
from typing import Literal, Self

from common.errors import InputError
from common.settings.config import RunConfig
from common.settings.options import flag_name, option

# Options that only matter where objects must not overlap, as in the Data Science Bowl.
SEPARATION = frozenset(
    ("separate", "mask_nms_threshold", "dilation", "views", "as_published", "swap_scales", "channel_shift")
)

Padding = Literal["black", "median"]  # spelled out in the config, as Ruff knows no aliases

LONGEST_STRIP = 4.0  # the default of `longest_strip`: beyond it, the longer side would fill the memory


def usual_scale(image_shape: tuple[int, ...], min_dim: int, longest_strip: float = LONGEST_STRIP) -> float:
    """Return the factor that brings an image's shorter side to `min_dim`.

    A strip, more than `longest_strip` times as long as wide, is enlarged less: until its longer side has that many
    times `min_dim`.

    Args:
        image_shape: (height, width), pixels.
        min_dim: pixels.
        longest_strip: at least 1.

    Example:
        >>> usual_scale((256, 320), 512), usual_scale((20, 1024), 512), usual_scale((20, 4096), 512)
        (2.0, 2.0, 1.0)
        >>> usual_scale((128, 512), 512, longest_strip=1.5)
        1.5
    """
    longest = longest_strip * min_dim / max(image_shape)
    return min(min_dim / min(image_shape), max(longest, 1.0))


@dataclass(frozen=True, kw_only=True)
class MaskRCNNConfig(RunConfig):
    """Training and prediction with Mask R-CNN; the defaults are the Mask R-CNN library's."""

    starts = ("coco", "imagenet", "last", "none")
    telling = "backbone"
    output_layers = ("mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask")

    # Images
    min_dim: int = option(512, "shorter side that scales are relative to, pixels", minimum=64, maximum=4096)
    max_dim: int = option(
        0,
        "largest longer side of a scaled image, pixels, a multiple of 64; images are padded to a square of this side; "
        "0: no limit",
        minimum=0,
        maximum=4096,
    )
    longest_strip: float = option(
        LONGEST_STRIP,
        "images that are more than this many times as long as wide are enlarged less: until their longer side has "
        "this many times --min-dim",
        minimum=1,
        maximum=16,
    )
    padding: Literal["black", "median"] = option(
        "black",
        "colour around an image, whose sides are padded to multiples of 64: black, or the image's median",
        only="prediction",
    )
    downscale: bool = option(
        False, "shrink images whose shorter side is longer than --min-dim to it, by area averaging", only="prediction"
    )
    crop_size: int = option(
        512,
        "side of a training crop, pixels, a multiple of 64",
        minimum=64,
        maximum=2048,
        only="training",
        sways="loss",
    )
    mean_pixel: tuple[float, ...] = option((123.7, 116.8, 103.9), "RGB mean to subtract, 0-255", fixed="weights")
    stretch_contrast: bool = option(False, "stretch each image's values to 0-255 first", fixed="weights")
    pixel_std: float = option(1.0, "divisor after subtracting the mean, 0-255", minimum=0.01, fixed="weights")

    # Augmentation: rescale, then crop
    augment: bool = option(True, "flips, rotations and channel shifts after the crop", only="training")
    imgaug: bool = option(False, "augment with the imgaug package, as in the author's second variant", only="training")
    aspect_ratio: float = option(1.3, "largest extra stretch of one axis", minimum=1, maximum=4, only="training")
    min_zoom: float = option(1.0, "smallest scale, relative to --min-dim's", minimum=0.1, maximum=1, only="training")
    min_enlarge: float = option(1.2, "largest scale is at least this", minimum=0.1, maximum=8, only="training")
    zoom: float = option(1.5, "largest scale is at least this times --min-dim's", minimum=1, maximum=8, only="training")
    log_zoom: bool = option(
        False, "draw scales evenly by their logarithm: half the usual scale is as likely as double", only="training"
    )
    upright: bool = option(
        False, "no flips and turns except left-right, for images with a fixed orientation", only="training"
    )
    rotation_range: float = option(10.0, "largest rotation, degrees", minimum=0, maximum=180, only="training")
    channel_shift_range: float = option(
        15.0, "largest shift of a channel, 0-255", minimum=0, maximum=255, only="training"
    )
    recolour: float = option(
        0.0,
        "share of crops that are tinted, inverted, or changed in colour, contrast or sharpness",
        minimum=0,
        maximum=1,
        only="training",
    )
    crop_at_origin: bool = option(False, "always crop at (0, 0), as the submitted run did by mistake", only="training")
    crop_draws: int = option(
        1, "places drawn for a crop; the one with the most objects is taken", minimum=1, only="training"
    )
    mini_mask_size: int = option(
        56, "side of the masks in training, pixels", minimum=14, maximum=224, only="training", sways="loss"
    )
    max_instances: int = option(
        256,
        "most objects of a training crop; of more, a random choice; the others are ignored",
        minimum=1,
        only="training",
        sways="loss",
    )

    # Network
    backbone: Literal["resnet50", "resnet101", "small"] = option("resnet101", "the feature extractor", fixed="weights")
    norm: Literal["frozen_batch", "group"] = option(
        "frozen_batch", "normalisation; 'group' to train from scratch", fixed="weights"
    )
    fpn_channels: int = option(256, "channels of the feature pyramid", minimum=16, fixed="weights")
    rpn_channels: int = option(512, "channels of the region proposal head", minimum=16, fixed="weights")
    head_channels: int = option(
        1024, "width of the class and box head", minimum=32, fixed="weights"
    )  # 16 groups of one would be 0
    mask_channels: int = option(256, "channels of the mask head", minimum=16, fixed="weights")
    mask_convs: int = option(4, "3x3 convolutions of the mask head", minimum=1, maximum=8, fixed="weights")

    # Anchors and proposals
    anchor_scales: tuple[float, ...] = option(
        (8, 16, 32, 64, 128), "anchor sides at strides 4, 8, ..., pixels", fixed="weights"
    )
    anchor_ratios: tuple[float, ...] = option((0.5, 1, 2), "anchor widths over heights", fixed="weights")
    rpn_nms_threshold: float = option(0.7, "drop proposals with a higher IoU with a better one", minimum=0, maximum=1)
    rpn_train_anchors: int = option(
        256, "anchors per image in the proposal losses", minimum=2, only="training", sways="loss"
    )
    pre_nms_limit: int = option(6000, "best anchors kept before non-maximum suppression", minimum=1)
    train_proposals: int = option(2000, "proposals per image in training", minimum=1, only="training", sways="loss")
    detect_proposals: int = option(1000, "proposals per image in detection", minimum=1, only="prediction")
    box_std: tuple[float, ...] = option(
        (0.1, 0.1, 0.2, 0.2), "divisors of box deltas dy, dx, log dh, log dw", fixed="weights"
    )

    # Where features and boxes lie
    geometry: Literal["aligned", "library"] = option(
        "aligned",
        "library: as in the Mask R-CNN library, whose weights expect it: regions sampled from corner to corner, once "
        "per bin; anchors on the upper left corners of cells; boxes end on their last pixel. "
        "aligned: half a cell and half a pixel more accurate",
        fixed="weights",
    )

    # Regions of interest
    train_rois: int = option(200, "regions per image that the heads train on", minimum=2, only="training", sways="loss")
    positive_ratio: float = option(
        0.33, "largest share of positive regions", minimum=0.01, maximum=1, only="training", sways="loss"
    )
    add_true_boxes: bool = option(
        True, "append the ground-truth boxes to the proposals in training", only="training", sways="loss"
    )
    fill_negatives: bool = option(
        True, "use all background regions, not only as many as keep the positive ratio", only="training", sways="loss"
    )
    pool_size: int = option(7, "side of a region's features in the class and box head", minimum=2, fixed="weights")
    mask_pool_size: int = option(
        14, "side of a region's features in the mask head; masks are twice as large", minimum=2, fixed="weights"
    )

    # Losses and optimiser
    loss_weights: tuple[float, ...] = option(
        (1, 1, 1, 1, 1), "proposal class, proposal box, class, box, mask", only="training", sways="loss"
    )

    # Detection
    confidence: float = option(0.7, "lowest score of a detection", minimum=0, maximum=1, only="prediction")
    detection_nms_threshold: float = option(
        0.3, "drop detections with a higher IoU with a better one", minimum=0, maximum=1, only="prediction"
    )
    max_detections: int = option(100, "most detections per image or tile", minimum=1, only="prediction")
    look_again: bool = option(
        True,
        "detect an image or tile that may hold more objects than --max-detections, --detect-proposals and "
        "--pre-nms-limit allow again in smaller tiles",
        only="prediction",
    )
    mask_confidence: float = option(
        0.0,
        "lowest mean probability of a mask, over its pixels of at least 0.5; 0: any",
        minimum=0,
        maximum=1,
        only="prediction",
    )
    mask_margin: float = option(
        0.0,
        "predict masks in boxes enlarged by this share of their sides, on every side",
        minimum=0,
        maximum=1,
        only="prediction",
    )
    mask_threshold: float = option(
        0.5, "lowest probability of a pixel of the mask", minimum=0, maximum=1, only="prediction"
    )

    # Tiles of large images
    max_whole_side: int = option(
        1408,
        "longest side of an image that is detected whole, in all its views, pixels",
        minimum=64,
        only="prediction",
    )
    tile_size: int = option(
        1024, "side of the tiles of larger images, pixels, at least --min-dim", minimum=64, only="prediction"
    )
    tile_overlap: int = option(
        192,
        "smallest overlap of neighbouring tiles, pixels; larger objects are joined from parts",
        minimum=16,
        only="prediction",
    )

    # Objects that do not overlap
    separate: bool = option(False, "assign each pixel that several objects claim to one of them", only="prediction")
    mask_nms_threshold: float = option(
        1.0,
        "drop a detection that shares more than this part of the smaller mask with a better one; 1: none",
        minimum=0,
        maximum=1,
        only="prediction",
    )
    dilation: bool = option(
        False, "grow each mask of a single prediction by one step of binary dilation", only="prediction"
    )
    views: Literal["votes", "majority"] = option(
        "votes",
        "votes: 15 views, five of which must include a pixel; majority: flips, turns and enlargements, half of which "
        "must detect an object; its mask is the mean of theirs",
        only="prediction",
    )
    as_published: bool = option(
        False, "resolve overlaps and resize masks as the published third-place code does", only="prediction"
    )
    swap_scales: bool = option(
        False, "votes: apply a view's first scale to the width, as in the third-place author's text", only="prediction"
    )
    channel_shift: bool = option(
        False, "votes: shift the channels of views at random, as in the third-place author's text", only="prediction"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_images()
        self._check_network()
        if self.tile_size < self.min_dim:  # a tile would be scaled up, though its image is not
            raise InputError(f"--tile-size {self.tile_size}: must be at least --min-dim, {self.min_dim}")
        if 2 * self.tile_overlap > self.tile_size:
            raise InputError(
                f"--tile-overlap {self.tile_overlap}: must be at most half of --tile-size, {self.tile_size}"
            )

    def _check_images(self) -> None:
        if self.crop_size % 64:
            raise InputError(f"--crop-size {self.crop_size}: choose a multiple of 64")
        if self.max_dim % 64 or 0 < self.max_dim < self.min_dim:
            raise InputError(
                f"--max-dim {self.max_dim}: must be 0 or a multiple of 64 of at least --min-dim, {self.min_dim}"
            )

    def _check_network(self) -> None:
        for name, length in (("anchor_scales", 5), ("box_std", 4), ("loss_weights", 5), ("mean_pixel", 3)):
            if len(getattr(self, name)) != length:
                raise InputError(f"--{flag_name(name)} takes {length} values, got {getattr(self, name)}")
        for name in ("anchor_scales", "anchor_ratios", "box_std"):
            if min(getattr(self, name), default=0) <= 0:
                raise InputError(f"--{flag_name(name)} {getattr(self, name)}: all must be above 0")
        num_anchors = len(self.anchor_ratios) * sum((self.crop_size // stride) ** 2 for stride in (4, 8, 16, 32, 64))
        if self.rpn_train_anchors > num_anchors:
            raise InputError(f"--rpn-train-anchors {self.rpn_train_anchors}: a crop has only {num_anchors} anchors")
        if not 1 <= self.train_rois * self.positive_ratio <= self.train_rois <= self.train_proposals:
            raise InputError(
                f"--train-rois {self.train_rois}: must be at most --train-proposals, {self.train_proposals}, and "
                f"enough for one positive region at --positive-ratio {self.positive_ratio:g}"
            )
        for name in ("fpn_channels", "head_channels", "mask_channels") if self.norm == "group" else ():
            if getattr(self, name) % 16:
                raise InputError(f"--{flag_name(name)} {getattr(self, name)}: group norm needs a multiple of 16")

    def misfits(self, other: Self) -> tuple[str, ...]:
        """Return the mask head if the other's has more or fewer layers, or wider ones."""
        same = (self.mask_convs, self.mask_channels) == (other.mask_convs, other.mask_channels)
        return () if same else ("mask_head",)

    @property
    def num_classes(self) -> int:
        """Classes, background included."""
        return len(self.class_names) + 1

    @property
    def default_start(self) -> str:
        """Frozen batch norm hardly learns from scratch, so such a run starts from COCO's weights."""
        return "coco" if self.norm == "frozen_batch" else "none"
