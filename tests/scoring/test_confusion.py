"""Pairs of true and predicted classes, counted by hand."""

import numpy as np

from common.masks.instances import Instances
from common.scoring.comparison import compare_masks
from common.scoring.confusion import confusion_matrix

SQUARES = np.array([[0, 0, 4, 4], [0, 6, 4, 10], [6, 0, 10, 4]])
FULL = [np.ones((4, 4))] * 3


def test_hits_mixed_up_missed_and_false_ones_are_counted():
    true = Instances.from_crops(SQUARES, FULL, [1, 1, 2])
    found = Instances.from_crops(SQUARES[[0, 1]] + [[0, 0, 0, 0], [6, 0, 6, 0]], FULL[:2], [1, 2], [0.9, 0.8])
    # The first is a hit; the second lies where nothing is; one object of each class is missed.
    assert confusion_matrix([compare_masks(true, found)], 3).tolist() == [[0, 0, 1], [1, 1, 0], [1, 0, 0]]
    mixed = Instances.from_crops(SQUARES[[2]], FULL[:1], [1], [0.9])
    assert confusion_matrix([compare_masks(true, mixed)], 3).tolist() == [[0, 0, 0], [2, 0, 0], [0, 1, 0]]


def test_the_best_score_takes_an_object_and_low_ones_do_not_count():
    true = Instances.from_crops(SQUARES[:1], FULL[:1], [1])
    found = Instances.from_crops(SQUARES[[0, 0, 0]], FULL, [2, 1, 1], [0.6, 0.9, 0.4])
    assert confusion_matrix([compare_masks(true, found)], 3).tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert confusion_matrix([], 2).tolist() == [[0, 0], [0, 0]]
