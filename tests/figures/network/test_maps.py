"""A map of probabilities, its threshold, and its errors."""

import numpy as np
import pytest

from common.figures.network.maps import draw_errors, draw_map, draw_sweep, sweep_thresholds
from common.figures.page import figure_to_png
from common.prediction.maps import MapPrediction

TRUE = np.zeros((8, 8), bool)
TRUE[:, :4] = True
PROBS = np.where(TRUE, 0.9, 0.3).astype(np.float32)
PROBS[0, 0] = 0.5


def test_a_sweep_finds_the_best_threshold():
    sweep = sweep_thresholds(MapPrediction(PROBS, (8, 8), 0.5), TRUE, [0.2, 0.4, 0.6, 0.95])
    assert sweep.index.tolist() == [0.2, 0.4, 0.6, 0.95]
    np.testing.assert_allclose(sweep["dice"], [2 * 32 / 96, 1, 2 * 31 / 63, 0])
    np.testing.assert_allclose(sweep["recall"], [1, 1, 31 / 32, 0])
    np.testing.assert_allclose(sweep["precision"], [0.5, 1, 1, 1])


def test_a_sweep_keeps_as_many_parts_as_prediction():
    probs = np.where(TRUE, 0.9, 0.0).astype(np.float32)
    probs[0, 7] = 0.8
    whole, one = (sweep_thresholds(MapPrediction(probs, (8, 8), 0.5, largest), TRUE, [0.5]) for largest in (0, 1))
    assert whole["dice"].item() < one["dice"].item() == 1


def test_a_sweep_of_several_images_shows_their_mean():
    sweeps = [sweep_thresholds(MapPrediction(probs, (8, 8), 0.5), TRUE) for probs in (PROBS, 1 - PROBS)]
    dice, jaccard = (line for line in draw_sweep(sweeps, 0.5).axes[0].lines if line.get_linewidth() == 2)
    np.testing.assert_allclose(dice.get_ydata(), (sweeps[0]["dice"] + sweeps[1]["dice"]) / 2)
    assert "jaccard, best" in jaccard.get_label()


def test_errors_are_false_or_missed():
    predicted = TRUE.copy()
    predicted[:, 3], predicted[0, 7] = False, True
    figure = draw_errors(np.zeros((8, 8, 3), np.uint8), predicted, TRUE)
    assert "1 px false, 8 px missed" in figure.axes[0].get_title()
    shown = figure.axes[0].images[1].get_array()
    np.testing.assert_array_equal(shown[..., 3] > 0, predicted ^ TRUE)


@pytest.mark.parametrize("true", [TRUE, np.zeros((8, 8), bool), np.ones((8, 8), bool)], ids=("some", "none", "all"))
def test_maps_of_any_truth(true):
    image, prediction = np.zeros((8, 8, 3), np.uint8), MapPrediction(PROBS, (8, 8), 0.5)
    assert figure_to_png(draw_map(image, prediction, true))
    assert figure_to_png(draw_errors(image, prediction.mask(), true))
