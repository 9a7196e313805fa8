"""Suppression by masks, and shared pixels, on masks drawn by hand and against plain whole-image versions."""

import tracemalloc

import numpy as np

from common.masks.instances import Instances
from common.masks.overlaps import shared_pixels, suppress_covered
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


def test_shared_pixels_are_those_of_whole_masks():
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = (random_objects(rng, int(rng.integers(0, 8)), SHAPE) for _ in range(2))
        dense = np.einsum("aij,bij->ab", *(one.to_masks(SHAPE).astype(int) for one in (first, second)))
        found = np.zeros_like(dense)
        i, j, shared = shared_pixels(first, second)
        found[i, j] = shared
        np.testing.assert_array_equal(found, dense)


def test_the_worse_of_two_that_share_much_is_dropped():
    pair = bars((0, 10), (6, 12), scores=[0.5, 0.9])
    assert columns(suppress_covered(pair, 0.6)) == [[6, 12]]
    assert columns(suppress_covered(pair, 0.7)) == [[6, 12], [0, 10]]
    assert columns(suppress_covered(pair, 1.0)) == [[0, 10], [6, 12]]
    assert len(suppress_covered(Instances.empty(), 0.5)) == 0


def test_what_is_dropped_drops_nothing():
    chain = bars((0, 6), (4, 10), (8, 14), scores=[0.9, 0.8, 0.7])
    assert columns(suppress_covered(chain, 0.3)) == [[0, 6], [8, 14]]


def test_memory_follows_the_objects_that_touch():
    corners = np.stack(np.divmod(np.arange(4000), 64), axis=1) * 30
    apart = Instances.from_crops(np.concatenate([corners, corners + 20], axis=1), 4000 * [np.ones((20, 20), bool)])
    tracemalloc.start()
    assert len(suppress_covered(apart, 0.4)) == 4000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6  # all pairs would take 512 MB


def test_half_of_the_smaller_one_may_be_shared():
    assert columns(suppress_covered(bars((0, 10), (5, 15)), 0.5)) == [[0, 10], [5, 15]]
