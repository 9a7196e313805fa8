"""Lines are visible on any image, and lie on the edges of pixels."""

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure

from common.figures.network.canvas import (
    HIT,
    LARGEST_SIDE,
    TRUE,
    add_legend,
    draw_boxes,
    draw_contours,
    draw_moves,
    new_figure,
    outlines,
    show_image,
    write_labels,
)
from common.figures.page import figure_to_png
from common.masks.instances import Instances


def render(figure):
    return cv2.imdecode(np.frombuffer(figure_to_png(figure, 100), np.uint8), cv2.IMREAD_COLOR)[..., ::-1].astype(int)


def canvas(value=0, side=20):
    figure = Figure(figsize=(2, 2))
    axes = figure.add_axes((0, 0, 1, 1))
    show_image(axes, np.full((side, side, 3), value, np.uint8))
    return figure, axes


def test_outlines_run_along_the_edges_of_pixels():
    ring = np.ones((3, 4), bool)
    ring[1, 1:3] = False
    outer, hole = sorted(outlines(ring), key=lambda line: -np.ptp(line[:, 0]))
    assert outer.min(axis=0).tolist() == [0, 0] and outer.max(axis=0).tolist() == [4, 3]
    assert hole.min(axis=0).tolist() == [1, 1] and hole.max(axis=0).tolist() == [3, 2]
    assert outlines(np.zeros((0, 0), bool)) == outlines(np.zeros((2, 2), bool)) == []
    assert len(outlines(np.array([[1, 0, 1]], bool))) == 2  # parts


@pytest.mark.parametrize("value", [0, 255])
def test_every_line_is_seen_on_dark_and_on_bright(value):
    figure, axes = canvas(value)
    draw_boxes(axes, np.array([[5, 5, 15, 15]]), TRUE)
    across = render(figure)[100, 40:60]  # 10 dots a pixel: the box's left side is at 50
    assert np.ptp(across.sum(axis=1)) > 300  # the line or its edge differs from the image


def test_coordinates_do_not_depend_on_the_size_that_is_shown():
    figure = new_figure(1, 1, (2000, 3000))
    axes = figure.subplots()
    show_image(axes, np.zeros((2000, 3000, 3), np.uint8), "large")
    assert axes.get_xlim() == (0, 3000) and axes.get_ylim() == (2000, 0)
    assert max(axes.images[0].get_array().shape) == LARGEST_SIDE


def test_neighbours_get_different_colours_and_each_part_that_of_its_object():
    _, axes = canvas()
    two = Instances.from_masks(np.array([[[1, 0, 1, 0]], [[0, 1, 0, 0]]]))
    draw_contours(axes, two)
    (lines,) = axes.collections
    first, second, third = (tuple(colour) for colour in lines.get_colors())
    assert first == second != third and len(lines.get_paths()) == 3
    assert lines.get_paths()[2].vertices.min(axis=0).tolist() == [1, 0]


def test_moves_are_dotted_solid_and_arrows():
    _, axes = canvas()
    before, after = np.array([[0, 0, 4, 4], [8, 8, 12, 12]]), np.array([[2, 2, 6, 6], [8, 8, 12, 12]])
    draw_moves(axes, before, after)
    dotted, solid = axes.collections
    assert dotted.get_linestyle()[0][1] is not None and solid.get_linestyle()[0][1] is None
    assert len(axes.texts) == 1  # the second box did not move
    assert axes.texts[0].xyann == (2, 2) and axes.texts[0].xy == (4, 4)


def test_nothing_to_draw():
    figure, axes = canvas()
    draw_contours(axes, Instances.empty())
    draw_boxes(axes, np.zeros((0, 4)))
    draw_moves(axes, np.zeros((0, 4)), np.zeros((0, 4)))
    write_labels(axes, np.zeros((0, 4)), [])
    add_legend(figure, [("truth", TRUE, "-"), ("hit", HIT, ":")])
    assert not axes.collections and len(figure.legends[0].get_texts()) == 2
