"""Boxes come back from every view; those of several views become one."""

import sys

import numpy as np
import pytest

from common.errors import InputError
from common.prediction.box_fusion import fuse_boxes, import_fusion, shrink_boxes

SHAPE = (600, 520)
ONE = np.array([1])


@pytest.fixture
def ensemble_boxes():
    """Skip where the package is missing."""
    try:
        import_fusion()
    except InputError as error:
        pytest.skip(str(error))


def test_equal_boxes_become_their_weighted_mean(ensemble_boxes):
    first, second = np.array([[10.0, 20, 110, 220]]), np.array([[20.0, 20, 110, 240]])
    boxes, scores, class_ids = fuse_boxes(
        [first, second], [np.array([0.9]), np.array([0.3])], [ONE, ONE], SHAPE, iou_threshold=0.5
    )
    np.testing.assert_allclose(boxes, (0.75 * first + 0.25 * second), rtol=1e-5)
    np.testing.assert_allclose(scores, [0.6], rtol=1e-6)
    assert class_ids.tolist() == [1] and boxes.dtype == scores.dtype == np.float32


def test_what_one_view_alone_has_loses(ensemble_boxes):
    far = np.array([[400.0, 300, 500, 400]])
    found = [np.array([[10.0, 20, 110, 220]]), np.concatenate([far, [[12.0, 20, 110, 220]]]), np.zeros((0, 4))]
    scores = [np.array([0.9]), np.array([0.8, 0.6]), np.zeros(0)]
    ids = [ONE, np.array([1, 1]), np.zeros(0, int)]
    boxes, fused, _ = fuse_boxes(found, scores, ids, SHAPE, iou_threshold=0.5)
    np.testing.assert_allclose(fused, [0.5, 0.8 / 3], rtol=1e-5)
    np.testing.assert_allclose(boxes[1], far[0], rtol=1e-5)


def test_classes_are_kept_apart(ensemble_boxes):
    box = np.array([[10.0, 20, 110, 220]])
    boxes, _, class_ids = fuse_boxes([box, box], [ONE, ONE * 0.5], [ONE, ONE + 1], SHAPE, iou_threshold=0.5)
    assert len(boxes) == 2 and sorted(class_ids.tolist()) == [1, 2]


@pytest.mark.filterwarnings("error")
def test_boxes_at_and_beyond_the_border(ensemble_boxes):
    outside = np.array([[-20.0, -10, 600, 530], [610, 0, 640, 50], [5, 5, 5, 50]])
    boxes, scores, _ = fuse_boxes([outside], [np.full(3, 0.5)], [np.ones(3, int)], SHAPE, iou_threshold=0.5)
    np.testing.assert_allclose(boxes, [[0, 0, 600, 520]])
    assert scores.tolist() == [0.5]


def test_nothing_found(ensemble_boxes):
    nothing = [np.zeros((0, 4))] * 2, [np.zeros(0)] * 2, [np.zeros(0, int)] * 2
    boxes, scores, class_ids = fuse_boxes(*nothing, SHAPE, iou_threshold=0.5)
    assert (boxes.shape, scores.shape, class_ids.shape) == ((0, 4), (0,), (0,))


def test_shrunken_boxes_keep_their_centres():
    boxes = np.array([[0.0, 10, 100, 90], [-8, 0, 8, 8]])
    shrunken = shrink_boxes(boxes, 0.875)
    np.testing.assert_allclose(shrunken, [[6.25, 15, 93.75, 85], [-7, 0.5, 7, 7.5]])
    np.testing.assert_array_equal(shrink_boxes(boxes, 1), boxes)
    assert shrink_boxes(np.zeros((0, 4)), 0.875).shape == (0, 4)


def test_a_missing_package_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "ensemble_boxes", None)
    with pytest.raises(InputError, match=r"ensemble-boxes, which cannot be imported .*: pip install ensemble-boxes"):
        import_fusion()
