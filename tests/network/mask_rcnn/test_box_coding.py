import keras
import numpy as np

from common.masks.boxes import box_ious
from common.network.mask_rcnn.box_coding import clip_to_window, decode_deltas, encode_deltas, pairwise_ious

STD = (0.1, 0.1, 0.2, 0.2)
ANY = np.array([[0, 0, 0, 0], [5, 5, 5, 9], [9, 9, 3, 3], [0, 0, 4, 4], [-1e4, -1e4, 1e4, 1e4]], np.float32)


def numpy_of(function, *arguments):
    return keras.ops.convert_to_numpy(function(*arguments))


def random_boxes(rng, *shape):
    corners = rng.random((*shape, 2)) * 100
    return np.concatenate([corners, corners + 1 + rng.random((*shape, 2)) * 50], axis=-1).astype(np.float32)


def test_deltas_lead_to_the_target():
    rng = np.random.default_rng(1)
    boxes, targets = random_boxes(rng, 2, 50), random_boxes(rng, 2, 50)
    deltas = numpy_of(encode_deltas, boxes, targets, STD)
    np.testing.assert_allclose(numpy_of(decode_deltas, boxes, deltas, STD), targets, rtol=1e-4, atol=1e-3)


def test_deltas_by_hand():
    deltas = numpy_of(encode_deltas, np.array([[0, 0, 10, 20]], "f"), np.array([[5, 0, 25, 10]], "f"), STD)
    np.testing.assert_allclose(deltas, [[1 / 0.1, -0.25 / 0.1, np.log(2) / 0.2, -np.log(2) / 0.2]], rtol=1e-5)


def test_no_delta_is_no_change():
    boxes = random_boxes(np.random.default_rng(2), 9)
    np.testing.assert_allclose(numpy_of(decode_deltas, boxes, np.zeros_like(boxes), STD), boxes, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(numpy_of(encode_deltas, boxes, boxes, STD), 0, atol=1e-6)


def test_degenerate_boxes_and_wild_deltas_stay_finite():
    for box in ANY:
        assert np.isfinite(numpy_of(encode_deltas, np.tile(box, (len(ANY), 1)), ANY, STD)).all()
    wild = np.full((len(ANY), 4), 1e4, np.float32)
    assert np.isfinite(numpy_of(decode_deltas, ANY, wild, STD)).all()
    assert np.isfinite(numpy_of(decode_deltas, ANY, -wild, STD)).all()


def test_boxes_are_cut_at_the_window_of_their_image():
    boxes = np.array([[[-5, -5, 50, 50], [20, 20, 30, 30]]] * 2, np.float32)
    windows = np.array([[0, 0, 40, 60], [10, 0, 20, 25]], np.float32)
    clipped = numpy_of(clip_to_window, boxes, windows)
    assert clipped.tolist() == [[[0, 0, 40, 50], [20, 20, 30, 30]], [[10, 0, 20, 25], [20, 20, 20, 25]]]


def test_overlaps_are_those_of_the_numpy_function():
    rng = np.random.default_rng(3)
    boxes, others = random_boxes(rng, 2, 30), random_boxes(rng, 2, 20)
    boxes[:, :4], others[:, 0], others[:, 1] = ANY[:4].clip(0)[[0, 1, 3, 3]], 0, boxes[:, 9]
    ious = numpy_of(pairwise_ious, boxes, others)
    for i in range(2):
        np.testing.assert_allclose(ious[i], box_ious(boxes[i], others[i]), rtol=1e-4, atol=1e-6)


def test_no_overlap_with_padding():
    padding = np.zeros((1, 3, 4), np.float32)
    boxes = random_boxes(np.random.default_rng(4), 1, 5)
    assert not numpy_of(pairwise_ious, boxes, padding).any()
    assert not numpy_of(pairwise_ious, padding, padding).any()
