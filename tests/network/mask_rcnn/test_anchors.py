import keras
import numpy as np
import pytest

from common.network.mask_rcnn.anchors import STRIDES, pyramid_anchors


def slow_anchors(image_shape, scales, ratios):
    boxes = []
    for stride, scale in zip(STRIDES, scales, strict=True):
        for row in range(image_shape[0] // stride):
            for column in range(image_shape[1] // stride):
                for ratio in ratios:
                    y, x = (row + 0.5) * stride, (column + 0.5) * stride
                    height, width = scale / ratio**0.5, scale * ratio**0.5
                    boxes.append([y - height / 2, x - width / 2, y + height / 2, x + width / 2])
    return np.array(boxes)


@pytest.mark.parametrize("image_shape", [(64, 64), (128, 192)])
def test_every_cell_has_its_anchors(image_shape):
    scales, ratios = (8, 16, 32, 64, 128), (0.5, 1, 2)
    anchors = keras.ops.convert_to_numpy(pyramid_anchors(image_shape, scales, ratios))
    assert anchors.dtype == np.float32
    np.testing.assert_allclose(anchors, slow_anchors(image_shape, scales, ratios), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("side", "count"), [(256, 16368), (512, 65472), (768, 147312), (1024, 261888)])
def test_as_many_as_in_the_library(side, count):
    assert pyramid_anchors((side, side), (32, 64, 128, 256, 512), (0.5, 1, 2)).shape == (count, 4)


def test_every_level_needs_a_scale():
    with pytest.raises(ValueError):
        pyramid_anchors((64, 64), (8, 16), (1,))
