"""Hyperparameters that no network can have."""

import pytest

from common.errors import InputError
from common.settings.mask_rcnn import MaskRCNNConfig


@pytest.mark.parametrize(
    "values",
    [
        {"box_std": (0.1, 0.0, 0.2, 0.2)},
        {"anchor_ratios": (0.5, -1.0)},
        {"anchor_scales": (0, 8, 16, 32, 64)},
        {"norm": "group", "fpn_channels": 100},
        {"norm": "group", "head_channels": 40},
    ],
)
def test_what_no_network_can_have_is_refused(values):
    with pytest.raises(InputError, match=r"must be above 0|group norm needs a multiple of 16"):
        MaskRCNNConfig(**values)
