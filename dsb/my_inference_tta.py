"""Test-time augmentation: each image is seen in 15 views, whose masks vote; `--views majority` has its own views.

    python dsb/my_inference_tta.py --dataset stage1_test.zip --sample-submission stage1_sample_submission.csv
    python dsb/my_inference_tta.py --dataset stage1_train.zip --fold 0 --logs logs/small --score stage1_train.zip

Writes a checked CSV, `ImageId,EncodedPixels`. Views that show the same image are predicted once and counted as
often as they occur. Killed and started again, it finishes the same file.
"""

import sys
from pathlib import Path
from typing import Literal

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.config import flag_name
from common.errors import InputError, run_main
from dsb.config import DSBConfig
from dsb.inference import infer, parse_flags


def main() -> None:
    """Predict every view, merge, write, check, and score where asked."""
    infer(parse_flags(__doc__, "submissions/dsb_tta.csv", without=("dilation",)), choose_views)


def choose_views(config: DSBConfig) -> Literal["votes", "majority"]:
    """Return the config's way to merge views.

    Raises:
        InputError: an option belongs to the other way.
    """
    for name in ("channel_shift", "swap_scales", "as_published") if config.views == "majority" else ():
        if getattr(config, name):
            raise InputError(f"--{flag_name(name)}: belongs to the 15 views; add --views votes")
    return config.views


if __name__ == "__main__":
    run_main(main)
