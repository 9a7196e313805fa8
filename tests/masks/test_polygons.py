"""Polygons against a plain test of every pixel's centre."""

import numpy as np
import pytest
from skimage.measure import points_in_poly

from common.masks.polygons import fill_polygon, polygon_instances


@pytest.mark.parametrize("seed", range(20))
def test_pixels_are_set_by_their_centres(seed):
    rng = np.random.default_rng(seed)
    polygon = rng.uniform(-6, 26, (int(rng.integers(3, 12)), 2))  # crosses itself, and the border
    centres = np.stack(np.mgrid[:20, :17], axis=-1).reshape(-1, 2) + 0.5
    expected = points_in_poly(centres, polygon).reshape(20, 17)
    np.testing.assert_array_equal(fill_polygon(polygon, (20, 17)), expected)
    objects = polygon_instances([[polygon]], (20, 17))
    np.testing.assert_array_equal(objects.to_masks((20, 17))[0], expected)


def test_neighbours_share_no_pixel_and_leave_none_out():
    """Corners on centres: each pixel belongs to one side of the common edge."""
    corners = [
        np.array([[0.5, 0.5], [0.5, 4.5], [6.5, 2.5], [6.5, 0.5]]),
        np.array([[0.5, 4.5], [0.5, 8.5], [6.5, 8.5], [6.5, 2.5]]),
    ]
    left, right = (fill_polygon(polygon, (8, 10)) for polygon in corners)
    both = fill_polygon(np.array([[0.5, 0.5], [0.5, 8.5], [6.5, 8.5], [6.5, 0.5]]), (8, 10))
    assert not (left & right).any()
    np.testing.assert_array_equal(left | right, both)
    assert both.sum() == 48


def test_an_object_of_several_polygons_is_their_union():
    square = np.array([[0, 0], [0, 4], [4, 4], [4, 0]])
    below = square + np.array([10, 0])
    objects = polygon_instances([[square, square + 2, below], [square + 50], []], (12, 6), [3, 1, 2])
    mask = objects.to_masks((12, 6))[0]
    assert mask.sum() == 16 + 16 - 4 + 8
    assert objects.boxes.tolist() == [[0, 0, 12, 6], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert (objects.areas.tolist()[1:], objects.class_ids.tolist()) == ([0, 0], [3, 1, 2])
    assert len(polygon_instances([], (5, 5))) == 0


@pytest.mark.parametrize(
    "corners", [[[1, 1]], [[1, 1], [3, 3]], [[1, 1], [1, 5], [1, 3]], [[1.6, 1], [1.9, 1], [1.7, 4]]]
)
def test_polygons_without_a_pixel_are_empty(corners):
    assert not fill_polygon(np.array(corners, float), (6, 6)).any()
