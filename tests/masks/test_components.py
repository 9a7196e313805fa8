import numpy as np

from common.masks.components import largest_components


def test_the_largest_parts_are_kept():
    mask = np.zeros((9, 12), bool)
    mask[0:4, 0:3], mask[6:9, 0:2], mask[2:7, 8:12] = True, True, True  # 12, 6 and 20 pixels
    two = mask.copy()
    two[6:9, 0:2] = False
    np.testing.assert_array_equal(largest_components(mask, 2), two)
    np.testing.assert_array_equal(largest_components(mask, 1), np.where(np.arange(12) >= 8, mask, False))
    np.testing.assert_array_equal(largest_components(mask, 7), mask)
    assert not largest_components(mask, 0).any()


def test_parts_that_touch_at_a_corner_are_one_and_nothing_stays_nothing():
    corners = np.eye(3, dtype=bool)
    np.testing.assert_array_equal(largest_components(corners, 1), corners)
    assert not largest_components(np.zeros((2, 3), bool), 2).any()
    assert largest_components(np.ones((2, 3), bool), 1).all()
