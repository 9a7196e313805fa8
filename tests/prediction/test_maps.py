import numpy as np
import pytest

from common.prediction.maps import MAP_VIEWS, MapPrediction, average_views, view_input
from common.prediction.views import View


def brightness(images):
    """A network whose map is the image: what it says does not depend on the view."""
    return [image[..., 0].astype(np.float32) / 255 for image in images]


def blob(side=64):
    y, x = np.mgrid[:side, :side]
    values = 255 * np.exp(-((y - 20) ** 2 + (x - 45) ** 2) / 200)
    return np.repeat(values.astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("view", [*MAP_VIEWS["scales"], View(flip_ud=True), View(flip_ud=True, flip_lr=True)], ids=str)
def test_a_view_is_undone(view):
    image = blob()
    shown = view_input(image, view, 64, 16)
    assert shown.flags.c_contiguous and len(shown) == 16 * round(4 * view.scale_y)
    undone = average_views(brightness([shown]), [view], 64)
    np.testing.assert_allclose(undone, brightness([image])[0], atol=0.04)


def test_views_are_averaged_as_probabilities():
    views = MAP_VIEWS["flip"]
    left = np.array([[0.9, 0.1]], np.float32).repeat(2, axis=0)
    np.testing.assert_allclose(average_views([left, left], views, 2), np.full((2, 2), 0.5))
    np.testing.assert_allclose(average_views([left, left[:, ::-1]], views, 2), left)


def test_the_first_view_is_the_image_alone():
    image = blob()
    assert all(views[0] == View() or View() in views for views in MAP_VIEWS.values())
    np.testing.assert_array_equal(view_input(image, View(), 64, 16), image)


def test_probabilities_are_resized_before_they_are_cut():
    probs = np.array([[0.0, 1.0]], np.float32)
    mask = MapPrediction(probs, (2, 8), threshold=0.4).mask()
    assert mask.tolist() == [[False, False, False, False, True, True, True, True]] * 2
    mask = MapPrediction(probs, (2, 8), threshold=0.3).mask()
    assert mask[0].tolist() == [False, False, False, True, True, True, True, True]


def test_the_largest_parts_become_one_object_with_its_mean_probability():
    probs = np.zeros((4, 8), np.float32)
    probs[0:4, 0:2], probs[1:4, 4:6], probs[0, 7] = 0.9, 0.6, 0.8
    prediction = MapPrediction(probs, (4, 8), threshold=0.5, largest=2)
    found = prediction.instances()
    assert found.boxes.tolist() == [[0, 0, 4, 6]] and found.class_ids.tolist() == [1]
    assert found.scores[0] == pytest.approx((8 * 0.9 + 6 * 0.6) / 14)
    np.testing.assert_array_equal(found.to_masks((4, 8))[0], prediction.mask())
    assert len(MapPrediction(probs, (4, 8), threshold=0.95).instances()) == 0
