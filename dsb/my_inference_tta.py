"""Test-time augmentation: each image is seen in 15 views, whose masks vote; `--tta majority` has its own views.

    python dsb/my_inference_tta.py --dataset stage1_test.zip --sample-submission stage1_sample_submission.csv
    python dsb/my_inference_tta.py --dataset stage1_train.zip --fold 0 --logs logs/small --score stage1_train.zip

Writes a checked CSV, `ImageId,EncodedPixels`. Views that show the same image are predicted once and counted as
often as they occur. Killed and started again, it finishes the same file.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.config import flag_name
from common.errors import InputError, run_main
from common.flags import OneLineParser
from common.output.writer import image_rng
from dsb.config import masking_of
from dsb.inference import infer, parse_flags


def main() -> None:
    """Predict every view, merge, write, check, and score where asked."""
    parser = OneLineParser(__doc__)
    parser.add_argument("--channel-shift", action="store_true", help="shift the views' channels, as the text says")
    parser.add_argument("--swap-scales", action="store_true", help="scale 1 is the width's, as the text says")
    parser.add_argument("--published", action="store_true", help="resolve overlaps as the published code does")
    flags = parse_flags(parser, "submissions/dsb_tta.csv")

    def check(config):
        for name in ("channel_shift", "swap_scales", "published") if config.tta == "majority" else ():
            if getattr(flags, name):
                raise InputError(f"--{flag_name(name)}: belongs to the 15 views; add --tta votes")

    def prepare(detector, config):
        from common.output.writer import detect_views
        from common.prediction.postprocess import merged_runs
        from common.prediction.tiles import choose_detector
        from common.prediction.views import TURNED_VIEWS, VIEWS

        masking = masking_of(config, published=flags.published)
        views = list(TURNED_VIEWS if masking.majority else VIEWS)
        if flags.swap_scales:
            views = [view.swap_scales() for view in views]

        def predict(image_id, image):
            shape = image.shape[:2]
            rng = image_rng(config.seed, image_id)
            detect = choose_detector(detector, shape, config)
            found = detect_views(detect, image, views, config.min_dim, rng, channel_shift=flags.channel_shift)
            return found, shape, masking

        return predict, merged_runs

    infer(flags, prepare, flags.channel_shift, flags.swap_scales, flags.published, check=check)


if __name__ == "__main__":
    run_main(main)
