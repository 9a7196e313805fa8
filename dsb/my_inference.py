"""Single prediction: one look at each image; masks are separated, with `--dilation` grown before.

    python dsb/my_inference.py --dataset stage1_test.zip --sample-submission stage1_sample_submission.csv
    python dsb/my_inference.py --dataset stage1_train.zip --fold 0 --logs logs/small --score stage1_train.zip
    python dsb/my_inference.py --dataset my_images --weights small

Writes a checked CSV, `ImageId,EncodedPixels`; of images of one's own, not in Kaggle's layout, label images and drawn
images, too. Killed and started again, it finishes the same file.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.errors import run_main
from common.flags import OneLineParser
from dsb.config import masking_of
from dsb.inference import infer, parse_flags


def main() -> None:
    """Predict, write, check, and score where asked."""
    parser = OneLineParser(__doc__)
    parser.add_argument("--published", action="store_true", help="resolve overlaps as the published code does")
    flags = parse_flags(parser, "submissions/dsb_single.csv")

    def prepare(detector, config):
        from common.prediction.postprocess import separated_runs
        from common.prediction.tiles import choose_detector

        masking = masking_of(config, published=flags.published)

        def predict(image_id, image):
            (found,) = choose_detector(detector, image.shape[:2], config)([image])
            return found, masking

        return predict, separated_runs

    infer(flags, prepare, flags.published)


if __name__ == "__main__":
    run_main(main)
