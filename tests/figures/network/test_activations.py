"""What is drawn of a layer."""

import numpy as np
import pytest

from common.figures.network.activations import CHANNELS, draw_activations
from common.figures.page import figure_to_png


def test_the_channels_that_vary_most_come_first():
    features = np.zeros((8, 10, 9), np.float32)
    features[:4, :, 5], features[:4, :, 2] = 10, 3
    figure = draw_activations("res2a_out", features, (32, 40))
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:3] == ["mean of |x|", "channel 5", "channel 2"] and len(titles) == CHANNELS + 2
    assert figure.get_suptitle() == "res2a_out: 8 x 10 x 9, 7 silent channels"


@pytest.mark.parametrize("features", [np.full((1, 1, 1), 2.0, np.float32), np.zeros((600, 3, 2), np.float32)])
def test_few_channels_one_value_and_narrow_maps(features):
    assert figure_to_png(draw_activations("fpn_p6", features, (32, 32)))
