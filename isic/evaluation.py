"""How well lesions were found: as objects, and by the ISIC challenge's scores of one mask an image."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from common.masks.instances import Instances
from common.scoring.average_precision import average_precision, image_average_precision
from common.scoring.comparison import compare_masks

JACCARD_THRESHOLD = 0.65  # below it, the challenge of 2018 counts a lesion as not found


@dataclass(frozen=True)
class LesionScore:
    """How well the masks of one image or more agree, each in [0, 1].

    Attributes:
        jaccard: intersection over union.
        thresholded: the same, and 0 where it is below `JACCARD_THRESHOLD`.
        dice: twice the intersection over the sum of both areas.
    """

    jaccard: float
    thresholded: float
    dice: float


@dataclass(frozen=True, eq=False)
class LabelledResult:
    """An image's true and predicted lesions, and its (height, width)."""

    true: Instances
    predicted: Instances
    image_shape: tuple[int, int]


def paint_lesion(instances: Instances, image_shape: tuple[int, int], choice: str) -> np.ndarray:
    """Return the one mask of an image.

    Args:
        instances: N lesions inside the image.
        image_shape: (height, width), pixels.
        choice: "best" for the lesion of the best score, and of equals the first, or "union" for all.

    Returns:
        (H, W) bool; nothing is set where N = 0.

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
    """Compare two masks, (H, W) bool; two without a pixel agree.

    Source: Codella et al.: Skin lesion analysis toward melanoma detection 2018, arXiv:1902.03368.

    Example:
        >>> score_lesion(np.array([[1, 1, 0]], bool), np.array([[0, 1, 1]], bool)).dice
        0.5
    """
    shared, both = int(np.count_nonzero(true & predicted)), int(np.count_nonzero(true)) + int(predicted.sum())
    if not both:
        return LesionScore(1.0, 1.0, 1.0)
    jaccard = shared / (both - shared)
    return LesionScore(jaccard, jaccard if jaccard >= JACCARD_THRESHOLD else 0.0, 2 * shared / both)


def score_result(result: LabelledResult, choice: str) -> LesionScore:
    """Return `score_lesion` of an image, whose true mask is all its true lesions; `choice`: see `paint_lesion`."""
    true = paint_lesion(result.true, result.image_shape, "union")
    return score_lesion(true, paint_lesion(result.predicted, result.image_shape, choice))


def mean_score(scores: Sequence[LesionScore]) -> LesionScore:
    """Return the means over images, one at least."""
    jaccard, thresholded, dice = (
        float(np.mean([getattr(score, name) for score in scores])) for name in ("jaccard", "thresholded", "dice")
    )
    return LesionScore(jaccard, thresholded, dice)


def report(results: Iterable[LabelledResult], class_names: Sequence[str], choice: str) -> None:
    """Print the average precision of the lesions, and the challenge's scores; results are taken one at a time."""
    comparisons, scores = [], []
    for one in results:
        comparisons.append(compare_masks(one.true, one.predicted))
        scores.append(score_result(one, choice))
    result = average_precision(comparisons, range(1, len(class_names) + 1))
    print(result.table(class_names))
    by_image = float(np.mean([image_average_precision(comparison) for comparison in comparisons]))
    print(f"mean of the images' own average precisions at IoU 0.5: {by_image:.4f}")
    print(f"mAP at IoU 0.5: {result.at(0.5).mean:.4f} over {len(scores)} images")
    score = mean_score(scores)
    print(f"Dice {score.dice:.4f}, Jaccard from {JACCARD_THRESHOLD} on {score.thresholded:.4f}")
    print(f"mean Jaccard {score.jaccard:.4f} over {len(scores)} images")
