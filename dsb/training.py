"""What the three training steps share."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from common import engine
from common.batches.folds import split
from common.cli import parse_training_flags
from common.errors import InputError
from common.flags import OneLineParser
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
    config, flags = parse_training_flags(presets, dataset=DATASET, parser=OneLineParser(description))

    from dsb.dataset import choice_of, load_dataset

    choice = choice_of(config.page, config.channel)
    images = load_dataset(flags.dataset, skip_bad=flags.skip_bad, choice=choice)
    if not images.has_objects:
        raise InputError(f"{flags.dataset}: holds no masks; train on a set that has them, such as stage1_train")
    training, held_out = split(images, images.sizes, config.fold, flags.limit)
    engine.train(config, training, held_out, replace(flags.start, previous=previous), score=score)


def score(predictor: "Predictor", images: "ImageSet") -> float:
    """Return the competition's score of single predictions."""
    from common.scoring.evaluation import pair_predictions
    from dsb.evaluation import mean_score

    return mean_score(pair_predictions(images, predictor.predict))
