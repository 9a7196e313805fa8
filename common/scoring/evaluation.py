"""Evaluation: pairs of true and predicted objects, image by image, and a report of their score."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from common.images.image_set import ImageSet
from common.masks.instances import Instances


@dataclass(frozen=True, eq=False)
class Pair:
    """An image's true and predicted objects.

    Attributes:
        image_id: the image's name.
        image_shape: (height, width), pixels.
        true: N objects.
        predicted: M objects.
        crowd: (N,) bool, true regions of many objects.
    """

    image_id: str
    image_shape: tuple[int, int]
    true: Instances
    predicted: Instances
    crowd: np.ndarray


@dataclass(frozen=True)
class Report:
    """The score of a set.

    Attributes:
        score: the headline number, higher is better.
        text: tables to print; the last line holds the score.
    """

    score: float
    text: str


def pair_predictions(images: ImageSet, predict: Callable[[np.ndarray], Instances]) -> Iterator[Pair]:
    """Predict the images of a set, one at a time, and pair the predicted with the true objects.

    Args:
        images: with their objects.
        predict: from an image (H, W, 3) uint8 to its objects, such as `Predictor.predict`.
    """
    for index, image_id in enumerate(images.image_ids):
        true, crowd = images.load_truth(index)
        yield Pair(image_id, images.shape(index), true, predict(images.load_image(index)), crowd)


def pair_results(images: ImageSet, found: Mapping[str, Instances]) -> Iterator[Pair]:
    """Pair the true objects of a set, one image at a time, with those of a results file.

    Args:
        images: with their objects.
        found: objects by image id; a missing image has none.
    """
    for index, image_id in enumerate(images.image_ids):
        true, crowd = images.load_truth(index)
        predicted = found[image_id] if image_id in found else Instances.empty()
        yield Pair(image_id, images.shape(index), true, predicted, crowd)
