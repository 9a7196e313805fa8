import dataclasses
from itertools import chain, combinations

import numpy as np
import pytest
from scipy import ndimage

from common.masks.boxes import label_boxes
from common.masks.instances import Instances
from common.prediction.detections import Frame
from common.prediction.views import (
    TURNED_VIEWS,
    VIEWS,
    View,
    _published_sources,
    apply_view,
    distinct_views,
    invert_boxes,
    invert_view,
    scaled_shape,
)
from common.settings.mask_rcnn import usual_scale
from tests.objects import random_objects

TURNS_AND_FLIPS = [
    View(up_down, left_right, turns) for up_down in (0, 1) for left_right in (0, 1) for turns in range(4)
]


def dense_inverse(masks, view, image_shape):
    """Undo a view on whole masks, step by step."""
    turned = image_shape[::-1] if view.turns % 2 else image_shape
    rows, columns = (
        [int((2 * i + 1) * source // (2 * target)) for i in range(target)]
        for source, target in zip(masks.shape[1:], turned, strict=True)
    )
    masks = masks[:, rows][:, :, columns]
    masks = np.rot90(masks, -view.turns, axes=(1, 2))
    if view.flip_lr:
        masks = masks[:, :, ::-1]
    return masks[:, ::-1] if view.flip_ud else masks


def random_image(rng, image_shape):
    return rng.integers(0, 256, size=(*image_shape, 3), dtype=np.uint8)


def shows(view, image, channel_shift=False):
    return apply_view(image, view, np.random.default_rng(1), channel_shift=channel_shift)


def test_the_table():
    assert [dataclasses.astuple(view) for view in VIEWS] == [
        (False, False, 0, 0, 1, 1),
        (False, False, 0, 0, 2, 2),
        (False, False, 0, 0, 0.7, 0.8),
        (False, False, 0, 15, 1.5, 1.5),
        (True, True, 1, 0, 0.9, 0.8),
        (True, False, 2, 7, 1.1, 1.2),
        (False, True, 3, 10, 0.5, 0.5),
        (False, True, 3, 10, 1, 1.2),
        (True, True, 2, 25, 1, 1),
        (True, True, 2, 25, 1, 1),
        (False, True, 3, 5, 1, 1),
        (True, False, 1, 15, 1, 1),
        (True, True, 3, 15, 1, 0.9),
        (False, True, 3, 10, 1.5, 1.5),
        (False, False, 3, 5, 1.2, 1),
    ]
    assert VIEWS[4].swap_scales() == View(True, True, 1, 0, 0.8, 0.9)


@pytest.mark.parametrize("view", TURNS_AND_FLIPS)
def test_flips_and_turns_are_undone(view):
    mask = np.zeros((5, 8), dtype=bool)
    mask[0, 5:] = mask[1, 6] = True
    image = np.repeat(mask[..., None], 3, axis=2).astype(np.uint8)
    seen = Instances.from_masks(shows(view, image)[None, :, :, 0] > 0)
    found = invert_view(seen, view, mask.shape)
    np.testing.assert_array_equal(found.to_masks(mask.shape)[0], mask)
    assert found.boxes.tolist() == [[0, 5, 2, 8]]


def test_the_order_is_flip_then_turn():
    image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1).repeat(3, axis=2)
    assert shows(View(flip_ud=True, turns=1), image)[:, :, 0].tolist() == [[5, 2], [4, 1], [3, 0]]


@pytest.mark.parametrize("image_shape", [(37, 50), (512, 530)])
@pytest.mark.parametrize("view", [*VIEWS, View(turns=3, scale_y=0.31, scale_x=2.7), View(True, scale_x=0.1)])
def test_inverse_equals_whole_masks(view, image_shape):
    rng = np.random.default_rng(12)
    shape = scaled_shape(view, image_shape)
    objects = dataclasses.replace(random_objects(rng, 9, shape), class_ids=np.arange(1, 10))
    found = invert_view(objects, view, image_shape)
    expected = dense_inverse(objects.to_masks(shape), view, image_shape)
    np.testing.assert_array_equal(found.to_masks(image_shape), expected)
    np.testing.assert_array_equal(found.boxes, Instances.from_masks(expected).boxes)
    np.testing.assert_array_equal(found.class_ids, objects.class_ids)
    np.testing.assert_array_equal(found.scores, objects.scores)


PUBLISHED_VIEWS = [View(), *(view for view in VIEWS if (view.scale_y, view.scale_x) != (1, 1))]


@pytest.mark.parametrize("image_shape", [(37, 50), (512, 530), (603, 1272), (1, 9)])
@pytest.mark.parametrize("view", [*PUBLISHED_VIEWS, View(turns=3, scale_y=0.31, scale_x=2.7), View(True, scale_x=0.1)])
def test_published_inverse_is_scipys(view, image_shape):
    rng = np.random.default_rng(15)
    shape = scaled_shape(view, image_shape)
    objects = random_objects(rng, 4, shape)
    turned = image_shape[::-1] if view.turns % 2 else image_shape
    zoom = [target / source for source, target in zip(shape, turned, strict=True)]
    masks = np.stack([ndimage.zoom(mask.astype(np.uint8), zoom, order=0) for mask in objects.to_masks(shape)])
    expected = dense_inverse(masks > 0, dataclasses.replace(view, scale_y=1, scale_x=1), image_shape)
    found = invert_view(objects, view, image_shape, published=True)
    np.testing.assert_array_equal(found.to_masks(image_shape), expected)
    np.testing.assert_array_equal(found.boxes, Instances.from_masks(expected).boxes)


def test_published_sources_are_scipys_at_every_size():
    sizes = [(source, target) for source in range(1, 60) for target in range(1, 60)]
    blank = 0
    for source, target in [*sizes, (384, 256), (1024, 512), (1388, 694), (696, 557)]:
        expected = ndimage.zoom(np.arange(1, source + 1), target / source, order=0)
        if len(expected) == target:
            sources = _published_sources(source, target)
            np.testing.assert_array_equal((sources + 1) % (source + 1), expected)
            blank += int((expected == 0).any())
    assert blank > 10  # rounding costs scipy the last pixel of some sizes


def test_inverse_of_nothing():
    assert len(invert_view(Instances.empty(), VIEWS[13], (40, 30))) == 0


# (height, width) after each view of an image of 520 x 697, worked out by hand.
SIZES = (
    *((520, 697), (1040, 1394), (364, 558), (780, 1046), (627, 416), (572, 836), (348, 260), (697, 624)),
    *((520, 697), (520, 697), (697, 520), (697, 520), (697, 468), (1046, 780), (836, 520)),
)


@pytest.mark.parametrize(("view", "size"), list(zip(VIEWS, SIZES, strict=True)))
def test_size_of_the_view(view, size):
    image = random_image(np.random.default_rng(13), (520, 697))
    assert scaled_shape(view, (520, 697)) == size
    assert shows(view, image, channel_shift=True).shape == (*size, 3)


def test_pixels_between_are_mixed():
    image = np.repeat(np.array([[[0], [100]]], np.uint8), 3, axis=2)
    assert shows(View(scale_x=2), image)[0, :, 0].tolist() == [0, 25, 75, 100]


def test_a_view_without_a_shift_draws_nothing():
    rng, untouched = (np.random.default_rng(3) for _ in range(2))
    apply_view(random_image(np.random.default_rng(2), (8, 8)), View(), rng, channel_shift=True)
    assert rng.integers(1 << 30) == untouched.integers(1 << 30)


def test_the_views_of_the_majority():
    turned = [(view.flip_lr, view.turns, view.scale_y) for view in TURNED_VIEWS]
    assert turned == [
        *[(flip, turns, 1) for flip in (False, True) for turns in range(4)],
        *[(False, 0, 1.25), (True, 1, 1.25), (False, 2, 1.5), (True, 3, 1.5), (False, 1, 0.8), (True, 0, 0.8)],
    ]
    assert all(view.scale_x == view.scale_y and not (view.flip_ud or view.shift) for view in TURNED_VIEWS)


def test_small_images_are_not_shrunk():
    assert scaled_shape(VIEWS[2], (512, 600)) == (358, 480)
    assert scaled_shape(VIEWS[2], (511, 600)) == (511, 600)
    assert scaled_shape(VIEWS[12], (511, 600)) == (600, 511)
    assert scaled_shape(VIEWS[1], (511, 600)) == (1022, 1200)


def test_channel_shift_is_off_by_default_and_keeps_the_range():
    image = random_image(np.random.default_rng(14), (20, 20)) // 2 + 50
    np.testing.assert_array_equal(shows(View(shift=25), image), image)
    shifted = shows(View(shift=25), image, channel_shift=True)
    assert (shifted != image).any()
    assert np.abs(shifted.astype(int) - image).max() <= 25
    assert (shifted.min(), shifted.max()) == (image.min(), image.max())


@pytest.mark.parametrize(("image_shape", "count"), [((1024, 1024), 12), ((256, 256), 10)])
def test_equal_views_are_found(image_shape, count):
    groups = [indices for _, indices in distinct_views(VIEWS, image_shape)]
    assert len(groups) == count
    assert sorted(chain.from_iterable(groups)) == list(range(15))
    assert [0, 8, 9] in groups or [0, 2, 8, 9] in groups
    assert len(distinct_views(VIEWS, image_shape, channel_shift=True)) == (15 if image_shape[0] > 511 else 14)


@pytest.mark.parametrize("image_shape", [(512, 540), (60, 41), (50, 50)])
def test_views_are_grouped_exactly_where_their_images_are_equal(image_shape):
    image = random_image(np.random.default_rng(15), image_shape)
    seen = {}
    for i, view in enumerate(VIEWS):
        shown = shows(view, image)
        seen.setdefault((shown.shape, shown.tobytes()), []).append(i)
    assert [indices for _, indices in distinct_views(VIEWS, image_shape)] == list(seen.values())


@pytest.mark.parametrize(
    ("image_shape", "count"), [((256, 256), 7), ((256, 320), 7), ((360, 360), 10), ((520, 696), 12)]
)
def test_an_enlargement_that_detection_goes_beyond_is_left_out(image_shape, count):
    groups = distinct_views(VIEWS, image_shape, usual_scale(image_shape, 512))
    assert len(groups) == count
    assert sorted(chain.from_iterable(indices for _, indices in groups)) == list(range(15))
    image, seen = smooth_image(image_shape), []
    for view, indices in groups:
        seen.append(as_detected(view, image, 512))
        for i in indices:  # twice enlarged is a little smoother than once
            np.testing.assert_allclose(as_detected(VIEWS[i], image, 512), seen[-1], atol=3)
    for one, other in combinations(seen, 2):
        assert one.shape != other.shape or np.abs(one.astype(int) - other).max() > 30


def smooth_image(image_shape):
    """An image that no flip or turn leaves as it is."""
    y, x = np.meshgrid(*(np.linspace(0, 1, side) for side in image_shape), indexing="ij")
    return np.stack([255 * y, 255 * x, 255 * x * y], axis=-1).astype(np.uint8)


def as_detected(view, enlarged, min_dim):
    """The view as the network gets it, without the padding."""
    image = shows(view, enlarged)
    frame = Frame.for_image(image.shape[:2], min_dim)
    top, left, bottom, right = frame.window
    return frame.place(image)[top:bottom, left:right]


@pytest.mark.parametrize("view", [*VIEWS, View(turns=1), View(True, False, 3, 0, 2, 1), View(False, True, 2)], ids=repr)
def test_boxes_come_back_from_every_view(view):
    shape, box = (600, 520), np.array([[0, 40, 200, 520]])
    image = np.zeros((*shape, 3), np.uint8)
    image[0:200, 40:520] = 255
    seen = apply_view(image, view, np.random.default_rng(0))
    _, in_view = label_boxes((seen[..., 0] > 127).astype(np.int32))
    assert np.abs(invert_boxes(in_view.astype(float), view, shape) - box).max() <= 1
    assert invert_boxes(np.zeros((0, 4)), view, shape).shape == (0, 4)
