"""Contours that stay readable at any scale."""

import numpy as np

from common.drawing.contours import GREEN, ORANGE, PALETTE, YELLOW, draw_comparison, draw_contours, tell_apart
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


def squares(*boxes):
    return Instances.from_crops(np.array(boxes), [np.ones((y2 - y1, x2 - x1), bool) for y1, x1, y2, x2 in boxes])


def has(image, colour):
    return bool((image == colour).all(axis=2).any())


def test_a_comparison_tells_what_is_missed_hit_and_false():
    image = np.full((20, 30, 3), 100, np.uint8)
    true, predicted = squares((0, 0, 6, 6), (12, 2, 18, 8)), squares((0, 0, 6, 5), (2, 20, 8, 28))
    drawn = draw_comparison(image, true, predicted)
    assert has(drawn[:7, :7], YELLOW) and has(drawn[12:18, 2:8], GREEN) and has(drawn[2:8, 20:28], ORANGE)
    assert not has(drawn[:7, :9], ORANGE) and not has(drawn[:, 15:], GREEN)
    assert not has(draw_comparison(image, true, predicted, threshold=30 / 36), YELLOW)
    assert not has(drawn, (0, 0, 0)) and drawn[15, 5].tolist() == [100] * 3  # what is small stays to be seen
    assert has(draw_comparison(image, true, predicted, height=200), (0, 0, 0))
    assert (draw_comparison(image, Instances.empty(), Instances.empty()) == image).all()


def test_objects_on_each_other_that_were_found_are_hits():
    nested = squares((0, 0, 20, 20), (5, 5, 10, 10))
    drawn = draw_comparison(np.full((20, 30, 3), 100, np.uint8), nested, nested)
    assert has(drawn, YELLOW) and not has(drawn, ORANGE)
