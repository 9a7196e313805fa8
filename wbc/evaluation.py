"""Scores of cells and their classes."""

import os
from collections.abc import Iterable, Sequence

import numpy as np

from common.scoring.average_precision import average_precision
from common.scoring.comparison import compare_masks
from common.scoring.confusion import confusion_matrix
from common.scoring.evaluation import Pair, Report
from wbc.dataset import count_images

FEWEST_IMAGES = 10  # training images of a class that counts in the mean


def usual_classes(dataset: str | os.PathLike[str], class_names: Sequence[str]) -> list[int]:
    """Return the classes with at least `FEWEST_IMAGES` training images, or all if none has as many."""
    counts = count_images(dataset, "train", class_names)
    every = range(1, len(class_names) + 1)
    return [class_id for class_id in every if counts.get(class_id, 0) >= FEWEST_IMAGES] or list(every)


def score_report(pairs: Iterable[Pair], class_names: Sequence[str], usual: Sequence[int]) -> tuple[Report, np.ndarray]:
    """Score masks by the mean of the usual classes' average precisions at an IoU of 0.5, and report all classes.

    Args:
        pairs: one per image; consumed one at a time.
        class_names: in order of class id.
        usual: the classes that count.

    Returns:
        The report, and the confusion matrix, see `confusion_matrix`.
    """
    comparisons = [compare_masks(pair.true, pair.predicted, pair.crowd) for pair in pairs]
    table = average_precision(comparisons, range(1, len(class_names) + 1)).table(class_names)
    mean = average_precision(comparisons, usual, thresholds=[0.5]).mean
    names = ", ".join(class_names[class_id - 1] for class_id in usual)
    last = f"mAP at IoU 0.5: {mean:.4f} over {len(comparisons)} images and the classes {names}"
    return Report(mean, f"{table}\n{last}"), confusion_matrix(comparisons, len(class_names) + 1)
