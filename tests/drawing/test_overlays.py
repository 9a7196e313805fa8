import numpy as np

from common.drawing.draw import GREEN, RED, YELLOW
from common.drawing.overlays import draw_overlays
from common.masks.instances import Instances
from tests.image_sets import array_set

IMAGE = np.full((40, 60, 3), 40, np.uint8)
IMAGE[5:20, 30:] = 80  # an object at the border
LABELS = (IMAGE[..., 0] == 80).astype(np.int32)
NOTHING = np.zeros_like(LABELS)


def has(image, colour):
    return bool((image == colour).all(axis=2).any())


def bright(image, score=0.9):
    return Instances.from_masks((image[..., 0] == 80)[None], scores=[score])


def overlay(predict, labels, **options):
    ((image_id, drawn),) = draw_overlays(predict, array_set([IMAGE], [labels]), **options)
    assert image_id == "p0" and drawn.shape == (40, 120, 3)
    return drawn[:, :60], drawn[:, 60:]


def test_an_image_lies_beside_what_is_true_and_found_in_it():
    image, hit = overlay(bright, LABELS)
    np.testing.assert_array_equal(image, IMAGE)
    assert has(hit, YELLOW) and not has(hit, RED)
    _, false = overlay(bright, NOTHING)
    assert has(false, RED) and not has(false, GREEN) and not has(false, YELLOW)
    _, missed = overlay(lambda image: Instances.empty(), LABELS)
    assert has(missed, GREEN) and not has(missed, RED)
    np.testing.assert_array_equal(*overlay(lambda image: Instances.empty(), NOTHING))


def test_unlikely_objects_are_left_out():
    np.testing.assert_array_equal(*overlay(lambda image: bright(image, score=0.4), NOTHING))


def test_the_contrast_is_stretched_where_asked_and_after_the_prediction():
    image, drawn = overlay(bright, LABELS, stretch=True)
    assert image.max() == 255 and has(drawn, YELLOW)
