import numpy as np
import pytest

from common.masks.instances import Instances
from common.masks.resize import resize_image, resize_instances, resize_mask


def test_an_image_is_averaged_where_it_shrinks_and_interpolated_where_it_grows():
    image = np.array([[0, 100, 200, 40]], np.uint8).repeat(2, axis=0)[..., None].repeat(3, axis=2)
    assert resize_image(image, (1, 2))[0, :, 0].tolist() == [50, 120]
    grown = resize_image(np.array([[0.0, 1.0]], np.float32), (1, 4))
    np.testing.assert_allclose(grown, [[0, 0.25, 0.75, 1]])  # pixel centres at halves
    assert resize_image(image, (2, 4)) is image


@pytest.mark.parametrize("shape", [(5, 9), (40, 30), (3, 30)])
def test_a_resized_mask_is_binary(shape):
    mask = np.zeros((20, 20), bool)
    mask[3:14, 5:18] = True
    resized = resize_mask(mask, shape)
    assert resized.shape == shape and resized.dtype == bool
    assert resized.mean() == pytest.approx(mask.mean(), abs=0.08)
    assert not resize_mask(np.zeros((4, 4), bool), shape).any() and resize_mask(np.ones((4, 4), bool), shape).all()


def test_objects_follow_their_image_and_none_vanishes():
    boxes = np.array([[0, 0, 4, 8], [7, 9, 8, 10]])
    objects = Instances.from_crops(boxes, [np.ones((4, 8)), np.ones((1, 1))], [2, 1], [0.9, 0.8])
    small = resize_instances(objects, np.array([0.25, 0.5]))
    assert small.boxes.tolist() == [[0, 0, 1, 4], [2, 4, 3, 5]] and small.class_ids.tolist() == [2, 1]
    assert [mask.all() for mask in small.masks] == [True, True]
    large = resize_instances(objects, np.array([2.0, 2.0]))
    assert large.areas.tolist() == [128, 4]
    assert len(resize_instances(Instances.empty(), np.ones(2))) == 0
