"""Figures of scores show numbers that can be counted by hand."""

import io

import numpy as np
import pytest

from common.figures.scores import (
    draw_by_size,
    draw_confusion,
    draw_precision_recall,
    draw_thresholds,
    draw_worst,
    precision_recall,
    shares_by_size,
)
from common.masks.instances import Instances
from common.scoring.evaluation import Pair
from common.scoring.tally import tally_pairs

BOXES = np.array([[0, 0, 8, 8], [0, 10, 8, 18], [10, 0, 18, 8], [10, 10, 18, 18]])


def squares(indices, scores=None, class_ids=None):
    boxes = BOXES[list(indices)]
    return Instances.from_crops(boxes, [np.ones((8, 8))] * len(boxes), class_ids, scores)


def tally_of(scores=(0.9, 0.8, 0.6, 0.2)):
    """Return the tally of two images: of three objects and four predictions, three are hits; the second is false."""
    first = Pair("a", (20, 20), squares([0, 1]), squares([0, 2], scores[:2]), np.zeros(2, bool))
    second = Pair("b", (20, 20), squares([3]), squares([3], scores[2:3]), np.zeros(1, bool))
    third = Pair("c", (20, 20), squares([1]), squares([1], scores[3:]), np.zeros(1, bool))
    return tally_pairs([first, second, third], 2)


def test_precision_and_recall_by_hand():
    scores, precision, recall = precision_recall(tally_of(), 0.5)
    np.testing.assert_allclose(scores, [0.9, 0.8, 0.6, 0.2], atol=1e-6)
    np.testing.assert_allclose(precision, [1, 1 / 2, 2 / 3, 3 / 4])
    np.testing.assert_allclose(recall, [1 / 4, 1 / 4, 1 / 2, 3 / 4])


def test_equal_scores_are_one_point():
    scores, precision, recall = precision_recall(tally_of((1.0,) * 4), 0.5)
    assert scores.tolist() == [1] and precision.tolist() == [0.75] and recall.tolist() == [0.75]
    (axes,) = draw_precision_recall({"a": tally_of((1.0,) * 4)}).axes
    assert len(axes.lines) == 2 and all(len(line.get_xdata()) == 1 for line in axes.lines)  # marks alone


def test_curves_are_drawn_for_each_submission_with_a_mark_at_the_confidence():
    (axes,) = draw_precision_recall({"a": tally_of(), "b": tally_of((0.9, 0.1, 0.6, 0.8))}).axes
    curves = [line for line in axes.lines if len(line.get_xdata()) > 1]
    marks = [line for line in axes.lines if len(line.get_xdata()) == 1]
    assert len(curves) == len(marks) == 4
    assert marks[0].get_ydata()[0] == pytest.approx(2 / 3)  # at 0.5 the one with the score 0.2 does not count
    assert [text.get_text() for text in axes.get_legend().get_texts()][:2] == ["a, IoU 0.5", "a, IoU 0.75"]


def test_a_confidence_above_all_scores_has_no_mark():
    pairs = [Pair("a", (20, 20), squares([0, 1]), squares([0, 2], (0.4, 0.2)), np.zeros(2, bool))]
    (axes,) = draw_precision_recall({"a": tally_pairs(pairs, 2, 0.5)}).axes
    assert len(axes.lines) == 2 and all(len(line.get_xdata()) > 1 for line in axes.lines)


def test_names_are_drawn_as_they_are():
    figure = draw_precision_recall({"_a": tally_of(), "$^$": tally_of()})
    figure.savefig(io.BytesIO())
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels[::2] == [" _a, IoU 0.5", r"\$^\$, IoU 0.5"]
    draw_confusion(np.eye(2, dtype=int), ["$^$"]).savefig(io.BytesIO())


def test_the_best_confidence_is_told():
    panels = draw_thresholds({"a": tally_of()}).axes
    assert [axes.get_title() for axes in panels] == ["precision", "recall", "F1"]
    assert panels[2].get_legend().get_texts()[0].get_text() == "a: 0.750 from 0.20"


def test_shares_by_size_are_of_equal_counts():
    areas = np.arange(1, 81, dtype=float)
    sizes, shares = shares_by_size(areas, np.where(areas > 40, 0.6, 0.1))
    assert len(sizes) == 8 and (np.diff(sizes) > 0).all()
    assert shares[0.5].tolist() == [0, 0, 0, 0, 1, 1, 1, 1] and not shares[0.75].any()
    assert shares_by_size(np.zeros(0), np.zeros(0))[0].tolist() == []
    assert len(draw_by_size({"a": tally_of()}).axes) == 2


def test_a_confusion_is_written_out_and_of_many_classes_the_frequent_ones():
    matrix = np.array([[0, 2], [1, 3]])
    (axes,) = draw_confusion(matrix, ["cell"]).axes
    assert sorted(text.get_text() for text in axes.texts) == ["1", "2", "3"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["nothing", "cell"]
    # Two of five predictions are false; of four cells, one is missed.
    np.testing.assert_allclose(axes.images[0].get_array(), [[0, 0.4], [0.25, 0.75]])
    many = np.diag(np.arange(41))
    (axes,) = draw_confusion(many, [f"c{k}" for k in range(1, 41)]).axes
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["nothing", *(f"c{k}" for k in range(21, 41))]


def test_the_worst_image_shows_who_has_a_partner():
    pair = Pair("a", (20, 20), squares([0, 1]), squares([1, 3, 2]), np.zeros(2, bool))
    true, predicted, matrix = draw_worst(np.zeros((20, 20, 3), np.uint8), pair).axes[:3]
    assert true.get_title() == "2 true, 1 found" and predicted.get_title() == "3 predicted, 1 right"
    assert sorted(text.get_text() for text in matrix.texts) == ["1.00"]
    nothing = Pair("a", (20, 20), squares([0]), Instances.empty(), np.zeros(1, bool))
    axes = draw_worst(np.zeros((20, 20, 3), np.uint8), nothing).axes
    assert axes[0].get_title() == "1 true, 0 found" and axes[2].get_title().startswith("no IoU")
