import keras
import numpy as np
import pytest

from common.network.mask_rcnn.anchors import STRIDES
from common.network.mask_rcnn.roi import build_atlas, roi_align, roi_level
from common.network.mask_rcnn.targets import mask_targets

SHAPE = (128, 192)


def slow_level(box):
    side = max((box[2] - box[0]) * (box[3] - box[1]), 1) ** 0.5
    return int(np.clip(np.round(np.log2(side / 224)) + 2, 0, 3))


def slow_roi_align(features, boxes, size, samples=2):
    """Clamped bilinear samples, one at a time; boxes (B, N, 4)."""
    pooled = np.zeros((boxes.shape[0] * boxes.shape[1], size, size, features[0].shape[-1]))
    for place, box in enumerate(boxes.reshape(-1, 4).astype(np.float64)):
        level = slow_level(box)
        cells = features[level][place // boxes.shape[1]].astype(np.float64)
        y1, x1, y2, x2 = box / STRIDES[level]
        for i in range(size * samples):
            for j in range(size * samples):
                y = y1 + (y2 - y1) * (i + 0.5) / (size * samples) - 0.5
                x = x1 + (x2 - x1) * (j + 0.5) / (size * samples) - 0.5
                pooled[place, i // samples, j // samples] += sample(cells, y, x) / samples**2
    return pooled


def sample(cells, y, x):
    y, x = np.clip(y, 0, cells.shape[0] - 1), np.clip(x, 0, cells.shape[1] - 1)
    top, left = int(y), int(x)
    bottom, right = min(top + 1, cells.shape[0] - 1), min(left + 1, cells.shape[1] - 1)
    above = cells[top, left] * (left + 1 - x) + cells[top, right] * (x - left)
    below = cells[bottom, left] * (left + 1 - x) + cells[bottom, right] * (x - left)
    return above * (top + 1 - y) + below * (y - top)


def random_features(rng, batch_size, shape=SHAPE):
    return [rng.random((batch_size, shape[0] // s, shape[1] // s, 3)).astype(np.float32) for s in STRIDES[:4]]


def align(features, boxes, size):
    return keras.ops.convert_to_numpy(roi_align(build_atlas(features), boxes, size))


def test_levels_follow_the_size():
    sides = np.array([0, 1, 56, 112, 158, 159, 224, 316, 317, 448, 2000], np.float32)
    boxes = np.stack([np.zeros_like(sides), np.zeros_like(sides), sides, sides], axis=1)
    levels = keras.ops.convert_to_numpy(roi_level(boxes))
    assert levels.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 3]
    assert levels.dtype == np.int32


@pytest.mark.parametrize("size", [7, 14])
def test_random_regions_of_every_level(size):
    rng = np.random.default_rng(4)
    features = random_features(rng, 2, (448, 512))
    sides = np.exp(rng.uniform(np.log(2), np.log(448), (2, 12, 2)))
    first = rng.random((2, 12, 2)) * ([448, 512] - sides)
    boxes = np.concatenate([first, first + sides], axis=2).astype(np.float32)
    boxes[:, 0], boxes[:, 1] = [0, 0, 448, 512], [0, 0, 200, 250]
    assert {slow_level(box) for box in boxes.reshape(-1, 4)} == {0, 1, 2, 3}
    np.testing.assert_allclose(align(features, boxes, size), slow_roi_align(features, boxes, size), atol=1e-4)


def test_regions_at_the_border_and_of_no_size():
    features = random_features(np.random.default_rng(5), 1)
    height, width = SHAPE
    boxes = [
        [0, 0, height, width],
        [0, 0, 3, 3],
        [height - 3, width - 3, height, width],
        [0, width - 1, height, width],
        [height - 1, 0, height, width],
        [0, 0, 0, 0],
        [height, width, height, width],
        [0, 7, 0, 90],
    ]
    boxes = np.array([boxes], np.float32)
    np.testing.assert_allclose(align(features, boxes, 7), slow_roi_align(features, boxes, 7), atol=1e-4)


def test_levels_do_not_leak_into_each_other():
    """Each level has a constant of its own, and so has every region, wherever it lies."""
    features = [np.full((1, SHAPE[0] // s, SHAPE[1] // s, 1), i, np.float32) for i, s in enumerate(STRIDES[:4], 1)]
    rng = np.random.default_rng(6)
    corners = np.sort(rng.random((200, 2, 2)), axis=1) * SHAPE
    boxes = corners.reshape(1, 200, 4).astype(np.float32)
    pooled = align(features, boxes, 7)
    for box, region in zip(boxes[0], pooled, strict=True):
        np.testing.assert_allclose(region, slow_level(box) + 1, rtol=1e-6)


def test_no_regions():
    features = random_features(np.random.default_rng(7), 2)
    assert align(features, np.zeros((2, 0, 4), np.float32), 7).shape == (0, 7, 7, 3)


def test_half_precision_features_give_float32():
    features = [keras.ops.cast(level, "bfloat16") for level in random_features(np.random.default_rng(8), 1)]
    assert align(features, np.array([[[0, 0, 9, 9]]], np.float32), 7).dtype == np.float32


def test_masks_and_features_are_sampled_in_the_same_frame():
    """A mask's target for its own box is the mask itself, bin by bin."""
    mask = np.zeros((1, 1, 28, 28), np.uint8)
    mask[..., 5:20, 3:9] = 1
    box = np.array([[[3.5, 8, 40.25, 77]]], np.float32)
    target = mask_targets(box, box, mask, np.zeros((1, 1), np.int32), 28)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(target), mask)
