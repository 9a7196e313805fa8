"""What the three training steps have in common."""

from collections.abc import Mapping

import numpy as np

from common.batches import folds
from common.cli import parse_training_flags
from common.engine import Found, train
from common.errors import InputError
from dsb.config import DSBConfig, masking_of

DATASET = "data/stage1_train"


def train_step(description: str | None, presets: Mapping[str, DSBConfig], previous: str | None) -> None:
    """Run a step from its script's flags.

    Args:
        description: the script's docstring.
        presets: the step's experiment for each preset.
        previous: name of the step that it starts from, if any.
    """
    config, flags = parse_training_flags(description, presets, dataset=DATASET)

    from dsb.dataset import load_dataset

    dataset = load_dataset(flags.dataset, skip_bad=flags.skip_bad)
    if not dataset.has_masks:
        raise InputError(f"{flags.dataset}: holds no masks; train on a set that has them, such as stage1_train")
    training, held_out = split(dataset, config.fold, flags.limit)

    def rate(found: Found) -> float:
        from common.masks.instances import Instances
        from common.prediction.postprocess import separate
        from common.scoring.dsb import dsb_score

        scores = []
        for index, detections in found:
            true = Instances.from_label_image(held_out.load_label_image(index))
            predicted = separate(detections, masking_of(config))
            scores.append(dsb_score(true, predicted, detections.image_shape))
        return float(np.mean(scores))

    train(config, flags, training, held_out, previous=previous, rate=rate)


def split(dataset, fold: str, limit: int | None):
    """Return the images to train on and those held back, of every size its share; `limit` keeps the first ones."""
    return folds.split(dataset, dataset.sizes, fold, limit)
