import numpy as np
import pytest

from common.scoring.dice import score_mask


def test_scores_by_hand():
    true, predicted = np.zeros((4, 5), bool), np.zeros((4, 5), bool)
    true[:2], predicted[1:3] = True, True  # 10 pixels each, 5 shared
    score = score_mask(true, predicted)
    assert (score.dice, score.jaccard, score.accuracy) == pytest.approx((0.5, 1 / 3, 0.5))


def test_empty_and_equal_masks():
    empty, full = np.zeros((3, 3), bool), np.ones((3, 3), bool)
    for one in (empty, full):
        score = score_mask(one, one)
        assert (score.dice, score.jaccard, score.accuracy) == (1, 1, 1)
    score = score_mask(empty, full)
    assert (score.dice, score.jaccard, score.accuracy) == (0, 0, 0)
