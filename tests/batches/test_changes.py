"""Random changes: image and labels move alike, within their limits, and the input stays as it is."""

import numpy as np
import pytest

from common.batches.changes import Affine, AllOf, Brighten, Contrast, Displace, Flip, Sharpen, SomeOf

CHANGES = [
    Flip(1),
    Affine(scale=0.2, shift_y=0.2, shift_x=0.2, rotation=25, shear=8),
    Displace(0.01, 0.025),
    Brighten(0.1),
    Contrast(0.1),
    Sharpen(0.1),
]


def rectangles() -> tuple[np.ndarray, list[np.ndarray]]:
    """Return a dark image with two bright rectangles, one at the border, and a layer for each."""
    layers = [np.zeros((96, 128), np.int32) for _ in range(2)]
    layers[0][20:50, 70:], layers[1][55:90, 15:60] = 1, 70_000
    image = np.where(sum(layers) > 0, 200, 20).astype(np.uint8)
    return np.repeat(image[..., None], 3, axis=2), layers


@pytest.mark.parametrize("change", [*CHANGES, SomeOf(CHANGES, 2, 4), AllOf(CHANGES)], ids=repr)
def test_image_and_labels_move_alike(change):
    image, layers = rectangles()
    for seed in range(10):
        shown, changed = change(image, layers, np.random.default_rng(seed))
        again = change(image, layers, np.random.default_rng(seed))
        np.testing.assert_array_equal(shown, again[0])
        assert shown.shape == image.shape and shown.dtype == np.uint8
        assert [layer.dtype for layer in changed] == [np.int32, np.int32]
        assert [set(np.unique(layer)) for layer in changed] == [{0, 1}, {0, 70_000}]
        # The image is interpolated, the labels are not: they may differ along the border, by a few pixels.
        assert np.count_nonzero((shown[..., 0] > 110) != (sum(changed) > 0)) < 90
        assert change(image, [], np.random.default_rng(seed))[1] == []
    np.testing.assert_array_equal(image, rectangles()[0])
    np.testing.assert_array_equal(layers, rectangles()[1])


def test_flip():
    image, layers = rectangles()
    shown, (first, second) = Flip(1)(image, layers, np.random.default_rng(0))
    np.testing.assert_array_equal(shown, image[:, ::-1])
    np.testing.assert_array_equal([first, second], [layer[:, ::-1] for layer in layers])
    np.testing.assert_array_equal(Flip(1, axis=0)(image, layers, np.random.default_rng(0))[0], image[::-1])
    rng = np.random.default_rng(0)
    flipped = sum(not np.array_equal(Flip()(image, [], rng)[0], image) for _ in range(60))
    assert 15 < flipped < 45


@pytest.mark.parametrize(
    ("change", "start", "ends"),
    [
        (Affine(scale=0.2), (11, 4), [(9.8, 3.8), (12.2, 4.2)]),
        (Affine(shift_x=0.1, shift_y=0.2), (5, 5), [(3.9, 2.8), (6.1, 7.2)]),
        (Affine(shear=45), (5, 0), [(0, 0), (10, 0)]),
    ],
)
def test_limits_of_the_matrix(change, start, ends):
    """In an image of 11 x 11 pixels, whose centre is (5, 5)."""
    rng = np.random.default_rng(0)
    found = np.array([change.draw_matrix((11, 11), rng) @ (*start, 1) for _ in range(400)])
    np.testing.assert_allclose([found.min(axis=0), found.max(axis=0)], ends, atol=0.1)


def test_rotation_is_about_the_centre_and_keeps_lengths():
    matrix = Affine(rotation=30).draw_matrix((11, 11), np.random.default_rng(3))
    np.testing.assert_allclose(matrix @ (5, 5, 1), (5, 5))
    assert np.linalg.norm(matrix @ (9, 8, 1) - (5, 5)) == pytest.approx(5)
    angle = np.rad2deg(np.arctan2(*(matrix @ (9, 5, 1) - (5, 5))[::-1]))
    assert 0 < abs(angle) <= 30


def test_values_change_as_they_should():
    image = np.zeros((3, 3, 3), np.uint8)
    image[..., 0], image[..., 1], image[1, 1, 1], image[..., 2] = 100, 100, 110, 250
    rng = np.random.default_rng(0)
    brighter = np.array([Brighten(0.1)(image, [], rng)[0][0, 0] for _ in range(200)], int)
    assert (brighter[:, 0].min(), brighter[:, 0].max(), brighter[:, 2].max()) == (90, 110, 255)
    contrast = np.array([Contrast(0.1)(image, [], rng)[0][0, 0] for _ in range(200)], int)
    assert (contrast[:, 0].min(), contrast[:, 0].max()) == (97, 103)
    sharper = np.array([Sharpen(0.1)(image, [], rng)[0][1, 1] for _ in range(200)], int)
    assert (sharper[:, 0] == 100).all() and (sharper[:, 1].min(), sharper[:, 1].max()) == (110, 118)


def test_some_of_makes_as_many_as_it_says():
    def paint(row):
        def change(image, layers, rng):
            image = image.copy()
            image[row] += 1
            return image, list(layers)

        return change

    rng = np.random.default_rng(0)
    some = SomeOf([paint(0), paint(1), paint(2)], 0, 2)
    results = np.array([some(np.zeros((3, 1, 3), np.uint8), [], rng)[0][:, 0, 0] for _ in range(300)], int)
    assert results.max() == 1
    assert (np.bincount(results.sum(axis=1)) > 70).all() and set(results.sum(axis=1)) == {0, 1, 2}
    assert (results.sum(axis=0) > 70).all()
