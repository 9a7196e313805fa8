import numpy as np
import pytest

from common.masks.instances import Instances
from common.prediction.votes import merge_views
from tests import slow_merge
from tests.objects import random_objects


def square(y, x, side=4, score=1.0):
    return Instances.from_crops(np.array([[y, x, y + side, x + side]]), [np.ones((side, side))], scores=[score])


def jitter(rng, instances, image_shape):
    """Another view's idea of the same objects: some missed, some doubled, each moved by up to a pixel."""
    kept = instances.select(rng.choice(len(instances), size=rng.integers(0, len(instances) + 1)))
    moved = [np.roll(mask, rng.integers(-1, 2, size=2), axis=(0, 1)) for mask in kept.to_masks(image_shape)]
    return Instances.from_masks(np.array(moved).reshape(-1, *image_shape), scores=kept.scores)


def test_nothing_predicted():
    assert len(merge_views([])) == 0
    assert len(merge_views([Instances.empty()] * 15)) == 0


def test_a_pixel_needs_more_than_four_votes():
    near, shifted = square(0, 0, side=6), square(0, 1, side=6)
    merged = merge_views([near] * 4 + [shifted] * 4)
    assert merged.to_masks((6, 8)).astype(int)[0, 0].tolist() == [0, 1, 1, 1, 1, 1, 0, 0]
    assert len(merge_views([near] * 4 + [Instances.empty()] * 11)) == 0


def test_masks_below_the_iou_become_objects_of_their_own():
    merged = merge_views([square(0, 0)] * 5 + [square(0, 4)] * 5)
    assert merged.boxes.tolist() == [[0, 0, 4, 4], [0, 4, 4, 8]]
    assert merged.class_ids.tolist() == [1, 1]


def test_more_predictions_than_a_byte_counts():
    merged = merge_views([square(0, 0)] * 300 + [square(0, 1)] * 200, more_than=299)
    assert merged.boxes.tolist() == [[0, 0, 4, 4]]
    assert merge_views([square(0, 0)] * 300 + [square(0, 1)] * 200, more_than=499).boxes.tolist() == [[0, 1, 4, 4]]


def test_score_counts_views_without_the_object_as_zero():
    merged = merge_views([square(0, 0, score=0.8)] * 5 + [Instances.empty()] * 5)
    np.testing.assert_allclose(merged.scores, [0.4])


def test_predictions_are_left_as_they_are():
    prediction = square(1, 1)
    merge_views([prediction] * 15)
    assert prediction.masks[0].dtype == bool
    assert prediction.masks[0].all()


def wide_bars(rng, image_shape):
    """Bars that reach so far in both directions that what was once narrow becomes wide by votes."""
    masks = np.zeros((6, *image_shape), dtype=bool)
    for mask in masks:
        y, x = rng.integers(0, image_shape[0]), rng.integers(0, image_shape[1] // 2)
        mask[y : y + rng.integers(1, 9), x : x + rng.integers(1, image_shape[1])] = True
    return Instances.from_masks(masks)


@pytest.mark.parametrize("published", [False, True])
def test_objects_that_grow_as_the_oracle(oracle, published):
    rng = np.random.default_rng(12)
    for _ in range(20):
        image_shape = (12, 450)
        predictions = [wide_bars(rng, image_shape) for _ in range(5)]
        settings = {"iou_threshold": 0.05, "more_than": 1, "published": published}
        expected = oracle.merge_tta([view.to_masks(image_shape).transpose(1, 2, 0) for view in predictions], **settings)
        merged = merge_views(predictions, **settings)
        np.testing.assert_array_equal(merged.to_masks(image_shape), expected.transpose(2, 0, 1).astype(bool))


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("count", [1, 3, 12])
def test_as_the_oracle(oracle, published, count):
    rng = np.random.default_rng(11)
    merged_objects = 0
    for case in range(100):
        image_shape = tuple(rng.integers(1, 22, size=2))
        objects = random_objects(rng, count, image_shape)
        predictions = [jitter(rng, objects, image_shape) for _ in range(rng.integers(1, 16))]
        settings = {"iou_threshold": [0.6, 0.3, 0.0][case % 3], "more_than": [4, 1, 0][case // 3 % 3]}
        stacks = [prediction.to_masks(image_shape).transpose(1, 2, 0) for prediction in predictions]
        expected = oracle.merge_tta(stacks, **settings, published=published)
        merged = merge_views(predictions, **settings, published=published)
        expected = np.zeros((*image_shape, 0)) if expected is None else expected
        np.testing.assert_array_equal(merged.to_masks(image_shape), expected.transpose(2, 0, 1).astype(bool))
        merged_objects += len(merged)
    assert merged_objects > 20


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("count", [1, 3, 9])
def test_as_the_slow_version(published, count):
    rng = np.random.default_rng(13)
    merged_objects = 0
    for case in range(90):
        image_shape = tuple(rng.integers(1, 18, size=2))
        objects = random_objects(rng, count, image_shape)
        predictions = [jitter(rng, objects, image_shape) for _ in range(rng.integers(1, 12))]
        settings = {
            "iou_threshold": [0.6, 0.3, 0.0][case % 3],
            "more_than": [4, 1, 0][case // 3 % 3],
            "loss_threshold": [0.7, 0.3][case // 9 % 2],
            "published": published,
        }
        pixels = [slow_merge.pixels_of(prediction, image_shape) for prediction in predictions]
        merged = merge_views(predictions, **settings)
        assert slow_merge.pixels_of(merged, image_shape) == slow_merge.merge(pixels, **settings)
        merged_objects += len(merged)
    assert merged_objects > 20


@pytest.mark.parametrize("published", [False, True])
def test_objects_that_grow_as_the_slow_version(published):
    rng = np.random.default_rng(14)
    for _ in range(10):
        image_shape = (12, 300)
        predictions = [wide_bars(rng, image_shape) for _ in range(5)]
        settings = {"iou_threshold": 0.05, "more_than": 1, "published": published}
        pixels = [slow_merge.pixels_of(prediction, image_shape) for prediction in predictions]
        merged = merge_views(predictions, **settings)
        assert slow_merge.pixels_of(merged, image_shape) == slow_merge.merge(pixels, **settings)


def test_the_loss_that_drops_an_object_is_an_argument():
    views = [Instances.from_masks(np.array([[[1] * 10 + [0] * 10], [[0] * 4 + [1] * 16]]))] * 5
    assert len(merge_views(views)) == 2
    assert merge_views(views, loss_threshold=0.3).boxes.tolist() == [[0, 4, 1, 20]]
