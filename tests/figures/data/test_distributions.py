"""Figures of what a set holds show its numbers."""

import numpy as np
import pytest

from common.figures.data.distributions import (
    count_classes,
    draw_classes,
    draw_intensities,
    draw_object_sizes,
    draw_sizes,
)
from common.figures.data.survey import survey_images
from tests.figures.data.sets import faulty_set
from tests.image_sets import array_set

NAMES = ["cell", "nucleus", "debris"]


@pytest.fixture(scope="module")
def survey():
    return survey_images(faulty_set())


def test_classes_are_counted_those_without_objects_too(survey):
    table = count_classes(survey, NAMES)
    assert table["objects"].tolist() == [28, 27, 0] and table["images"].tolist() == [9, 9, 0]
    assert table["median area"].iloc[0] == 64 and np.isnan(table["median area"].iloc[2])
    figure = draw_classes(survey, NAMES)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["debris", "nucleus", "cell"]
    assert figure.axes[0].get_title() == "2 of 3 classes have objects"
    names = [*NAMES, *(f"c{number}" for number in range(60))]
    assert len(draw_classes(survey, names).axes[0].get_yticklabels()) == 30


def test_sizes_and_counts_are_bars(survey):
    left, right = draw_sizes(survey).axes
    assert [bar.get_width() for bar in left.patches] == [9] and "64 x 64" in left.get_yticklabels()[0].get_text()
    assert sum(bar.get_height() for bar in right.patches) == 9 and right.get_title() == "median 6, most 7"


def test_many_sizes_are_dots():
    images = array_set([np.zeros((8 + i, 9, 3), np.uint8) for i in range(20)])
    left, _ = draw_sizes(survey_images(images)).axes
    assert len(left.collections[0].get_offsets()) == 20 and left.get_title() == "20 sizes"


def test_object_sizes_are_drawn_in_the_image_and_for_the_network(survey):
    scales = np.full(9, 4.0)
    image, network = draw_object_sizes(survey, NAMES, scales=scales, anchor_sides=(8, 16)).axes
    assert sum(bar.get_height() for bar in image.patches) == 55
    assert "median 8" in image.get_title() and "median 32" in network.get_title()
    assert sorted(line.get_xdata()[0] for line in network.lines) == [8, 16]
    assert len(draw_object_sizes(survey, NAMES).axes) == 1


def test_intensities_are_shares(survey):
    left, right = draw_intensities(survey).axes[:2]
    assert [line.get_label() for line in left.lines] == ["red", "green", "blue"]
    np.testing.assert_allclose([line.get_ydata().sum() for line in left.lines], 1, atol=1e-3)
    assert len(right.collections[0].get_offsets()) == 9


def test_a_set_without_objects_can_be_drawn():
    survey = survey_images(array_set([np.zeros((8, 9, 3), np.uint8)]))
    assert draw_object_sizes(survey, NAMES).axes and draw_classes(survey, NAMES).axes and draw_sizes(survey).axes
