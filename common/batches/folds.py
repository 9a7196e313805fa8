"""Which images are trained on, and which are held out."""

from typing import TypeVar

import numpy as np

from common.batches.sampler import group_numbers
from common.errors import InputError
from common.images.image_set import ImageSet, Source

NUM_FOLDS = 5
FOLD_SEED = 2018  # the folds do not change with --seed


S = TypeVar("S", bound=Source)


def in_fold(groups: np.ndarray, fold: str, *, seed: int = FOLD_SEED) -> np.ndarray:
    """Return which images a fold holds out; "all" holds out none.

    Args:
        groups: (N,) or (N, K), what folds are stratified by: image sizes, or a class.
        fold: "0" to "4"; "all"; or a size, such as "256x320", to hold out every image of it.
        seed: of the assignment to folds.

    Returns:
        (N,) bool.
    """
    if fold == "all":
        return np.zeros(len(groups), bool)
    if "x" in fold:
        return (groups == np.array(fold.split("x"), int)).all(axis=1)
    return split_folds(groups, NUM_FOLDS, seed=seed) == int(fold)


def split(
    images: ImageSet[S], groups: np.ndarray, fold: str, limit: int | None, *, seed: int = FOLD_SEED
) -> tuple[ImageSet[S], ImageSet[S]]:
    """Return the images to train on and those held out.

    Args:
        images: N images.
        groups: see `in_fold`.
        fold: see `in_fold`.
        limit: how many images to train on, the first ones; None: all.
        seed: see `in_fold`.

    Raises:
        InputError: nothing is held out, unless `fold` is "all", or nothing is left to train on.
    """
    held_out = in_fold(groups, fold, seed=seed)
    if "x" in fold and not held_out.any():
        raise InputError(f"--fold {fold}: no image has this size")
    training = images.select(np.flatnonzero(~held_out)[:limit])
    if not len(training):
        raise InputError(f"--fold {fold}: no images are left to train on; the set has {len(images)}")
    if fold != "all" and not held_out.any():
        raise InputError(
            f"--fold {fold}: would hold out none of the {len(images)} images; choose another, or all to train on every "
            "image"
        )
    return training, images.select(held_out)


def split_folds(sizes: np.ndarray, num_folds: int = 5, *, seed: int) -> np.ndarray:
    """Assign the images to folds at random, every group as evenly as possible.

    Each group continues at the fold after the previous group's last, so small groups spread over the folds, and fold
    sizes differ by at most one.

    Args:
        sizes: (N,) or (N, K), what groups the images: (height, width), or a class.
        num_folds: folds.
        seed: of the random order within each group.

    Returns:
        (N,) int64, each image's fold, 0 to num_folds - 1.

    Example:
        >>> sorted(split_folds(np.zeros(6), 3, seed=1).tolist())
        [0, 0, 1, 1, 2, 2]
    """
    groups = group_numbers(sizes)
    order = np.lexsort((np.random.default_rng(seed).permutation(len(groups)), groups))
    folds = np.empty(len(groups), dtype=np.int64)
    folds[order] = np.arange(len(groups)) % num_folds
    return folds
