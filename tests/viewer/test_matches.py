"""Matches kept as tables: the same counts and scores as comparing anew."""

import dataclasses

import numpy as np
import pytest

from common.masks.instances import Instances
from common.scoring.comparison import compare_masks
from common.scoring.dice import score_mask
from common.scoring.dsb import score_image
from tests.viewer.made import break_objects
from viewer.matches import DSB_RULE, RULES, THRESHOLDS, USUAL_RULE, Matches, Rule, Tally, nearest_threshold


def squares(*corners, side=10, ids=None, scores=None):
    boxes = np.array([[y, x, y + side, x + side] for y, x in corners]).reshape(-1, 4)
    return Instances.from_crops(boxes, [np.ones((side, side), bool)] * len(corners), ids, scores)


def match(true, predicted, crowd=None, *, strict=False):
    return Matches.of(compare_masks(true, predicted, crowd), strict=strict)


@pytest.fixture(scope="module")
def pairs():
    """Disjoint objects of six images, among them one without any, and their broken copies."""
    rng, made = np.random.default_rng(3), []
    for count in (5, 0, 1, 8, 12, 3):
        labels = np.zeros((64, 64), np.int32)
        for label in range(1, count + 1):
            y, x = rng.integers(0, 56, 2)
            labels[y : y + rng.integers(3, 12), x : x + rng.integers(3, 12)] = label
        true = Instances.from_label_image(labels)
        broken = break_objects(true, (64, 64), rng).to_label_image((64, 64))
        made.append((true, Instances.from_label_image(broken)))
    return made


def test_scores_are_those_of_the_competition(pairs):
    tally = Tally.of([match(*pair, strict=True) for pair in pairs])
    expected = [score_image(*pair, (64, 64)) for pair in pairs]
    np.testing.assert_allclose(tally.image_scores(DSB_RULE, 0), [one.score for one in expected])
    for place, row in enumerate(DSB_RULE.rows):
        hits, false, missed = tally.count(row, 0)
        assert hits.tolist() == [one.tp[place] for one in expected]
        assert false.tolist() == [one.fp[place] for one in expected]
        assert missed.tolist() == [one.fn[place] for one in expected]


@pytest.mark.parametrize("confidence", [0.0, 0.5, 0.8, 1.0])
def test_a_limit_on_the_score_counts_as_if_the_others_were_not_there(confidence):
    rng = np.random.default_rng(5)
    true = squares(*rng.integers(0, 40, (12, 2)).tolist())
    predicted = squares(*rng.integers(0, 40, (20, 2)).tolist(), scores=rng.random(20))
    kept = predicted.select(np.flatnonzero(predicted.scores >= confidence))
    for row in range(len(THRESHOLDS)):
        counts = [
            [int(part[0]) for part in Tally.of([match(true, some)]).count(row, limit)]
            for some, limit in ((predicted, confidence), (kept, 0))
        ]
        assert counts[0] == counts[1]


def test_classes_must_agree_and_crowds_count_neither_way():
    true = squares((0, 0), (20, 20), (40, 40), ids=[1, 2, 1])
    predicted = squares((0, 0), (20, 20), (40, 40), ids=[1, 1, 1], scores=[0.9, 0.8, 0.7])
    matches = match(true, predicted, np.array([False, False, True]))
    hits, false, missed = (part.tolist() for part in Tally.of([matches]).count(9, 0))
    assert (hits, false, missed) == ([1], [1], [1])
    assert matches.best.tolist() == [0, 1, 2]  # told whatever the class
    assert matches.found(9, 0).tolist() == [True, False, True]


def test_an_iou_equal_to_the_threshold_is_a_hit_only_where_the_rule_says_so():
    true, predicted = squares((0, 0)), Instances.from_crops(np.array([[0, 0, 5, 10]]), [np.ones((5, 10), bool)])
    at = nearest_threshold(0.5)
    assert match(true, predicted).found(at, 0).tolist() == [True]
    assert match(true, predicted, strict=True).found(at, 0).tolist() == [False]


def test_images_without_anything():
    nothing = Instances.empty()
    tally = Tally.of([match(nothing, nothing), match(nothing, squares((0, 0))), match(squares((0, 0)), nothing)])
    assert tally.image_scores(USUAL_RULE, 0).tolist() == [1, 0, 0]
    np.testing.assert_array_equal(tally.image_scores(RULES["rsna"], 0), [np.nan, 0, 0])
    assert [len(part) for part in Tally.of([]).count(0, 0)] == [0, 0, 0]


def test_an_image_without_a_row_scores_0_where_it_counts():
    nothing = Instances.empty()
    tally = Tally.of([dataclasses.replace(match(nothing, nothing), is_missing=True)])
    assert tally.image_scores(USUAL_RULE, 0).tolist() == tally.image_scores(RULES["lung"], 0).tolist() == [0]
    assert np.isnan(tally.image_scores(RULES["rsna"], 0)).all()


def test_dice_of_one_mask():
    true, predicted = squares((0, 0)), squares((0, 5))
    expected = score_mask(*(one.to_masks((20, 20))[0] for one in (true, predicted))).dice
    tally = Tally.of([match(true, predicted), match(Instances.empty(), Instances.empty())])
    np.testing.assert_allclose(tally.image_scores(RULES["lung"], 0), [expected, 1], rtol=1e-6)


def test_rules_use_thresholds_that_are_there():
    for rule in (*RULES.values(), USUAL_RULE, Rule("")):
        np.testing.assert_allclose(THRESHOLDS[rule.rows], rule.thresholds)
