"""What is drawn of masks."""

import numpy as np

from common.figures.network.masks import draw_masks, draw_mini_masks, draw_region_lessons
from common.figures.page import figure_to_png
from common.masks.instances import Instances
from tests.traced import SHAPE, make_lessons, make_steps, make_true, nothing_to_learn

IMAGE = np.zeros((*SHAPE, 3), np.uint8)


def test_regions_that_are_learnt_have_a_box_and_a_mask():
    figure = draw_region_lessons(make_steps(), make_lessons())
    assert figure.axes[0].get_title() == "2 positive regions of 3, and where they are to move"
    assert figure.axes[1].images[0].get_array().shape == (30, 60)  # side by side, framed
    assert figure_to_png(draw_region_lessons(make_steps(), nothing_to_learn()))


def test_each_detection_is_shown_with_its_small_mask():
    figure = draw_mini_masks(IMAGE, make_steps(), make_true(), 0.5)
    above, below = figure.axes
    assert above.get_title() == "0.90" and below.images[0].get_array().shape == (28, 28)
    assert above.get_xlim() == (0, 24)  # the box with a quarter of its side around it
    truth, painted = above.collections
    np.testing.assert_array_equal(truth.get_paths()[0].vertices, painted.get_paths()[0].vertices)


def test_contested_pixels_hits_and_misses():
    painted = Instances.from_crops([[8, 8, 24, 24], [8, 20, 24, 36]], [np.ones((16, 16))] * 2)
    final = Instances.from_crops([[8, 8, 24, 24], [8, 24, 24, 36]], [np.ones((16, 16)), np.ones((16, 12))])
    figure = draw_masks(IMAGE, painted, final, make_true())
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["painted: 2 masks, 64 contested pixels", "final: 2 objects", "1 hits, 1 false, 1 of 2 missed"]
    assert np.count_nonzero(figure.axes[0].images[1].get_array()[..., 3]) == 64


def test_nothing_found_and_nothing_to_find():
    assert figure_to_png(draw_masks(IMAGE, Instances.empty(), Instances.empty(), Instances.empty()))
