"""The hyperparameters of Mask R-CNN, beside those that every run has."""

from dataclasses import dataclass
from typing import Literal

from common.config import RunConfig, flag_name, option
from common.errors import InputError

# Options that only matter where objects are to share no pixels, as in the Data Science Bowl.
SEPARATION = frozenset(
    ("separate", "mask_nms_threshold", "dilation", "views", "as_published", "swap_scales", "channel_shift")
)


@dataclass(frozen=True, kw_only=True)
class MaskRCNNConfig(RunConfig):
    """A run of Mask R-CNN and what it predicts; the defaults are those of the Mask R-CNN library."""

    # Images
    min_dim: int = option(512, "shorter side to which rescaling is relative, pixels", minimum=64, maximum=4096)
    max_dim: int = option(
        0,
        "longer side of an image that is scaled, at most, pixels, a multiple of 64; all are padded to that square; "
        "0: no limit",
        minimum=0,
        maximum=4096,
    )
    crop_size: int = option(
        512, "side of a training crop, pixels, a multiple of 64", minimum=64, maximum=2048, only="training"
    )
    mean_pixel: tuple[float, ...] = option((123.7, 116.8, 103.9), "RGB mean that is subtracted, 0-255")
    stretch_contrast: bool = option(False, "stretch each image's values to 0-255 before all else")
    pixel_std: float = option(1.0, "divisor after the mean's subtraction, 0-255", minimum=0.01)

    # Augmentation: rescale, then crop
    augment: bool = option(True, "flips, rotations and channel shifts after the crop", only="training")
    imgaug: bool = option(
        False, "by the imgaug package, as the author's second variant, instead of our own code", only="training"
    )
    aspect_ratio: float = option(1.3, "largest extra stretch of one axis", minimum=1, maximum=4, only="training")
    min_zoom: float = option(1.0, "smallest scale, where --min-dim's is 1", minimum=0.1, maximum=1, only="training")
    min_enlarge: float = option(1.2, "largest scale is at least this", minimum=0.1, maximum=8, only="training")
    zoom: float = option(1.5, "largest scale is at least --min-dim's times this", minimum=1, maximum=8, only="training")
    upright: bool = option(
        False, "of flips and turns only the flip left-right, for images that know up from down", only="training"
    )
    rotation_range: float = option(10.0, "largest rotation, degrees", minimum=0, maximum=180, only="training")
    channel_shift_range: float = option(
        15.0, "largest shift of a channel, 0-255", minimum=0, maximum=255, only="training"
    )
    recolour: float = option(
        0.0,
        "share of crops that are tinted, inverted, or changed in colour, contrast, sharpness",
        minimum=0,
        maximum=1,
        only="training",
    )
    crop_at_origin: bool = option(False, "always crop at (0, 0), as the submitted run did by mistake", only="training")
    crop_draws: int = option(
        1, "crops drawn of an image, of which the one with most objects is taken", minimum=1, only="training"
    )
    mini_mask_size: int = option(
        56, "side of the masks that training works on, pixels", minimum=14, maximum=224, only="training"
    )
    max_instances: int = option(
        256, "objects of a training crop; a random choice where there are more", minimum=1, only="training"
    )

    # Network
    backbone: Literal["resnet50", "resnet101", "small"] = option("resnet101", "the feature extractor")
    norm: Literal["frozen_batch", "group"] = option("frozen_batch", "normalisation; 'group' to train from scratch")
    fpn_channels: int = option(256, "channels of the feature pyramid", minimum=16)
    rpn_channels: int = option(512, "channels of the region proposal head", minimum=16)
    head_channels: int = option(1024, "width of the class and box head", minimum=32)  # 16 groups of one would be 0
    mask_channels: int = option(256, "channels of the mask head", minimum=16)
    mask_convs: int = option(4, "3x3 convolutions of the mask head", minimum=1, maximum=8)

    # Anchors and proposals
    anchor_scales: tuple[float, ...] = option((8, 16, 32, 64, 128), "anchor sides at strides 4, 8, ..., pixels")
    anchor_ratios: tuple[float, ...] = option((0.5, 1, 2), "anchor widths over heights")
    rpn_nms_threshold: float = option(0.7, "proposals that overlap a better one more are dropped", minimum=0, maximum=1)
    rpn_train_anchors: int = option(256, "anchors of an image that the proposal losses see", minimum=2, only="training")
    pre_nms_limit: int = option(6000, "best anchors that become proposals", minimum=1)
    train_proposals: int = option(2000, "proposals of a training image", minimum=1, only="training")
    detect_proposals: int = option(1000, "proposals of an image in detection", minimum=1, only="prediction")
    box_std: tuple[float, ...] = option((0.1, 0.1, 0.2, 0.2), "divisors of box deltas dy, dx, log dh, log dw")

    # Where features and boxes lie
    geometry: Literal["aligned", "library"] = option(
        "aligned",
        "library: as the Mask R-CNN library, whose weights expect it: regions sampled from corner to corner, once a "
        "bin; anchors on the cells' upper left corners; boxes that end on their last pixel. "
        "aligned: half a cell and half a pixel more exact",
    )

    # Regions of interest
    train_rois: int = option(200, "regions of a training image that the heads see", minimum=2, only="training")
    positive_ratio: float = option(
        0.33, "largest share of them that holds objects", minimum=0.01, maximum=1, only="training"
    )
    add_true_boxes: bool = option(True, "append the true boxes to the proposals in training", only="training")
    fill_negatives: bool = option(
        True, "use all background regions, not only those that keep the positive ratio", only="training"
    )
    pool_size: int = option(7, "side of a region's features in the class and box head", minimum=2)
    mask_pool_size: int = option(
        14, "side of a region's features in the mask head; masks are twice as large", minimum=2
    )

    # Losses and optimiser
    loss_weights: tuple[float, ...] = option(
        (1, 1, 1, 1, 1), "proposal class, proposal box, class, box, mask", only="training"
    )

    # Detection
    confidence: float = option(0.7, "lowest score of a detection", minimum=0, maximum=1, only="prediction")
    detection_nms_threshold: float = option(
        0.3, "detections that overlap a better one more are dropped", minimum=0, maximum=1, only="prediction"
    )
    max_detections: int = option(100, "detections of an image, or of a tile", minimum=1, only="prediction")
    mask_confidence: float = option(
        0.0,
        "lowest mean probability of a mask, over its pixels of 0.5 and more; 0: any",
        minimum=0,
        maximum=1,
        only="prediction",
    )
    mask_margin: float = option(
        0.0,
        "a mask is looked for in its box and this share of its sides beyond each of them",
        minimum=0,
        maximum=1,
        only="prediction",
    )
    mask_threshold: float = option(
        0.5, "a pixel belongs to the mask from this probability on", minimum=0, maximum=1, only="prediction"
    )

    # Tiles of large images
    max_whole_side: int = option(
        1408,
        "longest side of an image that is detected in one piece, in all its views, pixels",
        minimum=64,
        only="prediction",
    )
    tile_size: int = option(
        1024, "side of the tiles of larger images, pixels, at least --min-dim", minimum=64, only="prediction"
    )
    tile_overlap: int = option(
        192,
        "shared by neighbouring tiles at least, pixels; larger objects are joined from parts",
        minimum=16,
        only="prediction",
    )

    # Objects without common pixels
    separate: bool = option(False, "give a pixel that several objects claim to one of them", only="prediction")
    mask_nms_threshold: float = option(
        1.0,
        "a detection that shares more than this part of the smaller mask with a better one is dropped; 1: none",
        minimum=0,
        maximum=1,
        only="prediction",
    )
    dilation: bool = option(
        False, "grow each mask of a single prediction by one step of binary dilation", only="prediction"
    )
    views: Literal["votes", "majority"] = option(
        "votes",
        "votes: 15 views, of which five must see a pixel; majority: flips, turns and enlargements, of which half must "
        "see an object, whose mask is the mean of theirs",
        only="prediction",
    )
    as_published: bool = option(False, "resolve overlaps as the published third-place code does", only="prediction")
    swap_scales: bool = option(
        False, "votes: the first scale of a view is the width's, as the third place's text says", only="prediction"
    )
    channel_shift: bool = option(
        False, "votes: shift the channels of views at random, as the third place's text says", only="prediction"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_images()
        self._check_network()
        if self.tile_size < self.min_dim:  # a tile would be scaled up, though its image is not
            raise InputError(f"--tile-size {self.tile_size}: must be at least --min-dim, {self.min_dim}")
        if 2 * self.tile_overlap > self.tile_size:
            raise InputError(f"--tile-overlap {self.tile_overlap}: at most half of --tile-size, {self.tile_size}")

    def _check_images(self) -> None:
        if self.crop_size % 64:
            raise InputError(f"--crop-size {self.crop_size}: choose a multiple of 64")
        if self.max_dim % 64 or 0 < self.max_dim < self.min_dim:
            raise InputError(f"--max-dim {self.max_dim}: a multiple of 64, at least --min-dim, {self.min_dim}, or 0")

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
                f"--train-rois {self.train_rois}: at most --train-proposals, {self.train_proposals}, and so many that "
                f"--positive-ratio, {self.positive_ratio:g}, leaves one for an object"
            )
        for name in ("fpn_channels", "head_channels", "mask_channels") if self.norm == "group" else ():
            if getattr(self, name) % 16:
                raise InputError(f"--{flag_name(name)} {getattr(self, name)}: group norm needs a multiple of 16")

    @property
    def num_classes(self) -> int:
        """Classes, background included."""
        return len(self.class_names) + 1

    @property
    def default_start(self) -> str:
        """A frozen batch norm hardly learns from scratch, so such a run starts from COCO's weights."""
        return "coco" if self.norm == "frozen_batch" else "none"
