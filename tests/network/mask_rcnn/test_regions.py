"""Boxes and scores before suppression."""

import numpy as np
from keras import ops

from common.network.mask_rcnn.regions import classify_regions, rank_anchors

STD = (0.1, 0.1, 0.2, 0.2)


def test_the_best_anchors_are_refined_and_clipped():
    anchors = np.array([[0, 0, 10, 10], [10, 10, 20, 20], [0, 10, 10, 30]], np.float32)
    logits = np.array([[[0, 1], [0, 3], [0, 2]]], np.float32)
    deltas = np.zeros((1, 3, 4), np.float32)
    deltas[0, 1, 0] = 5  # half a height downwards
    window = np.array([[0, 0, 20, 20]], np.float32)
    ranked = rank_anchors(logits, deltas, anchors, window, limit=2, box_std=STD)
    assert ops.convert_to_numpy(ranked.indices).tolist() == [[1, 2]]
    np.testing.assert_allclose(ranked.scores, 1 / (1 + np.exp([[-3.0, -2.0]])), rtol=1e-5)
    np.testing.assert_allclose(ranked.refined, [[[15, 10, 25, 20], [0, 10, 10, 30]]])
    np.testing.assert_allclose(ranked.clipped, [[[15, 10, 20, 20], [0, 10, 10, 20]]])
    everything = rank_anchors(logits, deltas, anchors, window, limit=100, box_std=STD)
    assert everything.indices.shape == (1, 3)


def test_a_region_is_refined_by_its_most_probable_class():
    proposals = np.array([[[0, 0, 10, 10], [10, 10, 20, 20], [0, 0, 0, 0]]], np.float32)
    logits = np.log(np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1], [0.2, 0.4, 0.4]], np.float32))
    deltas = np.zeros((3, 3, 4), np.float32)
    deltas[0, 2, 1] = 2  # a fifth of a width to the right, for class 2 alone
    window = np.array([[0, 0, 20, 20]], np.float32)
    found = classify_regions(logits, deltas, proposals, window, box_std=STD)
    assert ops.convert_to_numpy(found.class_ids).tolist()[0][:2] == [2, 1]
    np.testing.assert_allclose(found.boxes[0, :2], [[0, 2, 10, 12], [10, 10, 20, 20]], rtol=1e-5)
    assert ops.convert_to_numpy(found.exists).tolist() == [[True, True, False]]
    np.testing.assert_allclose(found.columns[0], [[0, 0.5], [0.3, 0], [0, 0]], rtol=1e-5)
    sure = classify_regions(logits, deltas, proposals, window, box_std=STD, unlikely=False)
    assert ops.convert_to_numpy(sure.exists).tolist() == [[True, False, False]]  # the second is rather background
