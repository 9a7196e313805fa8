import numpy as np
import pytest

from common.drawing.draw import (
    GAP,
    MOST_WIDTHS,
    draw_instances,
    inner_contour,
    instance_colour,
    make_overview,
)
from common.masks.instances import Instances

GREY = np.full((20, 30, 3), 100, dtype=np.uint8)


def squares(*boxes: tuple[int, int, int, int]) -> Instances:
    crops = [np.ones((y2 - y1, x2 - x1), dtype=bool) for y1, x1, y2, x2 in boxes]
    return Instances.from_crops(np.array(boxes), crops)


def coloured(image: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    return (image == colour).all(axis=2)


def test_fill_is_mixed_and_contour_is_pure():
    drawn = draw_instances(GREY, squares((0, 0, 5, 5)), alpha=0.5)
    colour = np.array(instance_colour(0))
    assert (drawn[0, :5] == colour).all()
    assert (drawn[2, 2] == np.rint((100 + colour) / 2)).all()
    assert (drawn[5:, 5:] == 100).all()
    assert coloured(drawn, instance_colour(0)).sum() == 16
    assert (GREY == 100).all()


def test_contours_leave_the_object_to_be_seen():
    drawn = draw_instances(GREY, squares((0, 0, 5, 5)))
    assert coloured(drawn, instance_colour(0)).sum() == 16
    assert (drawn[1:4, 1:4] == 100).all()


@pytest.mark.parametrize("instances", [Instances.empty(), squares((0, 0, 0, 0))])
def test_nothing_to_draw_leaves_the_image(instances):
    assert (draw_instances(GREY, instances, alpha=1, boxes=True, scores=True) == GREY).all()


def test_earlier_object_covers_a_later_one():
    drawn = draw_instances(GREY, squares((2, 2, 8, 8), (5, 5, 12, 12)), alpha=1)
    assert tuple(drawn[6, 6]) == instance_colour(0)
    assert tuple(drawn[10, 10]) == instance_colour(1)


def test_boxes_and_scores_are_drawn_on_request():
    mask = np.eye(8, dtype=bool)
    one = Instances.from_crops(np.array([[10, 4, 18, 12]]), [mask], scores=[0.97])
    assert coloured(draw_instances(GREY, one), instance_colour(0)).sum() == 8
    assert coloured(draw_instances(GREY, one, boxes=True), instance_colour(0)).sum() == 28 + 6
    assert (draw_instances(GREY, one, scores=True)[2:10, 4:20] > 150).any()


def test_neighbouring_colours_differ_and_stay():
    colours = np.array([instance_colour(i) for i in range(60)], dtype=int)
    for apart in (1, 2, 3, 4):
        assert np.abs(colours[apart:] - colours[:-apart]).sum(axis=1).min() > 60
    assert instance_colour(7) == instance_colour(7)


def test_contour_follows_holes_and_edges():
    mask = np.ones((5, 5), dtype=bool)
    mask[2, 2] = False
    assert inner_contour(mask).sum() == 20
    assert inner_contour(np.zeros((4, 4), dtype=bool)).sum() == 0
    assert inner_contour(np.ones((1, 3), dtype=bool)).all()
    assert inner_contour(np.zeros((0, 0), dtype=bool)).shape == (0, 0)


def test_overview_keeps_heights_and_order():
    wide, small = np.full((10, 40, 3), 200, np.uint8), np.full((5, 5, 3), 60, np.uint8)
    sheet = make_overview([(wide, small), (small, wide)], ("left", "right"), tile_height=20)
    assert sheet.shape == (18 + 2 * 24, 2 * 84, 3)
    assert (sheet[18:38, :80] == 200).all()
    assert (sheet[18:38, 84:104] == 60).all()
    assert (sheet[42:62, :20] == 60).all()
    assert (sheet[42:62, 84:164] == 200).all()
    assert (sheet[:18] > 128).any()


def test_overview_of_no_rows_is_its_captions():
    assert make_overview([], ("input",)).shape == (18, 260, 3)


def test_overview_refuses_uneven_rows():
    with pytest.raises(ValueError, match="2 images"):
        make_overview([(GREY, GREY), (GREY,)], ("a", "b"))


def test_a_strip_does_not_make_a_sheet_of_any_width():
    sheet = make_overview([[np.zeros((3, 2000, 3), np.uint8)]], ["input"], tile_height=64)
    assert sheet.shape[1] <= MOST_WIDTHS * 64 + GAP
