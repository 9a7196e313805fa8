import numpy as np

from common.masks.instances import Instances
from common.scoring.comparison import compare_masks
from tests.objects import random_objects


def box(y, x, side):
    return Instances.from_crops(np.array([[y, x, y + side, x + side]]), [np.ones((side, side))])


def test_ious_by_hand():
    np.testing.assert_allclose(compare_masks(box(0, 0, 4), box(2, 2, 4)).ious, [[4 / 28]])
    np.testing.assert_allclose(compare_masks(box(0, 0, 4), box(4, 4, 4)).ious, [[0]])


def test_ious_of_nothing():
    empty = Instances.from_masks(np.zeros((2, 5, 5), dtype=bool))
    assert compare_masks(Instances.empty(), box(0, 0, 2)).ious.shape == (0, 1)
    assert compare_masks(empty, empty).ious.tolist() == [[0, 0], [0, 0]]
    assert compare_masks(box(0, 0, 2), empty).ious.tolist() == [[0, 0]]


def test_ious_equal_whole_masks():
    rng = np.random.default_rng(20)
    true, predicted = random_objects(rng, 25, (30, 40)), random_objects(rng, 22, (30, 40))
    masks, others = true.to_masks((30, 40))[:, None], predicted.to_masks((30, 40))[None]
    shared, either = (masks & others).sum(axis=(2, 3)), (masks | others).sum(axis=(2, 3))
    assert (shared > 0).sum() > 20
    np.testing.assert_allclose(compare_masks(true, predicted).ious, shared / np.maximum(either, 1))
