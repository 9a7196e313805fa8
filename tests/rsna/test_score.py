"""The pneumonia competition's score, against its rules written down slowly, and by hand."""

import math

import numpy as np
import pytest

from rsna.score import THRESHOLDS, score_predictions
from rsna.submission import Predictions

NOTHING = Predictions(np.zeros((0, 4)), np.zeros(0))


def predictions(*boxes: tuple[float, ...]) -> Predictions:
    """Return boxes given as score, y1, x1, y2, x2."""
    table = np.array(boxes, float).reshape(-1, 5)
    return Predictions(table[:, 1:], table[:, 0])


def score_one(true: list[tuple[float, ...]], predicted: Predictions) -> float:
    return score_predictions({"a": np.array(true, float).reshape(-1, 4)}, {"a": predicted}).mean


def overlap(box, other) -> float:
    height = min(box[2], other[2]) - max(box[0], other[0])
    width = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(height, 0) * max(width, 0)
    return shared / ((box[2] - box[0]) * (box[3] - box[1]) + (other[2] - other[0]) * (other[3] - other[1]) - shared)


def slow_score(true: list, predicted: list) -> float | None:
    """Follow the rules for one patient; predicted boxes have their score first, None: does not count."""
    if not true and not predicted:
        return None
    scores = []
    for threshold in (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75):
        left, tp, fp = list(true), 0, 0
        for _, *box in sorted(predicted, key=lambda group: -group[0]):
            best = max(left, key=lambda other: overlap(box, other), default=None)
            if best is not None and overlap(box, best) > threshold:
                left.remove(best)
                tp += 1
            else:
                fp += 1
        scores.append(tp / (tp + fp + len(left)))
    return sum(scores) / len(scores)


def random_boxes(rng: np.random.Generator, count: int) -> list[list[float]]:
    corners = rng.integers(0, 12, (count, 2))
    return np.concatenate([corners, corners + rng.integers(4, 12, (count, 2))], axis=1).astype(float).tolist()


def test_against_the_rules():
    rng = np.random.default_rng(0)
    true, predicted, slow = {}, {}, []
    for k in range(400):
        boxes, found = random_boxes(rng, rng.integers(0, 5)), random_boxes(rng, rng.integers(0, 5))
        groups = [[score, *box] for score, box in zip(rng.permutation(len(found)) / 8, found, strict=True)]
        true[str(k)], predicted[str(k)] = np.array(boxes).reshape(-1, 4), predictions(*groups)
        slow.append(slow_score(boxes, groups))
    result = score_predictions(true, predicted)
    expected = [math.nan if score is None else score for score in slow]
    np.testing.assert_allclose(result.patients["score"], expected)
    counting = [score for score in slow if score is not None]
    assert result.mean == pytest.approx(np.mean(counting)) and 0 < len(counting) < 400
    np.testing.assert_allclose(result.by_threshold["score"].mean(), result.mean)
    assert (result.by_threshold["tp"] + result.by_threshold["fn"] == sum(map(len, true.values()))).all()
    assert (
        result.by_threshold["tp"] + result.by_threshold["fp"] == sum(len(p.scores) for p in predicted.values())
    ).all()


def test_empty_patients():
    box = (0, 0, 10, 10)
    assert score_one([box], predictions((0.9, *box))) == 1
    assert score_one([box], NOTHING) == 0
    assert score_one([], predictions((0.9, *box))) == 0
    assert math.isnan(score_one([], NOTHING))
    two = score_predictions({"a": np.array([box]), "b": np.zeros((0, 4))}, {"a": predictions((0.9, *box))})
    assert two.mean == 1 and two.patients["score"].isna().tolist() == [False, True]
    assert math.isnan(score_predictions({}, {}).mean)


def test_a_needless_box_beside_a_hit():
    box = (0, 0, 10, 10)
    assert score_one([box], predictions((0.9, *box), (0.8, 20, 20, 30, 30))) == 0.5


def test_the_order_of_confidence_matters():
    """One prediction lies over two true boxes, a little more over the left one; the other over the left one alone."""
    true = np.array([(0, 0, 10, 10), (0, 10, 10, 20)])
    both, left = (0, 2.9, 10, 17), (0, 0, 10, 9)
    assert [round(overlap(both, box), 3) for box in true] == [0.418, 0.409]
    left_first, both_first = (
        score_predictions({"a": true}, {"a": predictions((first, *both), (1 - first, *left))}).by_threshold["tp"]
        for first in (0.2, 0.8)
    )
    assert left_first.tolist() == [2, 1, 1, 1, 1, 1, 1, 1]
    assert both_first.tolist() == [1, 1, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("k", range(8))
def test_an_overlap_equal_to_the_threshold_is_no_hit(k):
    """20 rows of 20 pixels are true, of which the prediction has 8 + k: the overlap is the threshold exactly."""
    exactly, a_bit_more = ((0.9, 0, 0, 8 + k, 20),), ((0.9, 0, 0, 8.01 + k, 20),)
    assert score_one([(0, 0, 20, 20)], predictions(*exactly)) == k / 8
    assert score_one([(0, 0, 20, 20)], predictions(*a_bit_more)) == (k + 1) / 8
    assert THRESHOLDS[k] == (8 + k) / 20


def test_tables():
    box = (0, 0, 10, 10)
    true = {"a": np.array([box]), "b": np.zeros((0, 4)), "c": np.zeros((0, 4))}
    result = score_predictions(true, {"a": predictions((0.5, *box)), "b": predictions((0.5, *box))})
    table = result.by_class({"a": "ill", "b": "well", "c": "well"}).set_index("class")
    assert table.loc["well", ["patients", "counting", "boxes", "predicted"]].tolist() == [2, 1, 0, 1]
    assert table["score"].tolist() == [1, 0]
    assert result.by_threshold["precision"].tolist() == [0.5] * 8 and result.by_threshold["recall"].tolist() == [1] * 8
