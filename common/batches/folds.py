"""Which images are trained on, and which are held out."""

from collections.abc import Sequence
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
    return split_by(images, held_out, fold, limit)


def split_by(
    images: ImageSet[S], held_out: np.ndarray, fold: str, limit: int | None
) -> tuple[ImageSet[S], ImageSet[S]]:
    """Return the images to train on and those held out.

    Args:
        images: N images.
        held_out: (N,) bool.
        fold: for the message.
        limit: see `split`.

    Raises:
        InputError: nothing is left to train on.
    """
    training = images.select(np.flatnonzero(~held_out)[:limit])
    if not len(training):
        raise InputError(f"--fold {fold}: no images are left to train on; the set has {len(images)}")
    if fold != "all" and not held_out.any():
        raise InputError(
            f"--fold {fold}: would hold out none of the {len(images)} images; choose another, or all to train on every "
            "image"
        )
    return training, images.select(held_out)


def shuffled(images: ImageSet[S]) -> ImageSet[S]:
    """Return the images in a random order, always the same one."""
    return images.select(np.random.default_rng(FOLD_SEED).permutation(len(images)))


def first_with_objects(images: ImageSet[S], limit: int) -> ImageSet[S]:
    """Return the first images that have objects; if there are too few, the first others after them.

    Args:
        images: the set; labels are read up to the last image that is chosen.
        limit: how many.
    """
    chosen: list[int] = []
    others: list[int] = []
    for index in range(len(images)):
        if len(chosen) == limit:
            break
        (chosen if len(images.load_class_ids(index)) else others).append(index)
    return images.select([*chosen, *others][:limit])


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


def owner_folds(owners: Sequence[str], num_folds: int = NUM_FOLDS, *, seed: int) -> np.ndarray:
    """Assign images to folds at random, all images of an owner, such as a patient, to the same one.

    Owners with most images come first, each to the fold with the fewest images so far: folds are as equal as owners
    allow.

    Args:
        owners: whose image each of N is.
        num_folds: folds.
        seed: of the order of owners with equally many images, and of equally small folds.

    Returns:
        (N,) int64, each image's fold, 0 to num_folds - 1.

    Example:
        >>> sorted(owner_folds(["a", "b", "a", "c"], 2, seed=1).tolist())
        [0, 0, 1, 1]
    """
    _, numbers, counts = np.unique(np.asarray(owners), return_inverse=True, return_counts=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(counts))
    folds, sizes, ties = np.empty(len(counts), np.int64), np.zeros(num_folds, int), rng.permutation(num_folds)
    for owner in order[np.argsort(-counts[order], kind="stable")].tolist():
        folds[owner] = np.lexsort((ties, sizes))[0]
        sizes[folds[owner]] += counts[owner]
    return folds[numbers.reshape(-1)]
