"""Train on skin lesions that were outlined with makesense.ai.

    python isic/train.py --dataset isic.zip --labels labels.json --weights coco --logs logs/published  # as published
    python isic/train.py --dataset isic.zip --labels labels.json --preset small --logs logs/small      # from nothing

Writes config.json, log.csv, TensorBoard events and weights to <logs>/lesion. Killed and started again, it goes on.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common import engine
from common.cli import parse_training_flags
from common.errors import run_main
from common.flags import OneLineParser
from isic.config import DATASET, LABELS_HELP, PRESETS


def main() -> None:
    """Train, and score the images of a fold from time to time."""
    parser = OneLineParser(__doc__)
    parser.add_argument("--labels", type=Path, metavar="JSON", help=f"the labels (default: {LABELS_HELP})")
    config, flags = parse_training_flags(__doc__, PRESETS, dataset=DATASET, parser=parser)

    from isic.dataset import load_labelled, split
    from isic.evaluation import LabelledResult, mean_score, score_result

    names = config.class_names
    images = load_labelled(flags.dataset, "train", names, labels=flags.labels, skip_bad=flags.skip_bad)
    training, held_out = split(images, config.fold, config.fold_seed, flags.limit)

    def rate(found: engine.Found) -> float:
        results = (
            LabelledResult(held_out.load_instances(index), one.paint(config.mask_threshold), one.image_shape)
            for index, one in found
        )
        return mean_score([score_result(one, config.lesion) for one in results]).jaccard

    engine.train(config, flags, training, held_out, rate=rate)


if __name__ == "__main__":
    run_main(main)
