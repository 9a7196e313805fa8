"""RSNA Pneumonia Detection Challenge: boxes around lung opacities in chest radiographs.

    python rsna/pneumonia.py train --dataset datasets --preset lungfish --weights coco       # or last, none, a file
    python rsna/pneumonia.py predict --dataset datasets --fuse-views --shrink 0.875       # the test part
    python rsna/pneumonia.py predict --dataset datasets --score --output submissions/rsna_held_out.csv
    python rsna/pneumonia.py score submissions/rsna_held_out.csv --dataset datasets --fold 0

Training writes config.json, log.csv, TensorBoard events and weights to <logs>/pneumonia; prediction writes a checked
CSV, `patientId,PredictionString`. Both resume a killed run. --score predicts the patients held out of training (--fold
chooses others) and prints the competition's score; --score CSV predicts and scores the test part, with its labels from
that file.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common import engine
from common.cli import (
    PredictionFlags,
    add_sample_flag,
    choose_models,
    parse_prediction_flags,
    parse_training_flags,
    run_command,
)
from common.errors import InputError, run_main
from common.flags import OneLineParser
from common.outputs import prepare_outputs
from rsna.config import PRESETS

if TYPE_CHECKING:
    from common.images.image_set import ImageSet
    from rsna.dataset import Radiographs

DATASET = "datasets"


def train(arguments: Sequence[str]) -> None:
    """Train, and periodically score some held-out patients."""
    config, flags = parse_training_flags(PRESETS, dataset=DATASET, parser=OneLineParser(__doc__), arguments=arguments)

    from common.batches.folds import split
    from rsna.augmentation import choose_augmentation
    from rsna.dataset import balance, have_boxes, load_labelled
    from rsna.evaluation import describe_patients, score_predictor

    side = config.min_dim if config.downscale else None
    images = load_labelled(flags.dataset, skip_bad=flags.skip_bad, side=side)
    training, held_out = split(images, have_boxes(images), config.fold, None)
    print(describe_patients({"training": training, "held out": held_out}))
    engine.train(
        config,
        balance(training, config.negatives, flags.limit),
        held_out,
        flags.start,
        score=lambda predictor, chosen: score_predictor(predictor, chosen, config.shrink),
        change=choose_augmentation(config.augmentation, imgaug=config.imgaug),
    )


def predict(arguments: Sequence[str]) -> None:
    """Predict the test part or held-out patients; optionally draw and score them."""
    parser = OneLineParser(__doc__)
    add_sample_flag(parser)
    flags = parse_prediction_flags(
        PRESETS, dataset=DATASET, output="submissions/rsna.csv", parser=parser, arguments=arguments
    )
    models = choose_models(flags, PRESETS, "rsna/pneumonia.py train")
    print(f"weights {', '.join(str(weights) for _, weights in models)}")
    images = _choose_images(flags, models[0][0].fold)

    from common.output.rows import choose_image_ids
    from common.output.submission import read_image_ids
    from rsna.evaluation import score_csv
    from rsna.inference import draw_boxes, predict_set
    from rsna.submission import read_predictions

    wanted = read_image_ids(flags.sample_submission, ["patientId"]) if flags.sample_submission else None
    patients = flags.choose(choose_image_ids(images, wanted, skip_bad=flags.skip_bad))
    prepare_outputs(flags, flags.folders(), images.path, images.image_names)
    if not predict_set(models, images, patients, flags.output, flags.spread):
        return  # shards, which are still to be merged
    print(f"wrote {flags.output}: {len(patients)} patients, checked")
    if flags.overlays:
        overview = draw_boxes(flags.overlays, images, read_predictions(flags.output))
        print(f"wrote {flags.overlays}: {overview}, and each image with its boxes")
    if flags.score:
        print(score_csv(flags.output, images, patients).text)


def score(arguments: Sequence[str]) -> None:
    """Check a CSV of labelled patients, then score it."""
    parser = OneLineParser(__doc__, "%(prog)s score CSV [flags]")
    add = parser.add_argument
    add("csv", type=Path, metavar="CSV")
    add("--dataset", type=Path, default=Path(DATASET), metavar="PATH", help=f"folder or zip (default: {DATASET})")
    help = "fold whose patients the CSV holds (default: all)"
    add("--fold", choices=["0", "1", "2", "3", "4", "all"], default="all", help=help)
    add("--skip-bad", action="store_true", help="report unusable images, and do not score them")
    flags = parser.parse_args(arguments)

    from common.output.rows import choose_image_ids
    from rsna.dataset import load_labelled
    from rsna.evaluation import score_csv

    images = _in_fold(load_labelled(flags.dataset, skip_bad=flags.skip_bad), flags.fold)
    print(score_csv(flags.csv, images, choose_image_ids(images, None, skip_bad=flags.skip_bad)).text)


def _choose_images(flags: PredictionFlags, fold: str) -> "ImageSet[Radiographs]":
    """Return the patients to predict: a fold's, or the test part's, with labels if `--score` names a file."""
    from rsna.dataset import load_labelled, load_unlabelled
    from rsna.files import TEST

    labels = flags.score if isinstance(flags.score, Path) else None
    skip_bad, reader = flags.skip_bad, flags.reader
    if "fold" in flags.given or flags.score is True:
        return _in_fold(load_labelled(flags.dataset, labels=labels, skip_bad=skip_bad, reader=reader), fold)
    if labels:
        return load_labelled(flags.dataset, part=TEST, labels=labels, skip_bad=skip_bad, reader=reader)
    return load_unlabelled(flags.dataset, skip_bad=skip_bad, reader=reader)


def _in_fold(images: "ImageSet[Radiographs]", fold: str) -> "ImageSet[Radiographs]":
    """Return the patients of a fold, or all of them."""
    from common.batches.folds import in_fold
    from rsna.dataset import have_boxes

    if fold == "all":
        return images
    chosen = images.select(in_fold(have_boxes(images), fold))
    if not len(chosen):
        raise InputError(f"--fold {fold}: holds none of the {len(images)} patients of {images.path}; choose all")
    return chosen


if __name__ == "__main__":
    run_main(lambda: run_command(__doc__, {"train": train, "predict": predict, "score": score}))
