"""What is drawn of anchors."""

import numpy as np
import pytest

from common.figures.network.anchors import draw_anchor_lessons, draw_anchor_scores, draw_anchors, draw_deltas
from common.figures.page import figure_to_png
from tests.traced import CELLS, make_lessons, make_steps, nothing_to_learn


def test_anchors_and_how_well_they_cover_objects():
    figure = draw_anchors(make_steps(), make_lessons(), (8, 16, 32, 64, 128))
    image, sizes, cover = figure.axes
    assert f"{CELLS} anchors" in image.get_title()
    assert sum(bar.get_height() for bar in sizes.patches) == sum(bar.get_height() for bar in cover.patches) == 2
    best = [bar.get_x() for bar in cover.patches if bar.get_height()]  # 256 / 400 and 160 / 360
    np.testing.assert_allclose(best, [0.4, 0.6])


def test_every_anchor_is_positive_negative_or_neutral():
    figure = draw_anchor_lessons(make_steps(), make_lessons())
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["positive: 2, 2 sampled", f"negative: {CELLS - 6}, 2 sampled", "neutral: 4, 4 drawn"]


def test_each_level_has_a_map_of_its_best_scores():
    figure = draw_anchor_scores(make_steps(), make_lessons())
    maps = [axes.images[1].get_array() for axes in figure.axes[:5]]
    assert [one.shape for one in maps] == [(16, 16), (8, 8), (4, 4), (2, 2), (1, 1)]
    assert maps[4].max() == pytest.approx(0.8) and maps[3][1, 1] == pytest.approx(0.9) and maps[0].max() < 0.1


def test_a_delta_lies_on_the_diagonal_where_it_is_predicted():
    figure = draw_deltas(make_steps(), make_lessons())
    assert [axes.get_title() for axes in figure.axes] == ["dy", "dx", "log dh", "log dw"]
    assert figure.axes[0].collections[0].get_offsets().tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("draw", [draw_anchor_lessons, draw_anchor_scores, draw_deltas])
def test_images_without_objects(draw):
    assert figure_to_png(draw(make_steps(), nothing_to_learn()))
