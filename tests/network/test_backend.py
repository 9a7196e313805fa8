"""Each operation in three ways: the backend's, the portable one, and a slow reference."""

import keras
import numpy as np
import pytest

from common.masks.boxes import box_ious
from common.network.backend import (
    batch_normalise,
    crop_and_resize,
    non_max_suppression,
    portable_batch_normalise,
    portable_crop_and_resize,
    portable_non_max_suppression,
)

SUPPRESSIONS = (non_max_suppression, portable_non_max_suppression)
CROPS = (crop_and_resize, portable_crop_and_resize)


def slow_suppression(boxes, scores, max_output, iou_threshold, score_threshold):
    """Of one image: boxes (N, 4) and scores (N, K) to the kept (box, score, column)."""
    ious = box_ious(boxes, boxes)
    kept = []
    for place in np.argsort(-scores, axis=None, kind="stable"):
        i, column = divmod(int(place), scores.shape[1])
        rivals = [j for j, _, other in kept if other == column]
        if scores[i, column] > score_threshold and all(ious[i, j] <= iou_threshold for j in rivals):
            kept.append((i, scores[i, column], column))
    return kept[:max_output]


def slow_crops(features, boxes, box_indices, size):
    height, width = features.shape[1:3]
    result = np.zeros((len(boxes), size, size, features.shape[3]))
    for crop, box, index in zip(result, boxes, box_indices, strict=True):
        for i, y in enumerate(np.linspace(box[0], box[2], size)):
            for j, x in enumerate(np.linspace(box[1], box[3], size)):
                top, left = min(int(y), height - 2), min(int(x), width - 2)
                corners = features[index, top : top + 2, left : left + 2].astype(np.float64)
                rows = corners[0] * (top + 1 - y) + corners[1] * (y - top)
                crop[i, j] = rows[0] * (left + 1 - x) + rows[1] * (x - left)
    return result


def crowded_boxes(rng, *shape):
    """Boxes that overlap a lot."""
    corners = rng.random((*shape, 2)) * 30
    return np.concatenate([corners, corners + 5 + rng.random((*shape, 2)) * 20], axis=-1).astype(np.float32)


def suppress(function, boxes, scores, **options):
    results = function(boxes, scores, **options)
    return [keras.ops.convert_to_numpy(result) for result in results]


@pytest.mark.parametrize("function", SUPPRESSIONS)
@pytest.mark.parametrize(
    ("num_columns", "max_output", "iou_threshold", "score_threshold"),
    [(1, 40, 0.7, 0.0), (1, 5, 0.3, 0.0), (3, 40, 0.3, 0.5), (3, 9, 0.0, 0.1), (2, 30, 1.0, 0.2), (1, 4, 0.5, 0.999)],
)
def test_suppression(function, num_columns, max_output, iou_threshold, score_threshold):
    rng = np.random.default_rng(6)
    boxes = crowded_boxes(rng, 2, 30)
    scores = rng.permutation(np.linspace(0.01, 0.99, 60)).reshape(2, 30, 1).astype(np.float32)
    scores = scores * (rng.integers(num_columns, size=(2, 30, 1)) == np.arange(num_columns))
    options = {"max_output": max_output, "iou_threshold": iou_threshold, "score_threshold": score_threshold}
    kept_boxes, kept_scores, columns, counts = suppress(function, boxes, scores, **options)
    assert kept_boxes.shape == (2, max_output, 4)
    assert kept_scores.shape == columns.shape == (2, max_output)
    assert (columns.dtype, counts.dtype) == (np.int32, np.int32)
    for i in range(2):
        expected = slow_suppression(boxes[i], scores[i], **options)
        assert counts[i] == len(expected)
        found = zip(kept_boxes[i, : counts[i]], kept_scores[i], columns[i], strict=False)
        for (box, score, column), (index, expected_score, expected_column) in zip(found, expected, strict=True):
            assert (box.tolist(), score, column) == (boxes[i, index].tolist(), expected_score, expected_column)
        rest = kept_boxes[i, counts[i] :], kept_scores[i, counts[i] :], columns[i, counts[i] :]
        assert not any(part.any() for part in rest)


@pytest.mark.parametrize("function", SUPPRESSIONS)
@pytest.mark.parametrize("max_output", [100, 700])
def test_suppression_of_many_boxes_in_a_row(function, max_output):
    """Each box overlaps its two neighbours, whose fates hang on theirs."""
    rng = np.random.default_rng(5)
    tops = np.arange(600, dtype=np.float32)
    rows = np.stack([tops, 0 * tops, tops + 2, 0 * tops + 1], axis=1)
    boxes = np.stack([rows, rng.permutation(rows)])
    scores = np.stack([np.linspace(0.9, 0.1, 600), rng.permutation(np.linspace(0.1, 0.9, 600))])
    scores = scores[..., None].astype(np.float32)
    options = {"max_output": max_output, "iou_threshold": 0.2, "score_threshold": 0.15}
    kept_boxes, _, _, counts = suppress(function, boxes, scores, **options)
    for i in range(2):
        expected = [boxes[i, j].tolist() for j, *_ in slow_suppression(boxes[i], scores[i], **options)]
        assert kept_boxes[i, : counts[i]].tolist() == expected
        assert not kept_boxes[i, counts[i] :].any()


