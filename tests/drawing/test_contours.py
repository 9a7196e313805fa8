"""Contours that stay readable at any scale."""

import numpy as np

from common.drawing.contours import GREEN, PALETTE, draw_contours, tell_apart
from common.masks.instances import Instances


def ring():
    mask = np.zeros((9, 9), bool)
    mask[1:8, 1:8] = True
    mask[3:6, 3:6] = False
    return Instances.from_masks(mask[None])


def test_a_contour_runs_around_an_object_and_its_holes():
    drawn = draw_contours(np.full((9, 9, 3), 90, np.uint8), ring(), height=90, colours=[GREEN])
    assert drawn.shape == (90, 90, 3)
    line = np.abs(drawn.astype(int) - GREEN).max(axis=2) < 40
    assert line[45, 15] and line[45, 25] and line[45, 75]  # outside left, the hole's left, outside right
    assert not line[45, 45] and not line[45, 20] and not line[2, 2]
    np.testing.assert_array_equal(drawn[45, 45], 90)


def test_a_rim_keeps_it_off_a_bright_image_and_the_colour_off_a_dark_one():
    for value in (0, 255):
        drawn = draw_contours(np.full((9, 9, 3), value, np.uint8), ring(), height=90, colours=[PALETTE[2]])
        row = drawn[45].astype(int)
        steps = np.abs(np.diff(row, axis=0)).max(axis=1)
        assert steps.max() > 150
    assert (draw_contours(np.full((9, 9, 3), 255, np.uint8), ring(), height=90)[45] < 60).all(axis=1).any()


def test_the_image_is_left_alone_and_no_objects_are_nothing():
    image = np.full((9, 9, 3), 7, np.uint8)
    drawn = draw_contours(image, ring())
    assert (image == 7).all() and (drawn != 7).any()
    np.testing.assert_array_equal(draw_contours(image, Instances.empty()), image)


def test_an_object_at_the_border_and_one_of_a_pixel_are_drawn():
    masks = np.zeros((2, 6, 6), bool)
    masks[0, :3, :3] = True
    masks[1, 5, 5] = True
    drawn = draw_contours(np.zeros((6, 6, 3), np.uint8), Instances.from_masks(masks), colours=[GREEN, GREEN])
    assert (drawn[0, 0] == GREEN).all() and (drawn[5, 5] == GREEN).all()


def test_neighbours_have_colours_of_their_own():
    corners = [(y, x) for y in range(0, 50, 10) for x in range(0, 50, 10)]
    boxes = np.array([(y, x, y + 10, x + 10) for y, x in corners])
    colours = tell_apart(boxes)
    assert set(colours) <= set(PALETTE) and len(set(colours)) > 2
    by_corner = dict(zip(corners, colours, strict=True))
    for (y, x), colour in by_corner.items():
        assert colour not in (by_corner.get((y + 10, x)), by_corner.get((y, x + 10)))
    assert tell_apart(np.zeros((0, 4), int)) == []
