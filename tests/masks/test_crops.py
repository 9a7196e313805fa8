import numpy as np
import pytest
from scipy import ndimage

from common.masks.crops import cut_instances, dilate, drop_empty, paint_masks, remove_overlaps, tight_instances
from common.masks.instances import Instances
from tests import slow_merge
from tests.objects import random_objects


def slow_paint(box, prob, image_shape, threshold):
    y1, x1, y2, x2 = box.astype(np.float64)
    mask = np.zeros(image_shape, dtype=bool)
    rows = np.arange(max(int(np.floor(y1)), 0), min(int(np.ceil(y2)), image_shape[0]))
    columns = np.arange(max(int(np.floor(x1)), 0), min(int(np.ceil(x2)), image_shape[1]))
    if len(rows) and len(columns) and y2 > y1 and x2 > x1:
        at = np.meshgrid(
            (rows + 0.5 - y1) / (y2 - y1) * prob.shape[0] - 0.5,
            (columns + 0.5 - x1) / (x2 - x1) * prob.shape[1] - 0.5,
            indexing="ij",
        )
        values = ndimage.map_coordinates(prob.astype(np.float64), at, order=1, mode="nearest")
        mask[np.ix_(rows, columns)] = values >= threshold
    return mask


def same_fields(instances, others):
    np.testing.assert_array_equal(instances.boxes, others.boxes)
    np.testing.assert_array_equal(instances.class_ids, others.class_ids)
    np.testing.assert_array_equal(instances.scores, others.scores)


def test_whole_box_at_the_threshold():
    painted = paint_masks(np.array([[1, 2, 3, 5]], np.float32), np.full((1, 28, 28), 0.5, np.float32), (6, 6))
    assert painted.boxes.tolist() == [[1, 2, 3, 5]]
    assert painted.masks[0].all()


def test_uniform_probability_stays_at_the_threshold_whatever_the_box():
    rng = np.random.default_rng(2)
    boxes = np.sort(rng.uniform(-5, 60, size=(200, 2, 2)), axis=1).reshape(-1, 4).astype(np.float32)
    painted = paint_masks(boxes, np.full((200, 28, 28), 0.5, np.float32), (50, 50))
    assert all(mask.all() for mask in painted.masks)


def test_box_beyond_the_border_is_cut_there():
    painted = paint_masks(np.array([[-3.2, -1.0, 2.4, 9.5]]), np.ones((1, 4, 4)), (4, 5))
    assert painted.boxes.tolist() == [[0, 0, 3, 5]]


def test_no_boxes():
    assert len(paint_masks(np.zeros((0, 4)), np.zeros((0, 28, 28)), (9, 9))) == 0


def test_fields_stay_aligned_when_boxes_are_degenerate():
    boxes = np.array([[2, 2, 2, 5], [4, 4, 1, 1], [20, 0, 30, 5], [np.nan, 0, 3, 3], [0, 0, np.inf, 3], [0, 0, 2, 2]])
    painted = paint_masks(boxes, np.ones((6, 3, 3)), (9, 9)).labelled(np.arange(1, 7), np.linspace(0, 1, 6))
    assert painted.areas.tolist() == [0, 0, 0, 0, 0, 4]
    assert painted.boxes[:5].tolist() == [[0, 0, 0, 0]] * 5
    assert painted.class_ids.tolist() == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose(painted.scores, np.linspace(0, 1, 6), rtol=1e-6)


@pytest.mark.parametrize("size", [(28, 28), (1, 1), (7, 3)])
def test_paint_equals_interpolation_pixel_by_pixel(size):
    rng = np.random.default_rng(3)
    boxes = rng.uniform(-10, 60, size=(60, 4)).astype(np.float32)
    probs = ndimage.uniform_filter(rng.random((60, *size)), (0, 2, 2)).astype(np.float32)
    painted = paint_masks(boxes, probs, (50, 45), threshold=0.5)
    expected = Instances.from_masks(
        np.stack([slow_paint(box, prob, (50, 45), 0.5) for box, prob in zip(boxes, probs, strict=True)])
    )
    assert painted.areas.sum() > 1000
    same_fields(painted, expected)
    np.testing.assert_array_equal(painted.to_masks((50, 45)), expected.to_masks((50, 45)))


def test_tight_instances_cuts_blank_borders():
    mask = np.zeros((5, 5), dtype=bool)
    mask[2, 1:4] = True
    tight = tight_instances(Instances.from_crops(np.array([[10, 20, 15, 25], [3, 3, 4, 4]]), [mask, np.zeros((1, 1))]))
    assert tight.boxes.tolist() == [[12, 21, 13, 24], [0, 0, 0, 0]]
    assert tight.masks[1].shape == (0, 0)


def test_drop_empty_keeps_order():
    masks = np.zeros((3, 4, 4), dtype=bool)
    masks[0, 3, 3] = masks[2, 0, 0] = True
    assert drop_empty(Instances.from_masks(masks, class_ids=[1, 2, 3])).class_ids.tolist() == [1, 3]
    assert len(drop_empty(Instances.empty())) == 0


