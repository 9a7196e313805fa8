import numpy as np

from common.drawing.splash import colour_splash
from common.masks.instances import Instances


def test_objects_keep_their_colours():
    image = np.random.default_rng(0).integers(0, 256, (9, 12, 3)).astype(np.uint8)
    before = image.copy()
    masks = np.zeros((2, 9, 12), bool)
    masks[0, :4, :5], masks[1, 2:9, 3:12] = True, np.eye(7, 9, dtype=bool)
    splashed = colour_splash(image, Instances.from_masks(masks))
    inside = masks.any(axis=0)
    np.testing.assert_array_equal(splashed[inside], image[inside])
    assert (np.ptp(splashed[~inside], axis=1) == 0).all()
    np.testing.assert_array_equal(image, before)


def test_nothing_found_is_all_grey():
    image = np.random.default_rng(1).integers(0, 256, (5, 6, 3)).astype(np.uint8)
    splashed = colour_splash(image, Instances.empty())
    assert splashed.shape == image.shape and (np.ptp(splashed, axis=2) == 0).all() and np.ptp(splashed) > 0
