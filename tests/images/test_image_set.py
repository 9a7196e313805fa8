"""A set of images over a source: selections, facts and what is handed on."""

import numpy as np
import pytest

from common.images.image_set import ImageSet
from tests.image_sets import Arrays, array_set
from tests.tiny import disc_labels

LABELS = [disc_labels(32, [(8, 8, 4)]), disc_labels(32, [(8, 8, 4), (20, 20, 6)]), np.zeros((16, 24), np.int32)]
IMAGES = [np.full((*labels.shape, 3), 10 * number, np.uint8) for number, labels in enumerate(LABELS)]


@pytest.fixture
def images():
    return array_set(IMAGES, LABELS, image_ids=["a", "b", "c"])


def test_what_a_set_knows_of_its_images(images):
    assert len(images) == 3 and images.has_objects and images.left_out == ()
    assert images.shapes == {"a": (32, 32), "b": (32, 32), "c": (16, 24)}
    assert images.shape(2) == (16, 24)
    assert images.path.name == "arrays" and images.image_names == ["", "", ""]


def test_objects_come_in_every_form(images):
    np.testing.assert_array_equal(images.load_image(1), IMAGES[1])
    np.testing.assert_array_equal(images.load_label_layers(1)[0], LABELS[1])
    assert images.load_class_ids(1).tolist() == [1, 1]
    np.testing.assert_array_equal(images.load_instances(1).to_label_image((32, 32)), LABELS[1])
    true, crowd = images.load_truth(1)
    assert len(true) == 2 and crowd.tolist() == [False, False]
    assert len(images.load_instances(2)) == 0


def test_selections_keep_their_order_and_may_repeat(images):
    chosen = images.select([2, 0, 2]).select([1, 2])
    assert chosen.image_ids == ["a", "c"]
    np.testing.assert_array_equal(chosen.load_image(1), IMAGES[2])
    assert chosen.sizes.tolist() == [[32, 32], [16, 24]]
    assert images.select(np.array([False, True, False])).image_ids == ["b"]
    nothing = images.select([])
    assert len(nothing) == 0 and nothing.sizes.shape == (0, 2) and nothing.shapes == {}


def test_the_first_images_or_all(images):
    assert images.first(2).image_ids == ["a", "b"]
    assert images.first(None).image_ids == images.first(9).image_ids == ["a", "b", "c"]


def test_signatures_are_those_of_the_chosen_images(images):
    assert images.select([0]).signature() != images.signature() == images.select([0, 1, 2]).signature()


def test_what_was_left_out_does_not_follow_a_selection():
    images = ImageSet.of_all(Arrays(IMAGES), ["a", "b", "c"], [image.shape[:2] for image in IMAGES], left_out=("d",))
    assert images.left_out == ("d",) and images.select([0]).left_out == ()
