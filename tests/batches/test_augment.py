"""Rescale, crop and the rest: against plain ways, on hand-drawn and seeded images."""

import math
from dataclasses import replace
from fractions import Fraction

import cv2
import numpy as np
import pytest

from common.batches.augment import (
    Rescaling,
    crop,
    crop_rescaled_labels,
    flip_rotate_shift,
    rescale,
    rescale_and_crop,
    rotate,
)
from common.images.colours import shift_channels

RESCALING = Rescaling(min_dim=64, aspect_ratio=1.5, min_enlarge=1.5, zoom=1.7)


def random_pair(shape: tuple[int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a random image and labels of 5 x 5 squares; the border squares hold objects as well."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    squares = rng.integers(0, 400, (shape[0] // 5 + 1, shape[1] // 5 + 1))
    return image, np.kron(squares, np.ones((5, 5), int))[: shape[0], : shape[1]].astype(np.int32)


def resized_plainly(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize bilinearly in float64, one axis after the other, pixel centres at halves."""
    for axis, new in enumerate(shape):
        old = image.shape[axis]
        positions = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        lower = np.floor(positions).astype(int)
        upper = np.minimum(lower + 1, old - 1)
        weights = np.expand_dims(positions - lower, tuple(range(1, image.ndim)) if axis == 0 else (0, 2))
        image = image.take(lower, axis) * (1 - weights) + image.take(upper, axis) * weights
    return image


def nearest_plainly(label_image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize by nearest neighbour, pixel centres at halves; a centre on a border goes to the later pixel."""
    rows, columns = (
        [math.floor(Fraction(2 * i + 1, 2) * old / new) for i in range(new)]
        for old, new in zip(label_image.shape, shape, strict=True)
    )
    return label_image[np.ix_(rows, columns)]


@pytest.mark.parametrize("shape", [(40, 50), (64, 64), (150, 90), (333, 200)])
@pytest.mark.parametrize("at_origin", [False, True])
def test_rescale_and_crop_equals_the_plain_way(shape, at_origin):
    image, label_image = random_pair(shape)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        shown, (labels,) = rescale_and_crop(
            image, [label_image], rng, RESCALING, crop_size=64, places=None if at_origin else 1
        )
        rng = np.random.default_rng(seed)
        lowest = 64 / min(shape)
        scale = rng.uniform(lowest, max(1.5, lowest * 1.7))
        stretched = rng.integers(2)
        stretch = rng.uniform(1, 1.5)
        new = [round(shape[i] * scale * (stretch if i == stretched else 1)) for i in (0, 1)]
        top, left = (0, 0) if at_origin else [rng.integers(length - 64 + 1) for length in new]
        window = np.s_[top : top + 64, left : left + 64]
        assert np.abs(shown - resized_plainly(image, new)[window]).max() <= 1
        np.testing.assert_array_equal(labels, nearest_plainly(label_image, new)[window])
        assert shown.dtype == np.uint8 and labels.dtype == np.int32


@pytest.mark.parametrize("num_layers", [1, 2])
def test_of_several_places_at_one_scale_the_fullest_is_taken(num_layers):
    image, label_image = random_pair((150, 90))
    label_image[40:90, 20:70] = 0  # a place with few objects
    layers = [label_image * (label_image % num_layers == i) for i in range(num_layers)]
    for seed in range(10):
        rng = np.random.default_rng(seed)
        shape = RESCALING.draw_shape(image.shape[:2], rng)
        corners = [[int(rng.integers(length - 64 + 1)) for length in shape] for _ in range(4)]
        crops = [crop_rescaled_labels(label_image, shape, *corner, 64) for corner in corners]
        best = max(range(4), key=lambda i: len(np.unique(crops[i][crops[i] > 0])))
        shown, found = rescale_and_crop(image, layers, np.random.default_rng(seed), RESCALING, crop_size=64, places=4)
        np.testing.assert_array_equal(sum(found), crops[best])
        np.testing.assert_array_equal(shown, crop(rescale(image, shape), *corners[best], 64))


def test_a_crop_larger_than_the_image_is_filled_up_with_zeros():
    image, label_image = np.full((30, 40, 3), 7, np.uint8), np.full((30, 40), 9, np.int32)
    rng, rescaling = np.random.default_rng(0), Rescaling(min_dim=30)
    image, (label_image,) = rescale_and_crop(image, [label_image], rng, rescaling, crop_size=64)
    assert image.shape == (64, 64, 3) and label_image.shape == (64, 64)
    assert (image[:30, :40] == 7).all() and image.sum() == 7 * 3 * 30 * 40
    assert (label_image[:30, :40] == 9).all() and label_image.sum() == 9 * 30 * 40


def test_no_objects_and_a_small_crop_of_a_large_rescaling():
    image = random_pair((256, 300))[0]
    rescaling = Rescaling(min_dim=256, aspect_ratio=1.3, min_enlarge=1.2, zoom=1.5)
    layers = [np.zeros((256, 300), np.int32)]
    image, (label_image,) = rescale_and_crop(image, layers, np.random.default_rng(1), rescaling, crop_size=128)
    assert image.shape == (128, 128, 3) and label_image.shape == (128, 128) and not label_image.any()
    assert rescale_and_crop(image, [], np.random.default_rng(1), rescaling, crop_size=128)[1] == []


def test_scales_stay_in_their_range_and_stretch_either_axis():
    rng = np.random.default_rng(0)
    rescaling = Rescaling(min_dim=512, aspect_ratio=1.3, min_enlarge=1.2, zoom=1.5)
    shapes = np.array([rescaling.draw_shape((1024, 1024), rng) for _ in range(500)])
    scales, stretches = shapes.min(axis=1) / 1024, shapes.max(axis=1) / shapes.min(axis=1)
    assert 0.5 <= scales.min() < 0.51 and 1.19 < scales.max() <= 1.2
    assert 1 <= stretches.min() < 1.01 and 1.29 < stretches.max() <= 1.301
    assert 200 < np.count_nonzero(shapes[:, 0] > shapes[:, 1]) < 300


@pytest.mark.parametrize("axis", [0, 1])
def test_image_and_labels_share_one_geometry(axis):
    label_image = np.zeros((97, 101), np.int32)
    label_image.swapaxes(0, axis)[np.r_[:20, 40:70, 96:97]] = 1
    image = np.repeat(label_image[..., None].astype(np.uint8) * 255, 3, axis=2)
    for shape in [(200, 300), (97, 150), (61, 55), (500, 101)]:
        size = max(shape)
        moved_image = crop(rescale(image, shape), 0, 0, size)[..., 0]
        labels = crop_rescaled_labels(label_image, shape, 0, 0, size)
        clear = np.abs(moved_image.astype(int) - 127.5) > 2
        np.testing.assert_array_equal((moved_image > 127)[clear], (labels > 0)[clear])


def test_labels_agree_with_the_exact_nearest_neighbour_of_opencv():
    label_image = random_pair((67, 89))[1]
    shape = (128, 144)  # no pixel centre falls on a border
    expected = cv2.resize(label_image.astype(np.float32), shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    np.testing.assert_array_equal(crop_rescaled_labels(label_image, shape, 0, 0, 128), expected[:, :128])


@pytest.mark.parametrize("shape", [(64, 64), (63, 63), (40, 61)])
def test_rotation_keeps_the_centre_and_turns_by_quarters_exactly(shape):
    image, label_image = random_pair(shape)
    np.testing.assert_array_equal(rotate(image, 0), image)
    np.testing.assert_array_equal(rotate(label_image, 180), label_image[::-1, ::-1])
    if shape[0] == shape[1]:
        np.testing.assert_array_equal(rotate(label_image, 90), np.rot90(label_image))
    assert rotate(label_image, 10).dtype == np.int32 and not rotate(label_image + 1, 45)[0, 0]


def test_rotation_moves_image_and_labels_alike():
    label_image = random_pair((80, 80))[1] % 256
    image = np.repeat(label_image[..., None].astype(np.uint8), 3, axis=2)
    # OpenCV 5 rounds ties of bytes and of integers differently: one pixel of these.
    most = 0 if int(cv2.__version__.split(".")[0]) < 5 else 1e-3
    for degrees in (-22.5, -3.3, 0.7, 10):
        assert (rotate(image, degrees)[..., 1] != rotate(label_image, degrees)).mean() <= most


def test_rotation_finds_the_nearest_pixel():
    label_image = random_pair((50, 70))[1] + 1
    rows, columns = np.mgrid[:50, :70]
    for degrees in (-17.0, 5.0):
        sine, cosine = np.sin(np.deg2rad(degrees)), np.cos(np.deg2rad(degrees))
        x, y = columns - 34.5, rows - 24.5
        source_x, source_y = x * cosine - y * sine + 34.5, x * sine + y * cosine + 24.5
        clear = (np.abs(source_x % 1 - 0.5) > 0.01) & (np.abs(source_y % 1 - 0.5) > 0.01)
        row, column = np.rint(source_y).astype(int), np.rint(source_x).astype(int)
        inside = (row >= 0) & (row < 50) & (column >= 0) & (column < 70)
        expected = np.where(inside, label_image[row.clip(0, 49), column.clip(0, 69)], 0)
        np.testing.assert_array_equal(rotate(label_image, degrees)[clear], expected[clear])


def test_channels_are_clipped_to_the_images_own_range():
    image = random_pair((20, 30))[0] // 2 + 40
    shifts = np.array([-30.3, 0.0, 44.6])
    expected = np.rint(np.clip(image + shifts, image.min(), image.max()))
    np.testing.assert_array_equal(shift_channels(image, shifts), expected)


def test_every_flip_and_turn_comes_equally_often():
    image, label_image = random_pair((6, 6))
    poses = [np.rot90(flipped, turns) for flipped in (label_image, label_image[::-1]) for turns in range(4)]
    rng, counts = np.random.default_rng(0), np.zeros(8, int)
    for _ in range(800):
        shown, (labels,) = flip_rotate_shift(image, [label_image], rng, rotation_range=0, channel_shift_range=0)
        pose = next(i for i, pose in enumerate(poses) if np.array_equal(pose, labels))
        counts[pose] += 1
        shown_pose = np.rot90(image[::-1] if pose > 3 else image, pose % 4)
        np.testing.assert_array_equal(shown, shown_pose)
    assert counts.min() > 60


def test_augmentation_is_repeatable_and_leaves_its_input_alone():
    image, label_image = random_pair((60, 60))
    before = image.copy(), label_image.copy()
    runs = [
        flip_rotate_shift(image, [label_image], np.random.default_rng(5), rotation_range=22.5, channel_shift_range=20)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    np.testing.assert_array_equal(runs[0][1][0], runs[1][1][0])
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(label_image, before[1])


@pytest.mark.parametrize("num_layers", [0, 1, 2, 6])
def test_every_layer_moves_as_it_would_alone(num_layers):
    image = random_pair((90, 70))[0]
    layers = [random_pair((90, 70), seed)[1] for seed in range(num_layers)]
    for seed in range(6):

        def moved(some, seed=seed):
            rng = np.random.default_rng(seed)
            both = rescale_and_crop(image, some, rng, RESCALING, crop_size=64)
            return flip_rotate_shift(*both, rng, rotation_range=22.5, channel_shift_range=20)

        shown, together = moved(layers)
        np.testing.assert_array_equal(shown, moved([])[0])
        for layer, labels in zip(layers, together, strict=True):
            np.testing.assert_array_equal(labels, moved([layer])[1][0])


def test_min_zoom_lowers_the_smallest_scale_alone():
    rescaling = Rescaling(min_dim=512, min_enlarge=1.2, zoom=1.5, min_zoom=0.5)
    rng = np.random.default_rng(0)
    scales = [rescaling.draw_shape((256, 256), rng)[0] / 256 for _ in range(500)]
    assert 1 <= min(scales) < 1.05
    assert 2.95 < max(scales) <= 3


def test_log_zoom_draws_as_many_scales_below_the_usual_one_as_above():
    rescaling = Rescaling(min_dim=512, min_zoom=0.5, zoom=2)
    rng = np.random.default_rng(0)
    for log_zoom, share in ((False, 1 / 3), (True, 1 / 2)):  # of scales below the usual one
        drawn = replace(rescaling, log_zoom=log_zoom)
        scales = np.array([drawn.draw_shape((256, 256), rng)[0] / 512 for _ in range(2000)])
        assert 0.5 <= scales.min() < 0.51 and 1.97 < scales.max() <= 2
        assert np.mean(scales < 1) == pytest.approx(share, abs=0.04)


def test_no_side_exceeds_the_longest_at_the_scale_of_detection():
    rescaling = Rescaling(min_dim=800, max_dim=1024)
    for image_shape, expected in [((480, 640), (768, 1024)), ((500, 500), (800, 800)), ((4000, 3000), (1024, 768))]:
        assert rescaling.draw_shape(image_shape, np.random.default_rng(0)) == expected
    rng = np.random.default_rng(0)
    widths = [replace(rescaling, zoom=1.5).draw_shape((480, 640), rng)[1] for _ in range(300)]
    assert 1024 <= min(widths) < 1040 and 1510 < max(widths) <= 1536


@pytest.mark.parametrize(
    ("image_shape", "expected"),
    [((128, 512), (512, 2048)), ((20, 1024), (40, 2048)), ((3, 5000), (3, 5000)), ((600, 3000), (512, 2560))],
)
def test_strips_are_rescaled_as_in_detection(image_shape, expected):
    assert Rescaling(min_dim=512).draw_shape(image_shape, np.random.default_rng(0)) == expected


def test_upright_images_are_flipped_left_right_alone():
    image, label_image = random_pair((6, 9))
    rng, flipped = np.random.default_rng(0), 0
    for _ in range(100):
        figures = {"rotation_range": 0, "channel_shift_range": 0, "upright": True}
        shown, (labels,) = flip_rotate_shift(image, [label_image], rng, **figures)
        left_right = not np.array_equal(labels, label_image)
        np.testing.assert_array_equal(labels, label_image[:, ::-1] if left_right else label_image)
        np.testing.assert_array_equal(shown, image[:, ::-1] if left_right else image)
        flipped += left_right
    assert 30 < flipped < 70
