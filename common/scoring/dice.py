"""Scores of one mask against another: Dice, Jaccard, pixel accuracy."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class MaskScore:
    """Scores of a mask, each in [0, 1].

    Attributes:
        dice: twice the intersection over the sum of the areas.
        jaccard: intersection over union.
        accuracy: share of pixels that agree.
    """

    dice: float
    jaccard: float
    accuracy: float


def score_mask(true: np.ndarray, predicted: np.ndarray) -> MaskScore:
    """Compare two masks, (H, W) bool; two empty ones agree.

    Example:
        >>> score_mask(np.array([[1, 1, 0, 0]], bool), np.array([[0, 1, 1, 0]], bool))
        MaskScore(dice=0.5, jaccard=0.3333333333333333, accuracy=0.5)
    """
    shared, both = int(np.count_nonzero(true & predicted)), int(np.count_nonzero(true) + np.count_nonzero(predicted))
    accuracy = 1 - (both - 2 * shared) / true.size
    return MaskScore(2 * shared / both, shared / (both - shared), accuracy) if both else MaskScore(1.0, 1.0, 1.0)
