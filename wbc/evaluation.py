"""How well cells and their classes were found."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from common.masks.instances import Instances
from common.scoring.average_precision import AveragePrecision, average_precision
from common.scoring.comparison import compare_masks
from wbc.confusion import confusion_matrix, save_confusion
from wbc.dataset import count_images

FEWEST_IMAGES = 10  # to train on, of a class that counts in the mean

Pair = tuple[Instances, Instances]  # true and predicted cells of an image


def usual_classes(dataset: str | os.PathLike[str], class_names: Sequence[str]) -> list[int]:
    """Return the classes with at least `FEWEST_IMAGES` images in train, or all where none has so many."""
    counts = count_images(dataset, "train", class_names)
    every = range(1, len(class_names) + 1)
    return [class_id for class_id in every if counts.get(class_id, 0) >= FEWEST_IMAGES] or list(every)


def score_masks(pairs: Iterable[Pair], class_ids: Sequence[int]) -> AveragePrecision:
    """Return the average precision of masks at an IoU of 0.5."""
    return average_precision((compare_masks(*pair) for pair in pairs), class_ids, thresholds=[0.5])


def report(pairs: Iterable[Pair], dataset: str | os.PathLike[str], class_names: Sequence[str], output: Path) -> None:
    """Print the average precision by class and its mean, and write the confusion matrix beside the CSV `output`.

    The pairs are taken one at a time.
    """
    comparisons = [compare_masks(*pair) for pair in pairs]
    result = average_precision(comparisons, range(1, len(class_names) + 1))
    print(result.table(class_names))
    path = output.with_name(f"{output.stem}_confusion.csv")
    save_confusion(path, confusion_matrix(comparisons, len(class_names) + 1), class_names)
    print(f"wrote {path}, and as an image {path.with_suffix('.png').name}: cells by true and predicted class")
    usual = usual_classes(dataset, class_names)
    mean = average_precision(comparisons, usual, thresholds=[0.5]).mean
    names = ", ".join(class_names[class_id - 1] for class_id in usual)
    print(f"mAP at IoU 0.5: {mean:.4f} over {len(comparisons)} images and the classes {names}")
