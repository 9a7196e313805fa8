import numpy as np
import pytest

from common.masks.resize import resize_image, resize_mask


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
