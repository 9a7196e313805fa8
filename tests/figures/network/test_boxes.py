"""What is drawn of proposals, regions and detections."""

import pytest

from common.figures.network.boxes import (
    draw_class_refinement,
    draw_detections,
    draw_refinement,
    draw_regions,
    draw_suppression,
)
from common.figures.page import figure_to_png
from tests.traced import CELLS, make_lessons, make_steps, nothing_to_learn


def test_refinement_moves_the_best_anchors():
    figure = draw_refinement(make_steps(), make_lessons(), count=2)
    assert figure.axes[0].get_title() == f"the 2 best of {CELLS} anchors"
    truth, dotted, solid = figure.axes[1].collections
    assert len(dotted.get_paths()) == len(solid.get_paths()) == len(truth.get_paths()) == 2
    assert dotted.get_paths()[0].vertices[0].tolist() == [6, 6]
    assert solid.get_paths()[0].vertices[0].tolist() == [8, 8]


def test_suppression_tells_how_many_objects_are_reached():
    figure = draw_suppression(make_steps(), make_lessons())
    assert "2 of 2 proposals" in figure.axes[1].get_title()
    for line in figure.axes[2].lines[:2]:
        assert line.get_ydata()[-1] == line.get_ydata()[0] == 1  # the boxes are the truth


def test_regions_are_told_apart_by_confidence():
    figure = draw_regions(make_steps(), make_lessons(), ("nucleus",), 0.5)
    assert figure.axes[0].get_title() == "1 of 2 proposals score at least 0.5"
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.90"]
    named = draw_regions(make_steps(), make_lessons(), ("cell", "nucleus"), 0.1)
    assert named.axes[0].texts[0].get_text() == "cell 0.90"


def test_a_perfect_box_has_an_iou_of_1():
    figure = draw_class_refinement(make_steps(), make_lessons(), 0.5)
    assert figure.axes[1].collections[0].get_offsets().tolist() == [[1, 1]]


def test_detections_hit_or_miss():
    figure = draw_detections(make_steps(), make_lessons(), ("nucleus",))
    assert figure.axes[0].get_title() == "1 detections, 1 of them hits; 1 of 2 objects missed"


@pytest.mark.parametrize(
    "draw",
    [
        draw_refinement,
        draw_suppression,
        lambda steps, lessons: draw_regions(steps, lessons, ("nucleus",), 0.5),
        lambda steps, lessons: draw_class_refinement(steps, lessons, 0.95),
        lambda steps, lessons: draw_detections(steps, lessons, ("nucleus",)),
    ],
)
def test_images_without_objects(draw):
    assert figure_to_png(draw(make_steps(), nothing_to_learn()))
