"""Single prediction: one look at each image; masks are separated, and first grown with `--dilation`.

    python dsb/my_inference.py --dataset stage1_test.zip --sample-submission stage1_sample_submission.csv
    python dsb/my_inference.py --dataset stage1_train.zip --fold 0 --logs logs/small --score
    python dsb/my_inference.py --dataset my_images --weights small

Writes a checked CSV, `ImageId,EncodedPixels`; for images outside Kaggle's layout, label images and overlays, too. After
an interruption, it resumes the same file.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.errors import run_main
from dsb.inference import infer, parse_flags


def main() -> None:
    """Predict, write, check, and score if asked."""
    flags = parse_flags(__doc__, "submissions/dsb_single.csv", without=("views", "swap_scales", "channel_shift"))
    infer(flags, lambda config: None)


if __name__ == "__main__":
    run_main(main)
