import numpy as np

from common.masks.boxes import (
    box_areas,
    box_intersections,
    box_ious,
    boxes_from_xywh,
    clip_boxes,
    label_boxes,
    touching_pairs,
)

NONE = np.zeros((0, 4), np.int32)


def pixel_set(box):
    y1, x1, y2, x2 = box
    return {(y, x) for y in range(y1, y2) for x in range(x1, x2)}


def random_boxes(rng, count):
    """Boxes of which some are empty and some are inverted."""
    corners = rng.integers(0, 12, (count, 2))
    return np.concatenate([corners, corners + rng.integers(-2, 8, (count, 2))], axis=1).astype(np.int32)


def test_areas_and_intersections_count_pixels():
    boxes, others = random_boxes(np.random.default_rng(1), 40), random_boxes(np.random.default_rng(2), 30)
    assert box_areas(boxes).tolist() == [len(pixel_set(box)) for box in boxes.tolist()]
    for box, row in zip(boxes.tolist(), box_intersections(boxes, others).tolist(), strict=True):
        assert row == [len(pixel_set(box) & pixel_set(other)) for other in others.tolist()]


def test_ious_count_pixels():
    boxes, others = random_boxes(np.random.default_rng(3), 40), random_boxes(np.random.default_rng(4), 30)
    for box, row in zip(boxes.tolist(), box_ious(boxes, others), strict=True):
        unions = [len(pixel_set(box) | pixel_set(other)) for other in others.tolist()]
        shared = [len(pixel_set(box) & pixel_set(other)) for other in others.tolist()]
        np.testing.assert_allclose(row, [s / u if u else 0 for s, u in zip(shared, unions, strict=True)])


def test_touching_pairs_share_pixels():
    rng = np.random.default_rng(5)
    for count in (0, 1, 2, 40):
        lows = rng.integers(0, 20, (count, 2))
        boxes = np.concatenate([lows, lows + rng.integers(1, 6, (count, 2))], axis=1)
        boxes[rng.random(count) < 0.2] = 0
        expected = np.argwhere(np.triu(box_intersections(boxes, boxes) > 0, k=1))
        found = np.stack(touching_pairs(boxes), axis=1)
        assert sorted(found.tolist()) == expected.tolist()


def test_no_boxes():
    some = np.array([[0, 0, 2, 2]], np.int32)
    assert box_areas(NONE).shape == (0,)
    assert box_ious(NONE, some).shape == (0, 1)
    assert box_ious(some, NONE).shape == (1, 0)
    assert clip_boxes(NONE, (4, 4)).shape == boxes_from_xywh(NONE).shape == (0, 4)


def test_boxes_end_at_the_border():
    boxes = np.array([[-2, -1, 3, 9], [1, 1, 4, 6], [9, 9, 12, 12]])
    assert clip_boxes(boxes, (4, 6)).tolist() == [[0, 0, 3, 6], [1, 1, 4, 6], [4, 6, 4, 6]]
    assert clip_boxes(boxes.astype(np.float32), (4, 6)).dtype == np.float32


def test_other_formats():
    assert boxes_from_xywh(np.array([[0, 0, 0, 0], [3, 1, 4, 2]])).tolist() == [[0, 0, 0, 0], [1, 3, 3, 7]]


def test_boxes_of_labels():
    label_image = np.array([[0, 4, 4], [0, 0, 4], [2, 0, 0]], np.int32)
    labels, boxes = label_boxes(label_image)
    assert (labels.tolist(), boxes.tolist()) == ([2, 4], [[2, 0, 3, 1], [0, 1, 2, 3]])
    labels, boxes = label_boxes(np.zeros((3, 3), np.int32))
    assert (labels.shape, boxes.shape) == ((0,), (0, 4))