@pytest.mark.parametrize("image_shape", [(1, 1), (1, 6), (17, 23)])
def test_dilation_equals_whole_masks(image_shape):
    objects = random_objects(np.random.default_rng(4), 40, image_shape)
    grown = dilate(objects, image_shape)
    expected = np.stack([ndimage.binary_dilation(mask) for mask in objects.to_masks(image_shape)])
    same_fields(grown, Instances.from_masks(expected, scores=objects.scores))
    np.testing.assert_array_equal(grown.to_masks(image_shape), expected)
    assert len(dilate(Instances.empty(), image_shape)) == 0


def test_the_larger_object_wins_by_default():
    masks = np.array([[[1, 1, 1, 0, 0]], [[0, 0, 1, 1, 1]], [[0, 1, 1, 1, 1]]], dtype=bool)
    parted = remove_overlaps(Instances.from_masks(masks))
    assert parted.to_masks((1, 5)).astype(int).tolist() == [[[1, 0, 0, 0, 0]], [[0, 0, 0, 0, 0]], [[0, 1, 1, 1, 1]]]


def test_of_equals_the_earlier_wins():
    masks = np.array([[[0, 1, 1]], [[1, 1, 0]]], dtype=bool)
    assert remove_overlaps(Instances.from_masks(masks)).areas.tolist() == [2, 1]


def test_loss_at_the_threshold_is_kept():
    masks = np.array([[[1, 1, 0, 0]], [[0, 1, 1, 1]]], dtype=bool)
    assert remove_overlaps(Instances.from_masks(masks), loss_threshold=0.5).areas.tolist() == [1, 3]
    assert remove_overlaps(Instances.from_masks(masks), loss_threshold=0.49).areas.tolist() == [0, 3]


def test_no_objects_have_no_overlaps():
    assert len(remove_overlaps(Instances.empty())) == 0


def test_a_box_without_area_has_no_pixels():
    for box in ([2.5, 2, 2.5, 5], [2, 3, 6, 3]):
        painted = paint_masks(np.array([box]), np.ones((1, 28, 28), np.float32), (8, 8))
        assert (painted.boxes.tolist(), painted.areas.tolist()) == ([[0, 0, 0, 0]], [0])


def test_an_empty_mask_gets_an_empty_box():
    nothing = Instances(np.array([[2, 2, 4, 4]]), [np.zeros((2, 2), bool)], np.ones(1), np.ones(1))
    assert remove_overlaps(nothing).boxes.tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("by_score", [False, True])
def test_overlaps_as_the_slow_version(published, by_score):
    rng = np.random.default_rng(9)
    for case in range(60):
        image_shape = tuple(rng.integers(1, 20, size=2))
        objects = random_objects(rng, rng.integers(0, 12), image_shape)
        options = {
            "priorities": objects.scores if by_score else None,
            "loss_threshold": [0.7, 0.4][case % 2],
            "published": published,
        }
        parted = remove_overlaps(objects, **options)
        expected = slow_merge.without_overlaps(slow_merge.pixels_of(objects, image_shape), **options)
        assert slow_merge.pixels_of(parted, image_shape) == expected


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("by_score", [False, True])
def test_overlaps_as_the_oracle(oracle, published, by_score):
    rng = np.random.default_rng(8)
    for _ in range(100):
        image_shape = tuple(rng.integers(1, 25, size=2))
        objects = random_objects(rng, rng.integers(0, 12), image_shape)
        stack = objects.to_masks(image_shape).transpose(1, 2, 0)
        scores = objects.scores if by_score else None
        expected = oracle.without_overlaps(stack, 0.7, scores, published).transpose(2, 0, 1).astype(bool)
        parted = remove_overlaps(objects, priorities=scores, published=published)
        np.testing.assert_array_equal(parted.to_masks(image_shape), expected)
        same_fields(parted, Instances.from_masks(expected, scores=objects.scores))


def test_a_part_of_an_image_holds_the_parts_of_its_objects():
    boxes = np.array([[0, 0, 4, 4], [2, 2, 6, 6], [6, 6, 8, 8], [3, 0, 4, 3]])
    masks = [np.ones((4, 4)), np.eye(4), np.ones((2, 2)), np.ones((1, 3))]
    objects = Instances.from_crops(boxes, masks, [1, 2, 3, 4], [0.9, 0.8, 0.7, 0.6])
    cut = cut_instances(objects, (3, 3, 7, 6))
    assert cut.boxes.tolist() == [[0, 0, 1, 1], [0, 0, 3, 3]] and cut.class_ids.tolist() == [1, 2]
    np.testing.assert_array_equal(cut.masks[1], np.eye(3))
    assert len(cut_instances(Instances.empty(), (0, 0, 4, 4))) == 0
