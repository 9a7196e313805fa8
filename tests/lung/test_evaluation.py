import numpy as np
import pytest

from common.masks.instances import Instances
from common.scoring.evaluation import Pair
from lung.evaluation import paint, score_pairs, score_report


def pair(image_id, true, predicted):
    masks = [np.array(mask, bool).reshape(2, -1) for mask in (true, predicted)]
    objects = [Instances.from_masks(mask[None]) if mask.any() else Instances.empty() for mask in masks]
    return Pair(image_id, masks[0].shape, *objects, np.zeros(1, bool))


PAIRS = [
    pair("good", [1, 1, 0, 0, 1, 1], [1, 1, 0, 0, 1, 1]),
    pair("bad", [1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1]),
    pair("half", [1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]),
    pair("nothing", [1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]),
]


def test_scores_by_radiograph_the_worst_first():
    scores = score_pairs(PAIRS)
    assert list(scores) == ["bad", "nothing", "half", "good"]
    assert (scores["half"].dice, scores["half"].jaccard, scores["half"].accuracy) == pytest.approx((0.5, 1 / 3, 1 / 3))
    assert (scores["nothing"].dice, scores["nothing"].accuracy) == pytest.approx((0, 4 / 6))


def test_the_report_ends_with_the_mean():
    report = score_report(score_pairs(PAIRS))
    assert report.score == pytest.approx(1.5 / 4)
    *_, means, last = report.text.splitlines()
    assert last == "mean Dice 0.3750 over 4 radiographs"
    assert means.split() == ["mean", "0.3750", "0.3333", f"{(2 / 6 + 4 / 6 + 2 / 6 + 1) / 4:.4f}"]


def test_painted_objects_are_a_union():
    masks = np.zeros((2, 4, 4), bool)
    masks[0, :2, :2], masks[1, 1:3, 1:3] = True, True
    np.testing.assert_array_equal(paint(Instances.from_masks(masks), (4, 4)), masks.any(axis=0))
    assert not paint(Instances.empty(), (4, 4)).any()