@pytest.mark.parametrize("function", SUPPRESSIONS)
def test_suppression_of_padding_and_of_empty_boxes(function):
    boxes = np.zeros((1, 4, 4), np.float32)
    boxes[0, 1:3] = [[3, 3, 3, 9], [0, 0, 4, 4]]
    scores = np.array([[[0.9], [0.8], [0.7], [0]]], np.float32)
    _, kept_scores, _, counts = suppress(function, boxes, scores, max_output=6, iou_threshold=0.5, score_threshold=0.0)
    assert counts.tolist() == [3]  # empty boxes overlap nothing; a score of 0 is none
    np.testing.assert_allclose(kept_scores, [[0.9, 0.8, 0.7, 0, 0, 0]])


@pytest.mark.parametrize("function", SUPPRESSIONS)
def test_suppression_where_nothing_scores(function):
    boxes = crowded_boxes(np.random.default_rng(1), 2, 5)
    scores = np.zeros((2, 5, 2), np.float32)
    options = {"max_output": 3, "iou_threshold": 0.5, "score_threshold": 0.0}
    kept_boxes, kept_scores, columns, counts = suppress(function, boxes, scores, **options)
    assert counts.tolist() == [0, 0]
    assert not kept_boxes.any() and not kept_scores.any() and not columns.any()


@pytest.mark.parametrize("function", CROPS)
@pytest.mark.parametrize("size", [2, 7])
def test_crops(function, size):
    rng = np.random.default_rng(8)
    features = rng.random((3, 6, 9, 5)).astype(np.float32)
    boxes = (rng.random((20, 4)) * [5, 8, 5, 8]).astype(np.float32)
    boxes[:3] = [[0, 0, 5, 8], [5, 8, 5, 8], [0, 8, 5, 8]]  # up to the last cells; of no size
    indices = rng.integers(0, 3, 20).astype(np.int32)
    crops = keras.ops.convert_to_numpy(function(features, boxes, indices, size))
    assert crops.dtype == np.float32
    np.testing.assert_allclose(crops, slow_crops(features, boxes, indices, size), atol=1e-5)


@pytest.mark.parametrize("function", CROPS)
def test_crops_of_half_precision_are_float32(function):
    features = keras.ops.cast(np.arange(12).reshape(1, 3, 4, 1), "bfloat16")
    crops = function(features, np.array([[0, 0, 2, 3]], np.float32), np.zeros(1, np.int32), 2)
    assert keras.ops.convert_to_numpy(crops).reshape(-1).tolist() == [0, 3, 8, 11]


@pytest.mark.parametrize("function", CROPS)
def test_no_crops(function):
    crops = function(np.zeros((1, 3, 4, 2), "f"), np.zeros((0, 4), "f"), np.zeros(0, np.int32), 3)
    assert crops.shape == (0, 3, 3, 2)


def slow_batch_normalise(features, gamma, beta, upstream):
    """Return what is normalised, its mean and variance, and the gradients of a weighing by features, gamma, beta."""
    axes = (0, 1, 2)
    mean, variance = features.mean(axes), features.var(axes)
    plain = (features - mean) / np.sqrt(variance + 1e-3)
    slope = upstream * gamma
    centred = slope - slope.mean(axes) - plain * (slope * plain).mean(axes)
    by_parts = centred / np.sqrt(variance + 1e-3), (upstream * plain).sum(axes), upstream.sum(axes)
    return plain * gamma + beta, mean, variance, *by_parts


def with_gradients(function, features, gamma, beta, upstream):
    """Return the three results and the three gradients, as float32 arrays."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        parts = [tf.constant(part) for part in (features, gamma, beta)]
        with tf.GradientTape() as tape:
            tape.watch(parts)
            results = function(*parts, 1e-3)
            total = tf.reduce_sum(results[0] * upstream)
        return [np.asarray(part) for part in (*results, *tape.gradient(total, parts))]
    import jax

    def total(*parts):
        return (function(*parts, 1e-3)[0] * upstream).sum()

    results = function(features, gamma, beta, 1e-3)
    return [np.asarray(part) for part in (*results, *jax.grad(total, (0, 1, 2))(features, gamma, beta))]


@pytest.mark.parametrize("function", [batch_normalise, portable_batch_normalise])
def test_batch_normalisation_and_its_gradients(function):
    rng = np.random.default_rng(3)
    features, upstream = (rng.normal(2.0, 3.0, (2, 5, 4, 16)).astype(np.float32) for _ in range(2))
    gamma, beta = (rng.random(16).astype(np.float32) + 0.5 for _ in range(2))
    found = with_gradients(function, features, gamma, beta, upstream)
    for mine, expected in zip(found, slow_batch_normalise(features, gamma, beta, upstream), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-3, atol=1e-3)
