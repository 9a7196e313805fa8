"""Hyperparameters that make training from scratch work on a CPU, without pretrained weights."""

from dataclasses import replace
from typing import Any, TypeVar

from common.settings.mask_rcnn import MaskRCNNConfig

C = TypeVar("C", bound=MaskRCNNConfig)

RECIPE: dict[str, Any] = {
    # Group norm: batches are too small to estimate statistics from, and frozen statistics need pretrained weights.
    "backbone": "small",
    "norm": "group",
    "fpn_channels": 128,
    "rpn_channels": 128,
    "head_channels": 256,
    "mask_channels": 64,
    "bfloat16": True,
    "pixel_std": 58.0,
    "geometry": "aligned",
    "mini_mask_size": 28,
    # Proposals are poor at first: the heads learn from the true boxes and all the background there is.
    "add_true_boxes": True,
    "fill_negatives": True,
    "batch_size": 4,
    "optimizer": "adamw",
    "decay": "cosine",
    "warmup_steps": 200,
    "weight_decay": 0.02,
}
# Half as wide, for runs of a few minutes.
NARROW: dict[str, Any] = {"fpn_channels": 64, "rpn_channels": 64, "head_channels": 128, "mask_channels": 32}


def from_scratch(config: C, **changes: Any) -> C:
    """Return a config that trains a small network from scratch.

    Args:
        config: the competition's.
        changes: options that differ from `config` and `RECIPE`.

    Example:
        >>> from_scratch(MaskRCNNConfig(crop_size=256), batch_size=8).optimizer
        'adamw'
    """
    return replace(config, **RECIPE | changes)
