"""Hyperparameters of the U-Net, in addition to those of every run."""

from dataclasses import dataclass
from typing import Literal

from common.errors import InputError
from common.settings.config import RunConfig
from common.settings.options import flag_name, option


@dataclass(frozen=True, kw_only=True)
class UNetConfig(RunConfig):
    """Training and prediction with a U-Net of one class."""

    telling = "channels"
    output_layers = ("final",)

    # Images
    image_size: int = option(512, "side of the square that images are resized to, pixels", minimum=32, maximum=2048)

    # Augmentation
    augment: bool = option(True, "augment the training images", only="training")
    rotation_range: float = option(35.0, "largest rotation, degrees", minimum=0, maximum=180, only="training")
    scale_range: float = option(0.0, "largest difference of the scale from 1", minimum=0, maximum=0.5, only="training")
    shift_range: float = option(0.0, "largest shift, share of the side", minimum=0, maximum=0.5, only="training")
    flip_lr: float = option(0.5, "share of images flipped left-right", minimum=0, maximum=1, only="training")
    flip_ud: float = option(0.1, "share of images flipped up-down", minimum=0, maximum=1, only="training")
    brightness: float = option(
        0.0, "largest difference of the factor on the values from 1", minimum=0, maximum=1, only="training"
    )
    contrast: float = option(
        0.0,
        "largest difference of the factor on the values' distances from middle grey from 1",
        minimum=0,
        maximum=1,
        only="training",
    )

    # Network
    channels: tuple[int, ...] = option(
        (64, 128, 256, 512), "channels of the levels, each at half the resolution; the bottleneck has twice the last"
    )
    norm: Literal["batch", "group"] = option("batch", "normalisation; 'group' for small batches")

    # Losses
    loss_weights: tuple[float, ...] = option((1, 1), "binary cross-entropy, Dice", only="training")

    # Prediction
    views: Literal["none", "flip", "scales"] = option(
        "none",
        "average the probabilities of several views; flip: the image and its mirror image; scales: both at three "
        "scales",
        only="prediction",
    )
    mask_threshold: float = option(
        0.5, "lowest probability of a pixel of the mask", minimum=0, maximum=1, only="prediction"
    )
    largest: int = option(
        0, "keep only this many connected parts of a mask, the largest; 0: all", minimum=0, only="prediction"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.loss_weights) != 2:
            raise InputError(f"--{flag_name('loss_weights')} takes 2 values, got {self.loss_weights}")
        if not self.channels or min(self.channels) < 1:
            raise InputError(f"--channels {self.channels}: all must be above 0")
        if self.norm == "group" and any(channels % 16 for channels in self.channels):
            raise InputError(f"--channels {self.channels}: group norm needs multiples of 16")
        if self.image_size % self.stride:
            raise InputError(
                f"--image-size {self.image_size}: {len(self.channels)} levels need a multiple of {self.stride}"
            )

    @property
    def stride(self) -> int:
        """Pixels per cell of the bottleneck."""
        return 2 ** len(self.channels)
