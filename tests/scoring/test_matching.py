"""Matching: the rules on their own, against the plain loop; with pycocotools, in `test_average_precision.py`."""

import numpy as np
import pytest

from common.scoring.comparison import Comparison
from common.scoring.matching import find_pairs, join_objects, match_objects, take_greedily

ONE, NONE = np.ones, np.zeros


def comparison(ious, scores, true_ids=None, ids=None, crowd=None):
    ious = np.array(ious, float)
    n, m = ious.shape
    ids = [NONE(count, int) + 1 if given is None else np.array(given) for given, count in ((true_ids, n), (ids, m))]
    areas = ONE(n) * 100, ONE(m) * 100
    return Comparison(ious, *ids, np.array(scores, float), *areas, NONE(n, bool) if crowd is None else np.array(crowd))


@pytest.mark.parametrize(
    ("arguments", "taken"),
    [
        (([[0.6, 0.9]], [0.5, 0.9]), [-1, 0]),  # the surest first
        (([[0.6, 0.9]], [0.9, 0.5]), [0, -1]),
        (([[0.6], [0.6]], [0.9]), [1]),  # of equal IoUs, the last
        (([[0.7], [0.6]], [0.9], None, None, [True, False]), [1]),  # what counts precedes a crowd
        (([[0.7, 0.7]], [0.9, 0.8], None, None, [True]), [0, 0]),  # a crowd is not used up
        (([[0.7, 0.8]], [0.9, 0.8], [2], [1, 2]), [-1, 0]),  # by class
        (([[0.4]], [0.9]), [-1]),
    ],
)
def test_who_takes_what(arguments, taken):
    objects = find_pairs(comparison(*arguments), 0.5, (0, np.inf))
    assert take_greedily(objects, np.array([0.5])).tolist() == [taken]


def slowly(one, thresholds, most):
    """Return hits by the rule in plain words, {(class, threshold): [(score, hit, counts)]}."""
    found = {}
    for class_id in np.union1d(one.true_class_ids, one.predicted_class_ids).tolist():
        mine = np.flatnonzero(one.predicted_class_ids == class_id)
        for threshold in thresholds:
            free = set(np.flatnonzero(one.true_class_ids == class_id).tolist())
            for j in sorted(mine.tolist(), key=lambda j: -one.scores[j])[:most]:
                fits = [i for i in free if one.ious[i, j] >= min(threshold, 1 - 1e-10)]
                best = max(fits, key=lambda i: (not one.crowd[i], one.ious[i, j], i), default=None)
                counts = best is None or not one.crowd[best]
                found.setdefault((class_id, threshold), []).append((one.scores[j], best is not None, counts))
                if best is not None and not one.crowd[best]:
                    free.remove(best)
    return found


@pytest.mark.parametrize("most", [2, 100])
def test_many_images_at_once_as_one_by_one(most):
    rng, thresholds = np.random.default_rng(0), [0.3, 0.5, 0.9]
    images = []
    for _ in range(50):
        n, m = rng.integers(0, 7, 2)
        ious = rng.integers(0, 11, (n, m)) / 10
        ids = rng.integers(1, 4, n), rng.integers(1, 4, m)
        images.append(comparison(ious, rng.integers(0, 4, m) / 4, *ids, rng.random(n) < 0.3))
    outcome = match_objects(
        join_objects([find_pairs(one, 0.3, (0, np.inf)) for one in images]), np.array(thresholds), most
    )
    expected = {}
    for one in images:
        for key, rows in slowly(one, thresholds, most).items():
            expected.setdefault(key, []).extend(rows)
    for class_id in (1, 2, 3):
        hit, counts, num_true = outcome.of_class(class_id)
        assert num_true == sum((~one.crowd & (one.true_class_ids == class_id)).sum() for one in images)
        for t, threshold in enumerate(thresholds):
            rows = sorted(expected[class_id, threshold], key=lambda row: -row[0])
            assert [(bool(a), bool(b)) for a, b in zip(hit[t], counts[t], strict=True)] == [row[1:] for row in rows]
    assert outcome.of_class(9)[2] == 0 and outcome.of_class(9)[0].shape == (3, 0)
