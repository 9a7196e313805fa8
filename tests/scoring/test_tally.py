"""One pass over a submission agrees with the scores that it summarises."""

import numpy as np
import pytest

from common.masks.instances import Instances
from common.scoring.average_precision import COCO_THRESHOLDS, average_precision, precision_of
from common.scoring.comparison import compare_masks
from common.scoring.dsb import dsb_score
from common.scoring.evaluation import Pair
from common.scoring.tally import tally_pairs

SHAPE = (60, 60)


def random_pair(seed, crowd=False):
    """Return an image with squares, some of them predicted a little beside, and false predictions."""
    rng = np.random.default_rng(seed)
    corners = [(y, x) for y in range(0, 60, 12) for x in range(0, 60, 12)]
    chosen = rng.permutation(len(corners))[:6]
    true = np.array([(y, x, y + 9, x + 9) for y, x in (corners[i] for i in chosen)])
    shifted = np.clip(true[:4] + np.tile(rng.integers(-2, 3, (4, 2)), 2), 0, 60)
    crops = [np.ones((y2 - y1, x2 - x1)) for y1, x1, y2, x2 in shifted.tolist()]
    true = Instances.from_crops(true, [np.ones((9, 9))] * 6, rng.integers(1, 3, 6))
    classes = np.where(rng.random(4) < 0.8, true.class_ids[:4], 1)
    found = Instances.from_crops(shifted, crops, classes, rng.random(4))
    return Pair(f"p{seed}", SHAPE, true, found, np.arange(6) == (5 if crowd else -1))


def test_it_agrees_with_average_precision_and_the_score_of_each_image():
    pairs = [random_pair(seed) for seed in range(8)]
    tally = tally_pairs(iter(pairs), 3, confidence=0.3)
    whole = average_precision([compare_masks(pair.true, pair.predicted) for pair in pairs], [1, 2])
    np.testing.assert_allclose(precision_of(tally.outcome, [1, 2], COCO_THRESHOLDS).precision, whole.precision)
    for pair, score in zip(pairs, tally.images["score"], strict=True):
        kept = pair.predicted.select(pair.predicted.scores >= 0.3)
        assert score == dsb_score(pair.true, kept, SHAPE)
    assert (
        tally.worst is not None and tally.worst.image_id == tally.images.loc[tally.images["score"].idxmin(), "image_id"]
    )
    assert len(tally.true) == 48 and len(tally.predicted) == tally.images["predicted"].sum() < 32
    assert tally.confusion.sum() - tally.confusion[0].sum() == 48


def test_each_object_knows_its_best_partner_of_its_class():
    boxes = np.array([[0, 0, 4, 4], [10, 0, 14, 4]])
    true = Instances.from_crops(boxes, [np.ones((4, 4))] * 2, [1, 2])
    found = Instances.from_crops(boxes, [np.ones((4, 4))] * 2, [1, 1], [0.9, 0.8])
    tally = tally_pairs([Pair("a", SHAPE, true, found, np.zeros(2, bool))], 3)
    assert tally.true["iou"].tolist() == [1, 0] and tally.predicted["iou"].tolist() == [1, 0]
    assert tally.is_scored


def test_what_lies_in_a_crowd_is_neither_right_nor_wrong():
    boxes = np.array([[0, 0, 4, 4], [10, 0, 30, 20]])
    true = Instances.from_crops(boxes, [np.ones((4, 4)), np.ones((20, 20))], [1, 1])
    found = np.array([[0, 0, 4, 4], [12, 2, 16, 6], [20, 5, 24, 9], [20, 12, 24, 16], [40, 40, 44, 44]])
    predicted = Instances.from_crops(found, [np.ones((4, 4))] * 5, [1, 1, 1, 2, 1], [0.6, 0.9, 0.8, 0.7, 0.55])
    pair = Pair("a", SHAPE, true, predicted, np.array([False, True]))
    tally = tally_pairs([pair], 3)
    assert tally.confusion.tolist() == [[0, 1, 1], [0, 1, 0], [0, 0, 0]]  # a crowd of class 1 excuses no class 2
    assert tally.images[["true", "predicted"]].to_numpy().tolist() == [[1, 3]]
    expected = average_precision([compare_masks(true, predicted, pair.crowd)], [1]).precision
    np.testing.assert_array_equal(precision_of(tally.outcome, [1], COCO_THRESHOLDS).precision, expected)
    assert (expected == 1).all()


def test_crowds_are_left_out_and_nothing_is_an_ordinary_value():
    tally = tally_pairs([random_pair(1, crowd=True)], 3)
    assert len(tally.true) == 5 and tally.outcome.num_true.total() == 5
    empty = Pair("b", SHAPE, Instances.empty(), Instances.empty(), np.zeros(0, bool))
    tally = tally_pairs([empty], 3)
    assert tally.worst is None and tally.images["score"].tolist() == [1.0] and not tally.is_scored
    assert tally_pairs([empty], 3, missing={"b"}).images["score"].tolist() == [0.0]  # nothing, but no row that says so
    assert tally_pairs([], 3).worst is None


def test_the_worst_image_has_both_sides_if_one_has():
    missed = Pair("missed", SHAPE, random_pair(2).true, Instances.empty(), np.zeros(6, bool))
    tally = tally_pairs([missed, random_pair(2)], 3, confidence=0.0)
    assert tally.worst is not None and tally.worst.image_id == "p2"
    assert tally_pairs([missed], 3).worst.image_id == "missed"
    assert tally.images["score"].tolist()[0] == pytest.approx(0)
