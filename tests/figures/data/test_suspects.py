"""Each fault is found by its rule, and a healthy set has none."""

import pytest

from common.figures.data.survey import survey_images
from common.figures.data.suspects import RULES, draw_suspects, find_suspects
from tests.figures.data.sets import faulty_set


@pytest.fixture(scope="module")
def survey():
    return survey_images(faulty_set())


def test_each_fault_is_found_once(survey):
    suspects = find_suspects(survey)
    found = {rule: suspects[suspects["rule"] == rule][["image_id", "number"]].values.tolist() for rule in RULES}
    assert found["holes"] == [["p4", 0]] and found["parts"] == [["p5", 0]]
    assert found["large"] == [["p6", 5]] and found["border"] == [["p7", 6]]
    assert found["small"] == [["p7", 6], ["p4", 0]][: len(found["small"])]
    assert found["twice"] == []


def test_a_healthy_set_has_no_suspects():
    images = faulty_set().select([0, 1, 2, 3])
    assert find_suspects(survey_images(images)).empty
    assert draw_suspects(survey_images(images), find_suspects(survey_images(images))).axes == []


def test_they_are_drawn_worst_first(survey):
    suspects = find_suspects(survey)
    figure = draw_suspects(survey, suspects, most=3)
    titles = [axes.get_title() for axes in figure.axes]
    first = suspects.iloc[0]
    assert len(titles) == 3 and titles[0].startswith(f"{first.image_id} #{first.number}\n{first.what}")
