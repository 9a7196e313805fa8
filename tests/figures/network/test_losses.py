"""Where objects are lost."""

from dataclasses import replace

import numpy as np
import pytest

from common.figures.network.losses import STEPS, draw_losses, trace_objects
from common.figures.page import figure_to_png
from common.masks.instances import Instances
from tests.traced import FOUND, make_steps, make_true


def trace(steps, final=None, confidence=0.5):
    final = make_true().select([0]) if final is None else final
    return trace_objects(steps, make_true(), final, 0.5, confidence)


def test_an_object_is_lost_where_nothing_overlaps_it_any_more():
    table = trace(make_steps())
    assert table["lost at"].tolist() == ["found", "class score"]
    assert table["area"].tolist() == [256, 160]
    np.testing.assert_allclose(table["best score"], [0.9, 0.2], rtol=1e-6)
    np.testing.assert_array_equal(table["mask confidence"], [1, np.nan])
    assert table["class's deltas"].tolist() == [1, 1] and table["class score"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"survivors": np.array([0]), "class_boxes": np.array([FOUND]), "class_probs": np.array([[0.1, 0.9]]),
          "class_ids": np.array([1])}, "suppression of anchors"),
        ({"class_boxes": np.array([FOUND, [0, 0, 9, 9]])}, "class's deltas"),
    ],
)  # fmt: skip
def test_each_step_may_lose_it(changes, step):
    assert trace(replace(make_steps(), **changes))["lost at"].tolist() == ["found", step]


def test_masks_and_overlaps_come_last():
    steps = make_steps()
    assert trace(steps, Instances.empty())["lost at"].tolist()[0] == "overlap removal"
    assert trace(replace(steps, sure=np.array([False])), Instances.empty())["lost at"].tolist()[0] == "unsure mask"


def test_losses_of_several_images_are_one_figure():
    figure = draw_losses([trace(make_steps()), trace(make_steps((0.9, 0.8)))])
    left, right = figure.axes
    counts = [text.get_text() for text in left.texts]
    assert counts[STEPS.index("class score")] == "1" and counts[STEPS.index("suppression of detections")] == "1"
    assert left.get_xlabel() == "objects, of 4"
    assert sum(len(dots.get_offsets()) for dots in right.collections) == 2


def test_nothing_found_at_all():
    assert figure_to_png(draw_losses([trace(make_steps(), Instances.empty(), 0.95)]))
