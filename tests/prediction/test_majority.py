"""The majority vote, on masks drawn by hand and against plain whole-image versions."""

import tracemalloc

import numpy as np
import pytest

from common.masks.instances import Instances, SoftInstances
from common.masks.overlaps import suppress_covered
from common.prediction.majority import elect_instances
from tests.objects import random_objects

SHAPE = (12, 20)


def bars(*spans, scores=None):
    """Objects of two rows from column a to b."""
    masks = np.zeros((len(spans), *SHAPE), bool)
    for mask, (a, b) in zip(masks, spans, strict=True):
        mask[3:5, a:b] = True
    return Instances.from_masks(masks, scores=scores) if spans else Instances.empty()


def columns(instances):
    return instances.boxes[:, [1, 3]].tolist()


def soft(instances):
    """What a view saw, sure of every pixel."""
    return SoftInstances(instances.boxes, [mask.astype(np.float32) for mask in instances.masks], instances.scores)


def elect(views, threshold=0.5, **options):
    return elect_instances([soft(view) for view in views], threshold, **options)


def test_half_of_the_voters_decide_on_pixels_and_half_of_the_views_on_objects():
    views = [bars((0, 8)), bars((0, 10)), bars((0, 10), (14, 18)), Instances.empty()]
    assert columns(elect(views)) == [[0, 10]]
    assert columns(elect([*views[:2], bars((1, 8)), bars((2, 8))])) == [[0, 8]]  # a tie keeps pixels
    assert columns(elect(views, share=0.25)) == [[0, 10], [14, 18]]


def test_the_mean_probability_decides_on_a_pixel():
    box = np.array([[2, 3, 3, 6]])
    rows = ([[0.9, 0.9, 0.2]], [[0.5, 0.3, 0.1]], [[0.7, 0.6, 0.9]])
    views = [SoftInstances(box, [np.array(row, np.float32)], np.ones(1, np.float32)) for row in rows]
    for threshold, columns_left in ((0.39, [3, 6]), (0.59, [3, 5])):  # at 0.59 the second view sees nothing
        assert columns(elect_instances(views, threshold)) == [columns_left]
    assert len(elect_instances(views, 0.95)) == 0


def test_an_object_that_few_views_see_keeps_its_size():
    views = [bars((0, 10))] * 2 + [Instances.empty()] * 2
    (area,) = elect(views).areas
    assert area == 20


def test_scores_are_means_over_all_views_and_order_the_objects():
    views = [bars((0, 5), (10, 15), scores=[0.5, 0.75]), bars((10, 15), scores=[0.25]), bars((0, 5), scores=[1.0])]
    elected = elect(views)
    assert columns(elected) == [[0, 5], [10, 15]]
    np.testing.assert_allclose(elected.scores, [0.5, 1 / 3])


def test_the_best_pair_comes_first_and_no_object_votes_twice():
    views = [bars((0, 10), (10, 20)), bars((0, 12)), bars((0, 11), (11, 20))]
    assert columns(elect(views)) == [[0, 11], [10, 20]]
    twins = [bars((0, 10)), bars((0, 10), (0, 9))]
    assert len(elect(twins, share=1)) == 1


def test_equal_views_change_nothing():
    instances = random_objects(np.random.default_rng(3), 5, SHAPE)
    apart = suppress_covered(instances, 0.4)
    apart = apart.select(apart.areas > 0)
    elected = elect([apart] * 7)
    assert len(elected) == len(apart) > 2
    assert sorted(map(bytes, elected.to_masks(SHAPE))) == sorted(map(bytes, apart.to_masks(SHAPE)))


@pytest.mark.parametrize("views", [[], [Instances.empty()] * 3])
def test_nothing_seen(views):
    assert len(elect(views)) == 0


def test_pairs_are_made_from_the_threshold_on():
    assert len(elect([bars((0, 10)), bars((0, 5))], share=1)) == 1  # an IoU of 0.5
    assert len(elect([bars((0, 20)), bars((0, 11))], share=1)) == 1  # of 0.55
    assert len(elect([bars((0, 20)), bars((0, 9))], share=1)) == 0


def test_what_more_views_see_comes_first():
    often, seldom = bars((0, 4), scores=[0.5]), bars((8, 12), scores=[0.7])
    both = bars((0, 4), (8, 12), scores=[0.5, 0.7])
    elected = elect([both, both, often], share=0.5)
    assert columns(elected) == [[0, 4], [8, 12]]
    np.testing.assert_allclose(elected.scores, [0.5, 1.4 / 3])
    assert len(elect([seldom, often, often], share=0.5)) == 1


def test_views_are_taken_one_at_a_time():
    side, views = 700, 14
    box = np.array([[0, 0, side, side]])

    def look():
        for _ in range(views):
            yield SoftInstances(box, [np.ones((side, side), np.float32)], np.ones(1))

    tracemalloc.start()
    assert len(elect_instances(look(), 0.5)) == 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 4 * side**2
