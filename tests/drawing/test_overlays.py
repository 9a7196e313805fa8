import numpy as np

from common.drawing.contours import GREEN, ORANGE, YELLOW
from common.drawing.overlays import HEIGHT, draw_overlays
from common.masks.instances import Instances
from common.masks.resize import resize_image
from tests.image_sets import array_set

IMAGE = np.full((40, 60, 3), 40, np.uint8)
IMAGE[5:20, 30:] = 80  # an object at the border
LABELS = (IMAGE[..., 0] == 80).astype(np.int32)
NOTHING = np.zeros_like(LABELS)
WIDTH = HEIGHT * 60 // 40


def has(image, colour):
    return bool((image == colour).all(axis=2).any())


def bright(image, score=0.9):
    return Instances.from_masks((image[..., 0] == 80)[None], scores=[score])


def nothing(image):
    return Instances.empty()


def overlay(predict, labels, **options):
    ((image_id, drawn),) = draw_overlays(predict, array_set([IMAGE], [labels]), **options)
    assert image_id == "p0" and drawn.shape == (HEIGHT, 2 * WIDTH, 3) and drawn.dtype == np.uint8
    return drawn[:, :WIDTH], drawn[:, WIDTH:]


def test_an_image_lies_beside_what_is_true_and_found_in_it():
    image, hit = overlay(bright, LABELS)
    np.testing.assert_array_equal(image, resize_image(IMAGE, (HEIGHT, WIDTH)))
    assert has(hit, YELLOW) and not has(hit, ORANGE)
    _, false = overlay(bright, NOTHING)
    assert has(false, ORANGE) and not has(false, GREEN) and not has(false, YELLOW)
    _, missed = overlay(nothing, LABELS)
    assert has(missed, GREEN) and not has(missed, ORANGE)
    np.testing.assert_array_equal(*overlay(nothing, NOTHING))


def test_unlikely_objects_are_left_out():
    np.testing.assert_array_equal(*overlay(lambda image: bright(image, score=0.4), NOTHING))


def test_the_contrast_is_stretched_where_asked_and_after_the_prediction():
    image, drawn = overlay(bright, LABELS, stretch=True)
    assert image.max() == 255 and has(drawn, YELLOW)
