"""What the three training steps share."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from common import engine
from common.batches.folds import split
from common.cli import parse_training_flags
from common.errors import InputError
from common.flags import OneLineParser
from common.storage.trees import data_path
from dsb.config import DSBConfig

if TYPE_CHECKING:
    from common.images.image_set import ImageSet
    from common.predictor import Predictor

DATASET = "data/stage1_train"


def train_step(description: str | None, presets: Mapping[str, DSBConfig], previous: str | None) -> None:
    """Run a step from its script's flags.

    Args:
        description: the script's docstring.
        presets: the step's experiment for each preset.
        previous: name of the previous step, if any.
    """
    parser = OneLineParser(description)
    help = "another set to train on as well, of which nothing is held out; may be repeated"
    parser.add_argument("--also", type=data_path, action="append", default=[], metavar="PATH", help=help)
    config, flags = parse_training_flags(presets, dataset=DATASET, parser=parser)

    from common.images.joined import join_sets
    from dsb.dataset import choice_of, load_dataset

    choice = choice_of(config.page, config.channel)
    images, *others = (
        load_dataset(path, skip_bad=flags.skip_bad, choice=choice) for path in (flags.dataset, *flags.own["also"])
    )
    for one in (images, *others):
        if not one.has_objects:
            raise InputError(f"{one.path}: holds no masks; train on a set that has them, such as stage1_train")
    training, held_out = split(images, images.sizes, config.fold, flags.limit)
    if others:
        training = join_sets([training, *others], apart_from=[held_out])
    engine.train(config, training, held_out, replace(flags.start, previous=previous), score=score)


def score(predictor: "Predictor", images: "ImageSet") -> float:
    """Return the competition's score of single predictions."""
    from common.scoring.evaluation import pair_predictions
    from dsb.evaluation import mean_score

    return mean_score(pair_predictions(images, predictor.predict))
