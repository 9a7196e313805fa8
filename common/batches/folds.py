"""Which images are trained on, and which are held out."""

from collections.abc import Sequence
from typing import Protocol, Self, TypeVar

import numpy as np

from common.batches.sampler import split_folds
from common.errors import InputError

NUM_FOLDS = 5
FOLD_SEED = 2018  # the folds do not change with --seed


class Selectable(Protocol):
    """A set of N images that subsets can be selected from."""

    def __len__(self) -> int:
        """Return N."""

    def select(self, indices: Sequence[int] | np.ndarray) -> Self:
        """Return the set of the images at `indices`, (K,) int or (N,) bool."""


S = TypeVar("S", bound=Selectable)


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


def split(images: S, groups: np.ndarray, fold: str, limit: int | None, *, seed: int = FOLD_SEED) -> tuple[S, S]:
    """Return the images to train on and those held out.

    Args:
        images: N images.
        groups: see `in_fold`.
        fold: see `in_fold`.
        limit: how many images to train on, the first ones; None: all.
        seed: see `in_fold`.

    Raises:
        InputError: nothing is left to train on.
    """
    held_out = in_fold(groups, fold, seed=seed)
    if "x" in fold and not held_out.any():
        raise InputError(f"--fold {fold}: no image has this size")
    training = images.select(np.flatnonzero(~held_out)[:limit])
    if not len(training):
        raise InputError(f"--fold {fold}: no images are left to train on; the set has {len(images)}")
    return training, images.select(held_out)
