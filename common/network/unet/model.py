"""The U-Net as a network of the training loop."""

from collections.abc import Mapping
from typing import ClassVar

from keras import ops

from common.batches.changes import Change
from common.batches.loader import BatchLoader
from common.batches.mask_samples import mask_batches
from common.images.image_set import ImageSet
from common.network.loss_model import LossModel
from common.network.precision import convolve_in
from common.network.unet.layers import build_unet
from common.network.unet.losses import LOSS_NAMES, bce_loss, dice_loss
from common.settings.unet import UNetConfig


class UNet(LossModel):
    """Semantic segmentation of one class.

    Called with a training batch it returns the two losses; `body` maps images to logits.
    """

    loss_names: ClassVar[Mapping[str, str]] = dict(zip(LOSS_NAMES, ("bce", "dice"), strict=True))
    layer_groups: ClassVar[Mapping[str, str]] = {"decoder": "up.*|final"}

    def __init__(self, config: UNetConfig) -> None:
        super().__init__(config, name="unet")
        with convolve_in(config.bfloat16):
            self.body = build_unet(config.channels, config.norm)
        self.built = True

    @property
    def random_states(self) -> list:
        """None: the network draws nothing at random."""
        return []

    def batches(self, images: ImageSet, *, training: bool, change: Change | None = None) -> BatchLoader:
        """Return batches of resized images with their masks."""
        return mask_batches(images, self.config, training=training, change=change)

    def call(self, inputs: Mapping, training: bool | None = None) -> dict:
        """Return the two losses of a batch.

        Args:
            inputs: images (B, S, S, 3) uint8; masks (B, S, S, 1) uint8, 0 or 1.
            training: batch norm uses the batch's own statistics.

        Returns:
            Scalars, by the names in `LOSS_NAMES`.
        """
        logits = self.body(inputs["images"], training=training)
        targets = ops.cast(inputs["masks"], "float32")
        return dict(zip(LOSS_NAMES, (bce_loss(logits, targets), dice_loss(logits, targets)), strict=True))
