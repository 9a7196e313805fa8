"""What the three training steps have in common."""

from collections.abc import Callable, Mapping

import numpy as np

from common.cli import parse_training_flags
from common.errors import InputError
from dsb.config import DSBConfig

NUM_FOLDS = 5
FOLD_SEED = 2018  # the folds do not change with --seed
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

    # Keras loads for seconds: after everything that may be wrong with flags and pictures.
    from common.dataset import BatchLoader
    from common.models.mask_rcnn import MaskRCNN
    from common.train import fit, load_start

    model = MaskRCNN(config)
    first = "coco" if flags.preset == "published" else "none"
    resume = load_start(model, flags.weights, flags.logs, config.name, previous=previous, first=first)
    fit(
        model,
        config,
        BatchLoader(training, config, training=True),
        BatchLoader(held_out, config, training=False) if len(held_out) else None,
        flags.logs / config.name,
        resume=resume,
        score=_scorer(model, held_out) if len(held_out) else None,
    )


def split(dataset, fold: str, limit: int | None):
    """Return the pictures to train on and those held out; `limit` keeps the first of the former."""
    held_out = in_fold(dataset, fold)
    training = dataset.select(np.flatnonzero(~held_out)[:limit])
    if not len(training):
        raise InputError(f"--fold {fold}: no pictures are left to train on; the set has {len(dataset)}")
    return training, dataset.select(held_out)


def in_fold(dataset, fold: str) -> np.ndarray:
    """Return which pictures a fold holds back, (N,) bool; "all" trains on everything and holds back none."""
    from common.sampler import split_folds

    if fold == "all":
        return np.zeros(len(dataset), bool)
    return split_folds(dataset.sizes, NUM_FOLDS, seed=FOLD_SEED) == int(fold)


def _scorer(model, held_out) -> Callable[[], float]:
    """Return a function that scores the model's single predictions on some of the held-out pictures."""
    from common.detect import Detector
    from common.instances import Instances
    from common.metrics import dsb_score
    from common.postprocess import separate
    from common.tiles import choose_detector

    config = model.config
    chosen = np.random.default_rng(FOLD_SEED).permutation(len(held_out))[: config.score_limit]
    detector = Detector(model)

    def score() -> float:
        scores = []
        for index in chosen:
            image = held_out.load_image(index)
            (found,) = choose_detector(detector, image.shape[:2], config)([image])
            predicted = separate(found, config.mask_threshold, dilation=config.dilation)
            true = Instances.from_label_image(held_out.load_label_image(index))
            scores.append(dsb_score(true, predicted, image.shape[:2]))
        return float(np.mean(scores))

    return score
