"""The imgaug variant: the right poses, image and labels alike, repeatable."""

import sys

import numpy as np
import pytest

from common.batches.augment_imgaug import augment_imgaug
from common.errors import InputError
from tests.batches.test_augment import random_pair


@pytest.fixture
def imgaug():
    """Skip where imgaug is missing; it cannot be imported just so, as NumPy 2 lacks what it asks for."""
    try:
        augment_imgaug(random_pair((8, 8))[0], [], np.random.default_rng(0))
    except InputError as error:
        pytest.skip(str(error))


def test_every_flip_and_turn_comes_equally_often(imgaug):
    image, label_image = random_pair((6, 6))
    poses = [np.rot90(flipped, turns) for flipped in (label_image, label_image[::-1]) for turns in range(4)]
    rng, counts = np.random.default_rng(0), np.zeros(8, int)
    for _ in range(240):
        shown, (labels,) = augment_imgaug(image, [label_image], rng, rotation_range=0, channel_shift_range=0)
        pose = next(i for i, pose in enumerate(poses) if np.array_equal(pose, labels))
        counts[pose] += 1
        np.testing.assert_array_equal(shown, np.rot90(image[::-1] if pose > 3 else image, pose % 4))
    assert counts.min() > 10


def test_upright_images_are_flipped_left_right_alone(imgaug):
    image, label_image = random_pair((6, 6))
    rng, flipped = np.random.default_rng(0), 0
    for _ in range(40):
        figures = {"rotation_range": 0, "channel_shift_range": 0, "upright": True}
        labels = augment_imgaug(image, [label_image], rng, **figures)[1][0]
        left_right = not np.array_equal(labels, label_image)
        np.testing.assert_array_equal(labels, label_image[:, ::-1] if left_right else label_image)
        flipped += left_right
    assert 8 < flipped < 32


def test_image_and_labels_move_alike(imgaug):
    label_image = np.zeros((101, 101), np.int32)
    label_image[20:50, 60:], label_image[55:90, 10:45] = 1, 70_000
    image = np.repeat((label_image > 0).astype(np.uint8)[..., None] * 200, 3, axis=2)
    rng = np.random.default_rng(0)
    for _ in range(20):
        shown, (labels,) = augment_imgaug(image, [label_image], rng, channel_shift_range=0)
        assert shown.shape == (101, 101, 3) and shown.dtype == np.uint8
        assert labels.shape == (101, 101) and labels.dtype == np.int32 and set(np.unique(labels)) == {0, 1, 70_000}
        # The image is interpolated, the labels are not: they may differ along the border, by a few pixels.
        assert np.count_nonzero((shown[..., 0] > 100) != (labels > 0)) < 30


def test_channels_are_shifted_within_their_range(imgaug):
    image, label_image = np.full((12, 12, 3), 100, np.uint8), np.zeros((12, 12), np.int32)
    rng = np.random.default_rng(0)
    centres = np.array(
        [augment_imgaug(image, [label_image], rng, channel_shift_range=20)[0][6, 6] for _ in range(100)], int
    )
    assert centres.min() >= 80 and centres.max() <= 120 and np.ptp(centres) > 30
    assert (centres[:, 0] != centres[:, 1]).any()


def test_augmentation_is_repeatable_and_leaves_its_input_alone(imgaug):
    image, label_image = random_pair((60, 50))
    before = image.copy(), label_image.copy()
    first, second = (augment_imgaug(image, [label_image], np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1][0], second[1][0])
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(label_image, before[1])
    assert any(
        (augment_imgaug(image, [label_image], np.random.default_rng(k))[1][0] != first[1][0]).any() for k in range(3)
    )


@pytest.mark.parametrize("num_layers", [0, 2, 6])
def test_every_layer_moves_as_it_would_alone(imgaug, num_layers):
    image = random_pair((60, 50))[0]
    layers = [random_pair((60, 50), seed)[1] for seed in range(num_layers)]
    for seed in range(6):
        shown, together = augment_imgaug(image, layers, np.random.default_rng(seed))
        np.testing.assert_array_equal(shown, augment_imgaug(image, [], np.random.default_rng(seed))[0])
        for layer, labels in zip(layers, together, strict=True):
            np.testing.assert_array_equal(labels, augment_imgaug(image, [layer], np.random.default_rng(seed))[1][0])


def test_a_missing_imgaug_is_one_line(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "imgaug"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "imgaug", None)
    with pytest.raises(InputError, match=r"imgaug cannot be imported .*pip install --no-deps imgaug==0"):
        augment_imgaug(random_pair((8, 8))[0], [], np.random.default_rng(0))
    assert not hasattr(np, "sctypes")
