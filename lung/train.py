"""Train a U-Net on chest radiographs with masks of the lungs.

    python lung/train.py --dataset /kaggle/input --logs logs/published           # as published: one GPU
    python lung/train.py --dataset lung.zip --preset small --logs logs/small     # on two cores

Reads Kaggle's Montgomery and Shenzhen sets as they are laid out, or images/ and masks/ (see lung/README.md). A fifth of
the patients is held out (--fold). Writes config.json, log.csv, curves.png, TensorBoard events and the last and best
weights to <logs>/lung. If killed, the next run resumes.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common import engine
from common.cli import parse_training_flags
from common.errors import run_main
from common.flags import OneLineParser
from lung.config import DATASET, METADATA_HELP, PRESETS

if TYPE_CHECKING:
    from common.images.image_set import ImageSet
    from common.predictor import MapPredictor


def main() -> None:
    """Train, periodically score the held-out radiographs, and draw the learning curves."""
    parser = OneLineParser(__doc__)
    parser.add_argument("--metadata", type=Path, metavar="CSV", help=METADATA_HELP)
    config, flags = parse_training_flags(PRESETS, dataset=DATASET, parser=parser)

    from common.figures.curves import save_curves
    from common.scoring.evaluation import pair_predictions
    from lung.dataset import load_labelled, resized, split
    from lung.evaluation import score_pairs, score_report

    side, metadata = config.image_size, flags.own["metadata"]
    images = load_labelled(flags.dataset, side, metadata=metadata, skip_bad=flags.skip_bad)
    training, held_out = (resized(part, side) for part in split(images, config.fold, config.fold_seed, flags.limit))

    def score(predictor: "MapPredictor", images: "ImageSet") -> float:
        pairs = pair_predictions(images, lambda image: predictor.look(image).instances())
        return score_report(score_pairs(pairs)).score

    engine.train(config, training, held_out, flags.start, score=score)
    save_curves(flags.start.logs / config.name)


if __name__ == "__main__":
    run_main(main)
