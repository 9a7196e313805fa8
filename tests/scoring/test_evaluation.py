"""Pairs of what is true and what was found, one image at a time."""

import numpy as np

from common.masks.instances import Instances
from common.scoring.evaluation import pair_predictions, pair_results
from tests.image_sets import array_set
from tests.tiny import disc_labels

LABELS = [disc_labels(32, [(8, 8, 4)]), np.zeros((16, 24), np.int32)]
IMAGES = array_set([np.zeros((*labels.shape, 3), np.uint8) for labels in LABELS], LABELS, image_ids=["a", "b"])
SQUARE = Instances.from_crops(np.array([[0, 0, 2, 2]]), [np.ones((2, 2), bool)])


def test_predictions_are_made_when_their_turn_comes():
    seen = []

    def predict(image):
        seen.append(image.shape)
        return SQUARE

    pairs = pair_predictions(IMAGES, predict)
    first = next(pairs)
    assert seen == [(32, 32, 3)]
    assert (first.image_id, first.image_shape, len(first.true), len(first.predicted)) == ("a", (32, 32), 1, 1)
    assert first.crowd.tolist() == [False]
    (second,) = pairs
    assert (second.image_id, len(second.true)) == ("b", 0)


def test_an_image_without_results_has_no_predictions():
    first, second = pair_results(IMAGES, {"b": SQUARE})
    assert (len(first.true), len(first.predicted), len(second.true), len(second.predicted)) == (1, 0, 0, 1)
