"""RSNA Pneumonia Detection Challenge: boxes around lung opacities in chest radiographs.

    python rsna/pneumonia.py train --dataset datasets --preset lungfish --weights coco       # or last, none, a file
    python rsna/pneumonia.py predict --dataset datasets --fuse-views --shrink 0.875       # the test part
    python rsna/pneumonia.py evaluate --dataset datasets --overlays overlays        # the patients that were held back
    python rsna/pneumonia.py evaluate --dataset datasets --csv submissions/rsna_held_back.csv --fold 0

Training writes config.json, log.csv, TensorBoard events and weights to <logs>/pneumonia; prediction a checked CSV,
`patientId,PredictionString`; evaluation also prints the competition's score. Killed and started again, each goes on.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common import engine
from common.cli import (
    config_of_weights,
    find_weights,
    parse_inference_flags,
    parse_training_flags,
    prepare_outputs,
    run_command,
)
from common.errors import InputError, run_main
from common.flags import OneLineParser
from rsna.config import PRESETS, RSNAConfig

if TYPE_CHECKING:
    from rsna.dataset import RadiographSet

DATASET = "datasets"


def train(arguments: Sequence[str]) -> None:
    """Train, and score some held-back patients from time to time."""
    config, flags = parse_training_flags(__doc__, PRESETS, dataset=DATASET, arguments=arguments)

    from common.batches import folds
    from rsna.augmentation import choose_augmentation
    from rsna.dataset import load_labelled
    from rsna.evaluation import describe_patients, rate_detections

    images = load_labelled(flags.dataset, skip_bad=flags.skip_bad, side=config.min_dim)
    training, held_out = folds.split(images, images.positive, config.fold, None)
    print(describe_patients({"to train on": training, "held back": held_out}))
    engine.train(
        config,
        flags,
        training.balance(config.negatives, flags.limit),
        held_out,
        rate=lambda found: rate_detections(found, held_out, config.shrink),
        change=choose_augmentation(config.augmentation, imgaug=config.imgaug),
    )


def predict(arguments: Sequence[str]) -> None:
    """Predict the test part, or with --fold held-back patients, and draw them where asked."""
    parser = _parser()
    help_ids = "gives the patients and their order (default: all, sorted)"
    parser.add_argument("--sample-submission", type=Path, metavar="CSV", help=help_ids)
    flags = _parse(parser, "submissions/rsna.csv", arguments)
    models = _find_models(flags)

    from common.output.submission import read_image_ids
    from common.output.writer import choose_image_ids
    from rsna.dataset import load_unlabelled

    if "fold" in flags:
        images = _held_back(flags, flags.fold)
    else:
        images = load_unlabelled(flags.dataset, skip_bad=flags.skip_bad)
    wanted = read_image_ids(flags.sample_submission, ["patientId"]) if flags.sample_submission else None
    patients = choose_image_ids(images.images, wanted, skip_bad=flags.skip_bad)[: flags.limit]
    _predict(flags, models, images, patients)


def evaluate(arguments: Sequence[str]) -> None:
    """Predict held-back patients, or take a CSV that is there, and score it."""
    parser = _parser()
    parser.add_argument("--csv", type=Path, help="score this one; its patients are those of --fold (default: all)")
    flags = _parse(parser, "submissions/rsna_held_back.csv", arguments)
    if flags.csv and flags.overlays:
        raise InputError(f"--overlays {flags.overlays}: draws what is predicted, --csv predicts nothing; leave one out")
    models = [] if flags.csv else _find_models(flags)
    fold = getattr(flags, "fold", "all" if flags.csv else models[0][0].fold)
    images = _held_back(flags, fold)
    patients = list(images.image_ids)[: flags.limit]
    if models:
        _predict(flags, models, images, patients)

    from rsna.evaluation import report_score

    print(report_score(flags.csv or flags.output, images, patients))


def _parser() -> OneLineParser:
    return OneLineParser(__doc__)


def _parse(parser: OneLineParser, output: str, arguments: Sequence[str]) -> argparse.Namespace:
    return parse_inference_flags(
        PRESETS, dataset=DATASET, output=output, submission=False, parser=parser, arguments=arguments
    )


def _find_models(flags: argparse.Namespace) -> list[tuple[RSNAConfig, Path]]:
    """Return the weights that `--weights` names, several with commas between them, each with its config."""
    run = getattr(flags, "name", PRESETS[flags.preset].name)
    found = [find_weights(name, flags.logs, [run], "rsna/pneumonia.py train") for name in flags.weights.split(",")]
    print(f"weights {', '.join(map(str, found))}")
    return [(config_of_weights(flags, path, PRESETS), path) for path in found]


def _held_back(flags: argparse.Namespace, fold: str) -> "RadiographSet":
    """Return the labelled patients of a fold, or all of them."""
    from common.batches.folds import in_fold
    from rsna.dataset import load_labelled

    images = load_labelled(flags.dataset, skip_bad=flags.skip_bad)
    if fold == "all":
        return images
    chosen = images.select(in_fold(images.positive, fold))
    if not len(chosen):
        raise InputError(f"--fold {fold}: holds none of the {len(images)} patients of {flags.dataset}; choose all")
    return chosen


def _predict(
    flags: argparse.Namespace,
    models: Sequence[tuple[RSNAConfig, Path]],
    images: "RadiographSet",
    patients: Sequence[str],
) -> None:
    """Write the checked CSV and, where asked, the images."""
    from rsna.inference import draw_boxes, predict_set
    from rsna.submission import read_predictions

    prepare_outputs(flags, images.images.tree.path, images.image_names)
    predict_set(models, images, patients, flags.output, flags.workers)
    print(f"wrote {flags.output}: {len(patients)} patients, checked")
    if flags.overlays:
        overview = draw_boxes(flags.overlays, images, read_predictions(flags.output))
        print(f"wrote {flags.overlays}: {overview}, and each image with its boxes")


if __name__ == "__main__":
    run_main(lambda: run_command(__doc__, {"train": train, "predict": predict, "evaluate": evaluate}))
