import numpy as np
import pytest

from common.masks.bits import BitMasks, find_strides, pack_masks, restride, unpack_masks
from common.masks.boxes import touching_pairs
from common.masks.instances import Instances


def mixed_objects(rng, count, image_shape):
    """Rectangles with holes, of which some are several times as wide as others; a few are empty."""
    masks = np.zeros((count, *image_shape), dtype=bool)
    for mask in masks:
        height, width = rng.integers(0, 30), rng.choice([0, 5, 40, 60, 200])
        y, x = rng.integers(0, image_shape[0]), rng.integers(0, image_shape[1])
        mask[y : y + height, x : x + width] = rng.random(mask[y : y + height, x : x + width].shape) < 0.7
    return Instances.from_masks(masks)


def bit_masks(objects):
    return BitMasks(objects.boxes, pack_masks(objects.boxes, objects.masks))


def test_no_masks():
    masks = bit_masks(Instances.empty())
    none = np.zeros(0, dtype=np.int64)
    assert masks.shared_pixels(none, none).tolist() == []
    masks.separate(none, none, none, none, 0.7)
    assert unpack_masks(masks.boxes, masks.bits) == []


def test_packed_and_unpacked():
    objects = mixed_objects(np.random.default_rng(1), 150, (40, 220))
    masks = bit_masks(objects)
    assert len(np.unique(find_strides(objects.boxes))) == 3
    assert masks.areas == objects.areas.tolist()
    for mask, crop in zip(objects.masks, unpack_masks(objects.boxes, masks.bits), strict=True):
        np.testing.assert_array_equal(crop, mask)
        assert crop.dtype == bool


def test_rows_laid_farther_apart_are_the_same_rows():
    box, mask = np.array([[0, 0, 3, 40]]), np.random.default_rng(2).random((3, 40)) < 0.5
    (bits,) = pack_masks(box, [mask])
    wide_box = np.array([[0, 0, 3, 90]])
    (wide,) = unpack_masks(wide_box, [restride(bits, 96, 384)])
    np.testing.assert_array_equal(wide, np.pad(mask, [(0, 0), (0, 50)]))
    assert restride(0, 96, 384) == 0


def test_shared_pixels_of_small_and_large_masks():
    rng = np.random.default_rng(3)
    for _ in range(20):
        objects = mixed_objects(rng, 30, (50, 250))
        whole = objects.to_masks((50, 250)).reshape(30, -1).astype(int)
        first, second = touching_pairs(objects.boxes)
        np.testing.assert_array_equal(bit_masks(objects).shared_pixels(first, second), (whole @ whole.T)[first, second])


@pytest.mark.parametrize("loss_threshold", [0.3, 1.0])
def test_separated_small_and_large_masks(loss_threshold):
    rng = np.random.default_rng(4)
    for _ in range(20):
        objects = mixed_objects(rng, 30, (50, 250))
        whole = objects.to_masks((50, 250))
        priorities = rng.permutation(30)
        owners = (whole * (priorities[:, None, None] + 1)).max(axis=0)
        expected = whole & (owners == priorities[:, None, None] + 1)
        lost = objects.areas - expected.sum(axis=(1, 2))
        expected[lost > loss_threshold * objects.areas] = False
        masks = bit_masks(objects)
        masks.separate(*touching_pairs(objects.boxes), priorities, objects.areas, loss_threshold)
        crops = unpack_masks(objects.boxes, masks.bits)
        np.testing.assert_array_equal(Instances.from_crops(objects.boxes, crops).to_masks((50, 250)), expected)
        assert masks.areas == expected.sum(axis=(1, 2)).tolist()
