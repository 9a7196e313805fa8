"""Scores of lesions: as objects, and by the ISIC challenge's measures with one mask per image."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from common.masks.instances import Instances
from common.scoring.average_precision import average_precision, image_average_precision
from common.scoring.comparison import compare_masks
from common.scoring.dice import score_mask
from common.scoring.evaluation import Pair, Report

JACCARD_THRESHOLD = 0.65  # lesions below it score 0 in the 2018 challenge


@dataclass(frozen=True)
class LesionScore:
    """Scores of an image's mask, each in [0, 1].

    Attributes:
        jaccard: intersection over union.
        thresholded: the same, but 0 below `JACCARD_THRESHOLD`.
        dice: twice the intersection over the sum of the areas.
    """

    jaccard: float
    thresholded: float
    dice: float


def paint_lesion(instances: Instances, image_shape: tuple[int, int], choice: str) -> np.ndarray:
    """Return an image's mask.

    Args:
        instances: N lesions inside the image.
        image_shape: (height, width), pixels.
        choice: "best" for the lesion with the best score, the first of equals, or "union" for all.

    Returns:
        (H, W) bool; empty if N = 0.

    Example:
        >>> pair = Instances.from_masks(np.array([[[1, 0, 0]], [[0, 1, 1]]]), scores=[0.5, 0.9])
        >>> paint_lesion(pair, (1, 3), "best").tolist(), paint_lesion(pair, (1, 3), "union").tolist()
        ([[False, True, True]], [[True, True, True]])
    """
    if choice == "best" and len(instances):
        instances = instances.select([int(instances.scores.argmax())])
    painted = np.zeros(image_shape, bool)
    for (y1, x1, y2, x2), mask in zip(instances.boxes.tolist(), instances.masks, strict=True):
        painted[y1:y2, x1:x2] |= mask
    return painted


def score_lesion(true: np.ndarray, predicted: np.ndarray) -> LesionScore:
    """Compare two masks, (H, W) bool; two empty ones agree.

    Source: Codella et al.: Skin lesion analysis toward melanoma detection 2018, arXiv:1902.03368.

    Example:
        >>> score_lesion(np.array([[1, 1, 0]], bool), np.array([[0, 1, 1]], bool)).dice
        0.5
    """
    score = score_mask(true, predicted)
    return LesionScore(score.jaccard, score.jaccard if score.jaccard >= JACCARD_THRESHOLD else 0.0, score.dice)


def score_report(pairs: Iterable[Pair], class_names: Sequence[str], choice: str) -> Report:
    """Score lesions by the challenge's measure, the mean Jaccard index, and also report average precision.

    Args:
        pairs: one per image, at least one; consumed one at a time. An image's true mask is the union of its lesions.
        class_names: in order of class id.
        choice: see `paint_lesion`.
    """
    comparisons, scores = [], []
    for pair in pairs:
        comparisons.append(compare_masks(pair.true, pair.predicted, pair.crowd))
        true = paint_lesion(pair.true, pair.image_shape, "union")
        scores.append(score_lesion(true, paint_lesion(pair.predicted, pair.image_shape, choice)))
    result = average_precision(comparisons, range(1, len(class_names) + 1))
    by_image = float(np.mean([image_average_precision(comparison) for comparison in comparisons]))
    jaccard, thresholded, dice = (
        float(np.mean([getattr(score, name) for score in scores])) for name in ("jaccard", "thresholded", "dice")
    )
    lines = [
        result.table(class_names),
        f"mean of per-image average precision at IoU 0.5: {by_image:.4f}",
        f"mAP at IoU 0.5: {result.at(0.5).mean:.4f} over {len(scores)} images",
        f"Dice {dice:.4f}, Jaccard thresholded at {JACCARD_THRESHOLD}: {thresholded:.4f}",
        f"mean Jaccard {jaccard:.4f} over {len(scores)} images",
    ]
    return Report(jaccard, "\n".join(lines))
