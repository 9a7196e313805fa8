"""What is drawn of views and their votes."""

import numpy as np

from common.figures.network.views import draw_views, draw_votes
from common.masks.instances import Instances
from common.prediction.postprocess import Look
from common.prediction.views import View
from tests.traced import SHAPE, make_steps, make_true

IMAGE = np.zeros((*SHAPE, 3), np.uint8)


def test_each_view_is_shown_as_the_network_sees_it():
    looks = [Look(View(), [0, 2], make_steps().detections), Look(View(turns=1), [1], make_steps().detections)]
    figure = draw_views(IMAGE, looks, 0.5)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["view 0, 2: 1 objects in 64 x 64 px\nupright", "view 1: 1 objects in 64 x 64 px\nturned by 90"]


def test_votes_are_a_map_beside_what_was_elected():
    votes = np.zeros(SHAPE, np.uint8)
    votes[8:24, 8:24] = 15
    figure = draw_votes(IMAGE, votes, 15, make_true().select([0]), make_true())
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), votes)
    assert figure.axes[0].images[0].get_clim() == (0, 15)
    assert figure.axes[1].get_title() == "1 elected objects"
    assert draw_votes(IMAGE, votes, 15, Instances.empty(), Instances.empty())
