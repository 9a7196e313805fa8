import numpy as np
import pytest

from common.masks.instances import Instances
from tests.objects import random_objects


def test_crops_of_whole_masks():
    masks = np.zeros((3, 5, 6), bool)
    masks[0, 0:2, 4:6] = True  # at the border
    masks[2, [1, 4], [0, 2]] = True  # in two pieces; the second object is empty
    instances = Instances.from_masks(masks, class_ids=[3, 1, 2], scores=[0.5, 0.25, 1])
    assert instances.boxes.tolist() == [[0, 4, 2, 6], [0, 0, 0, 0], [1, 0, 5, 3]]
    assert [mask.shape for mask in instances.masks] == [(2, 2), (0, 0), (4, 3)]
    assert instances.areas.tolist() == [4, 0, 2]
    assert (instances.boxes.dtype, instances.class_ids.dtype, instances.scores.dtype) == ("int32", "int32", "float32")
    np.testing.assert_array_equal(instances.to_masks((5, 6)), masks)


def test_whole_masks_come_back():
    instances = random_objects(np.random.default_rng(5), 20, (17, 23))
    masks = instances.to_masks((17, 23))
    np.testing.assert_array_equal(Instances.from_masks(masks).boxes, instances.boxes)
    assert instances.areas.tolist() == masks.sum(axis=(1, 2)).tolist()


def test_crops_do_not_share_memory_with_whole_masks():
    masks = np.ones((1, 2, 2), bool)
    instances = Instances.from_masks(masks)
    masks[:] = False
    assert instances.areas.tolist() == [4]


def test_label_images_come_back_with_rising_labels():
    label_image = np.array([[0, 9, 9, 4], [2, 2, 9, 4], [0, 0, 0, 4]])
    instances = Instances.from_label_image(label_image, class_ids=[5, 6, 7])
    assert instances.to_label_image((3, 4)).tolist() == [[0, 3, 3, 2], [1, 1, 3, 2], [0, 0, 0, 2]]
    assert instances.class_ids.tolist() == [5, 6, 7]


def test_the_earlier_object_keeps_a_contested_pixel():
    masks = np.zeros((2, 1, 3), bool)
    masks[0, 0, :2], masks[1, 0, 1:] = True, True
    assert Instances.from_masks(masks).to_label_image((1, 3)).tolist() == [[1, 1, 2]]


def test_no_objects():
    empty = Instances.empty()
    assert len(empty) == 0
    assert empty.boxes.shape == (0, 4)
    assert empty.to_masks((3, 4)).shape == (0, 3, 4)
    assert not empty.to_label_image((3, 4)).any()
    assert len(Instances.from_masks(np.zeros((0, 3, 4), bool))) == 0
    assert len(Instances.from_label_image(np.zeros((3, 4), np.int32))) == 0
    assert len(empty.select([])) == len(empty.select(np.zeros(0, bool))) == 0


def test_selection_by_position_and_by_flag():
    instances = Instances.from_masks(np.ones((3, 2, 2), bool), class_ids=[1, 2, 3])
    assert instances.select([2, 0]).class_ids.tolist() == [3, 1]
    assert instances.select(np.array([True, False, True])).class_ids.tolist() == [1, 3]
    assert len(instances.select([])) == 0


def test_fields_must_agree():
    with pytest.raises(ValueError, match="share one N"):
        Instances.from_crops([[0, 0, 1, 1]], [np.ones((1, 1)), np.ones((1, 1))])
    with pytest.raises(ValueError, match="share one N"):
        Instances.from_crops([[0, 0, 1, 1]], [np.ones((1, 1))], class_ids=[1, 2])
    with pytest.raises(ValueError, match="size of its box"):
        Instances.from_crops([[0, 0, 1, 1]], [np.ones((1, 2))])
