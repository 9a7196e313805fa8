"""Train on skin lesions outlined with makesense.ai.

    python isic/train.py --dataset isic.zip --labels labels.json --weights coco --logs logs/published  # as published
    python isic/train.py --dataset isic.zip --labels labels.json --preset small --logs logs/small      # from scratch

Writes config.json, log.csv, TensorBoard events and weights to <logs>/lesion. If killed, the next run resumes.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common import engine
from common.cli import parse_training_flags
from common.errors import run_main
from common.flags import OneLineParser
from isic.config import DATASET, LABELS_HELP, PRESETS

if TYPE_CHECKING:
    from common.images.image_set import ImageSet
    from common.predictor import Predictor


def main() -> None:
    """Train, and periodically score the validation images."""
    parser = OneLineParser(__doc__)
    parser.add_argument("--labels", type=Path, metavar="JSON", help=f"the labels (default: {LABELS_HELP})")
    config, flags = parse_training_flags(PRESETS, dataset=DATASET, parser=parser)

    from common.scoring.evaluation import pair_predictions
    from isic.dataset import load_labelled, split
    from isic.evaluation import score_report

    names = config.class_names
    images = load_labelled(flags.dataset, "train", names, labels=flags.own["labels"], skip_bad=flags.skip_bad)
    training, held_out = split(images, config.fold, config.fold_seed, flags.limit)

    def score(predictor: "Predictor", images: "ImageSet") -> float:
        return score_report(pair_predictions(images, predictor.predict), names, config.lesion).score

    engine.train(config, training, held_out, flags.start, score=score)


if __name__ == "__main__":
    run_main(main)
