"""Test-time augmentation: 15 views of each image vote on its masks, or, as `small` does, the majority of 8 to 14 views.

    python dsb/my_inference_tta.py --dataset stage1_test.zip --sample-submission stage1_sample_submission.csv
    python dsb/my_inference_tta.py --dataset stage1_train.zip --fold 0 --logs logs/small --score
    python dsb/my_inference_tta.py --dataset stage1_test.zip --weights small,logs/mine/001/last.h5

Writes a checked CSV, `ImageId,EncodedPixels`. Identical views are predicted once and counted as often as they occur.
Several --weights are averaged: the views of all networks are merged, as the first one's config says. After an
interruption, it resumes the same file.
"""

import sys
from pathlib import Path
from typing import Literal

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.errors import InputError, run_main
from common.settings.options import flag_name
from dsb.config import DSBConfig
from dsb.inference import infer, parse_flags


def main() -> None:
    """Predict every view with every network, merge, write, check, and score if asked."""
    infer(parse_flags(__doc__, "submissions/dsb_tta.csv", without=("dilation",)), choose_views)


def choose_views(config: DSBConfig) -> Literal["votes", "majority"]:
    """Return how the config merges views.

    Raises:
        InputError: an option belongs to the other way of merging.
    """
    for name in ("channel_shift", "swap_scales", "as_published") if config.views == "majority" else ():
        if getattr(config, name):
            raise InputError(f"--{flag_name(name)}: belongs to the 15 views; add --views votes")
    return config.views


if __name__ == "__main__":
    run_main(main)
