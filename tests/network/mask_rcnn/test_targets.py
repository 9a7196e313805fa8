"""Each kind of target against a slow reference that goes through the boxes one by one."""

from functools import partial

import keras
import numpy as np
import pytest

from common.masks.boxes import box_ious
from common.network.backend import fuse
from common.network.mask_rcnn.anchors import pyramid_anchors
from common.network.mask_rcnn.box_coding import encode_deltas
from common.network.mask_rcnn.targets import (
    RoiSampling,
    anchor_targets,
    covered_share,
    leave_out_ignored,
    mask_targets,
    roi_targets,
)

STD = (0.1, 0.1, 0.2, 0.2)
ANCHORS = keras.ops.convert_to_numpy(pyramid_anchors((64, 64), (8, 16, 32, 64, 128), (0.5, 1, 2)))


def as_arrays(targets):
    return type(targets)(*(keras.ops.convert_to_numpy(part) for part in targets))


def deltas_between(boxes, targets):
    return keras.ops.convert_to_numpy(encode_deltas(boxes, targets, STD))


def best_by_noise(candidates, noise, count):
    """Return the candidates that the noise chooses, best first."""
    return sorted(candidates, key=lambda i: -noise[i])[: max(count, 0)]


def true_boxes_of(*images, count=6):
    boxes = np.zeros((len(images), count, 4), np.float32)
    for row, image in zip(boxes, images, strict=True):
        row[: len(image)] = np.array(image, np.float32).reshape(-1, 4)
    return boxes


OBJECTS = true_boxes_of(
    [[0, 0, 20, 18], [5, 30, 14, 39], [40, 40, 64, 64], [41, 40, 64, 63]],
    [],
    [[10, 10, 10, 30], [3, 3, 3, 3], [55, 0, 64, 3]],  # one of no area, one thin at the border
    [[0, 0, 64, 64]] * 6,
)
NOISE = np.random.default_rng(9).random((4, len(ANCHORS))).astype(np.float32)
NONE_IGNORED = np.zeros(NOISE.shape, bool)


def slow_anchor_candidates(true_boxes):
    """Return positive and negative anchors of one image."""
    objects = true_boxes[true_boxes.any(axis=1)]
    ious = box_ious(ANCHORS, objects).astype(np.float32)
    best = ious.max(axis=1, initial=0)
    positive = set(np.flatnonzero(best >= 0.7).tolist())
    for of_object in ious.T:
        if of_object.max() > 0:
            positive |= set(np.flatnonzero(np.isclose(of_object, of_object.max(), rtol=1e-6)).tolist())
    return positive, set(np.flatnonzero(best < 0.3).tolist()) - positive


@pytest.mark.parametrize("num_sampled", [8, 64, 256])
@pytest.mark.parametrize("run", [lambda function: function, fuse])
def test_anchor_targets(num_sampled, run):
    choose = run(partial(anchor_targets, num_sampled=num_sampled, box_std=STD))
    targets = as_arrays(choose(ANCHORS, OBJECTS, NOISE, NONE_IGNORED))
    half = num_sampled // 2
    for i, true_boxes in enumerate(OBJECTS):
        positive, negative = slow_anchor_candidates(true_boxes)
        chosen = best_by_noise(positive, NOISE[i], half)
        rejected = best_by_noise(negative, NOISE[i], num_sampled - len(chosen))
        in_use = targets.weights[i] > 0
        assert targets.indices[i, :half][in_use[:half]].tolist() == chosen
        assert targets.indices[i, half:][in_use[half:]].tolist() == rejected
        assert set(targets.labels[i, :half]) == {1} and set(targets.labels[i, half:]) == {0}
        for index, deltas in zip(chosen, targets.deltas[i], strict=False):
            own = np.argmax(box_ious(ANCHORS[index : index + 1], true_boxes)[0])
            np.testing.assert_allclose(deltas, deltas_between(ANCHORS[index], true_boxes[own]), rtol=1e-4, atol=1e-5)
    assert np.isfinite(targets.deltas).all()


def test_an_image_without_objects_has_negative_anchors_only():
    choose = partial(anchor_targets, num_sampled=64, box_std=STD)
    targets = as_arrays(choose(ANCHORS, OBJECTS[1:2], NOISE[1:2], NONE_IGNORED[:1]))
    assert targets.weights[0, :32].sum() == 0
    assert targets.weights[0, 32:].sum() == 64


def test_every_object_has_an_anchor():
    """Even one that no anchor overlaps well."""
    boxes = true_boxes_of([[60, 0, 64, 1]])
    targets = as_arrays(anchor_targets(ANCHORS, boxes, NOISE[:1], NONE_IGNORED[:1], num_sampled=64, box_std=STD))
    assert targets.weights[0, :32].sum() >= 1
    assert box_ious(ANCHORS[targets.indices[0, :1]], boxes[0, :1]).max() < 0.3


def test_ignored_anchors_are_not_negative_but_may_be_positive():
    boxes = true_boxes_of([[0, 0, 20, 18]])
    positive, negative = slow_anchor_candidates(boxes[0])
    ignored = np.zeros((1, len(ANCHORS)), bool)
    ignored[0, [*positive, *sorted(negative)[::2]]] = True
    targets = as_arrays(anchor_targets(ANCHORS, boxes, NOISE[:1], ignored, num_sampled=256, box_std=STD))
    in_use = targets.weights[0] > 0
    assert set(targets.indices[0, :128][in_use[:128]].tolist()) == positive
    assert set(targets.indices[0, 128:][in_use[128:]].tolist()) <= set(sorted(negative)[1::2])
    assert in_use[:128].sum() == len(positive) and in_use[128:].sum() > 100


def test_the_share_of_a_box_on_ignored_pixels():
    ignored = np.zeros((2, 10, 20), np.uint8)
    ignored[0, 2:6, 4:14] = 1
    boxes = [[0, 0, 10, 20], [2, 4, 6, 14], [3, 5, 5, 7], [0, 4, 4, 6], [6, 0, 10, 20], [-4, 4, 6, 14], [2, 13, 6, 23]]
    shares = covered_share(np.array([boxes, boxes], np.float32), ignored)
    expected = [40 / 200, 1, 1, 0.5, 0, 0.4, 0.1]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(shares), [expected, [0] * 7], rtol=1e-6)
    touching = covered_share(np.array([[[1.5, 4.0, 3.5, 6.0], [0, 0, 0, 0]]], np.float32), ignored[:1])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(touching), [[1.0, 0]])  # rows 1 to 4, of which two count


def test_regions_of_ignored_objects_become_padding():
    regions = np.array([[[0, 0, 10, 10], [20, 20, 30, 30], [40, 40, 50, 50], [0, 0, 0, 0]]], np.float32)
    ignored = np.zeros((1, 64, 64), np.uint8)
    ignored[0, :10, :10] = ignored[0, 20:25, 20:30] = ignored[0, 40:44, 40:50] = 1
    left = keras.ops.convert_to_numpy(leave_out_ignored(regions, true_boxes_of([[0, 0, 10, 11]]), ignored))[0]
    assert left.any(axis=1).tolist() == [True, False, True, False]  # an object, half and 0.4 of it ignored, padding
    np.testing.assert_array_equal(left[[0, 2]], regions[0, [0, 2]])


def random_proposals(rng, count):
    """Proposals near the objects and anywhere, some exact, rows of zeros at the end."""
    near = OBJECTS[:, rng.integers(0, 6, count)] + rng.normal(scale=2, size=(4, count, 4))
    corners = rng.random((4, count, 2)) * 40
    anywhere = np.concatenate([corners, corners + rng.random((4, count, 2)) * 24], axis=2)
    padding = np.zeros((4, 5, 4))
    return np.concatenate([near.clip(0, 64), anywhere, OBJECTS, padding], axis=1).astype(np.float32)


@pytest.mark.parametrize("fill", [True, False])
@pytest.mark.parametrize(("num_sampled", "positive_ratio"), [(12, 0.33), (40, 0.33), (16, 0.5), (20, 1.0)])
def test_roi_targets(fill, num_sampled, positive_ratio):
    rng = np.random.default_rng(11)
    proposals = random_proposals(rng, 20)
    noise = rng.random(proposals.shape[:2]).astype(np.float32)
    class_ids = np.where(OBJECTS.any(axis=2), rng.integers(1, 5, (4, 6)), 0).astype(np.int32)
    sampling = RoiSampling(num_sampled, positive_ratio, fill)
    targets = as_arrays(roi_targets(proposals, OBJECTS, class_ids, noise, sampling, STD))
    most = int(num_sampled * positive_ratio)
    assert targets.rois.shape == (4, num_sampled, 4)
    for i, (boxes, true_boxes) in enumerate(zip(proposals, OBJECTS, strict=True)):
        ious = box_ious(boxes, true_boxes)
        exists = boxes.any(axis=1)
        positive = np.flatnonzero(exists & (ious.max(axis=1) >= 0.5)).tolist()
        negative = np.flatnonzero(exists & (ious.max(axis=1) < 0.5)).tolist()
        chosen = best_by_noise(positive, noise[i], most)
        wanted = num_sampled - most if fill else int(len(chosen) / positive_ratio) - len(chosen)
        rejected = best_by_noise(negative, noise[i], min(wanted, num_sampled - most))
        in_use = targets.weights[i] > 0
        np.testing.assert_array_equal(targets.rois[i, :most][in_use[:most]], boxes[chosen])
        np.testing.assert_array_equal(targets.rois[i, most:][in_use[most:]], boxes[rejected])
        assert not targets.class_ids[i, ~in_use].any() and not targets.class_ids[i, most:].any()
        for row, index in enumerate(chosen):
            own = np.argmax(ious[index])
            assert (targets.instances[i, row], targets.class_ids[i, row]) == (own, class_ids[i, own])
            np.testing.assert_allclose(
                targets.deltas[i, row], deltas_between(boxes[index], true_boxes[own]), rtol=1e-4, atol=1e-5
            )
    assert np.isfinite(targets.deltas).all()


@pytest.mark.parametrize(("num_sampled", "positive_ratio"), [(200, 0.33), (600, 0.33), (512, 0.25), (96, 0.33)])
def test_without_filling_negatives_keep_the_ratio_exactly(num_sampled, positive_ratio):
    """The library's figure int(positives / ratio) - positives, for any number of positives."""
    most = int(num_sampled * positive_ratio)
    true_boxes = true_boxes_of([[0, 0, 10, 10]])
    sampling = RoiSampling(num_sampled, positive_ratio, False)
    for count in {0, 1, 2, 33, 50, most - 1, most}:
        proposals = np.tile(np.array([30, 30, 40, 40], np.float32), (1, count + num_sampled, 1))
        proposals[0, :count] = [0, 0, 10, 10]
        noise = np.random.default_rng(count).random(proposals.shape[:2]).astype(np.float32)
        weights = as_arrays(roi_targets(proposals, true_boxes, np.ones((1, 6), np.int32), noise, sampling, STD)).weights
        found = min(count, most)
        assert weights[0, :most].sum() == found
        assert weights[0, most:].sum() == int(found / positive_ratio) - found, f"{count} positives"


def test_padding_is_never_a_region():
    proposals = np.zeros((1, 30, 4), np.float32)
    proposals[0, 4] = [0, 0, 9, 9]
    sampling = RoiSampling(12, 0.5, True)
    for true_boxes in (OBJECTS[:1], OBJECTS[1:2]):
        targets = as_arrays(
            roi_targets(proposals, true_boxes, np.ones((1, 6), np.int32), NOISE[:1, :30], sampling, STD)
        )
        assert targets.rois[targets.weights > 0].tolist() == [[0, 0, 9, 9]]


def slow_mask_target(roi, box, mask, size):
    """Look at each bin's centre: inside of the box bilinear, its border replicated; outside nothing."""
    target = np.zeros((size, size))
    side = len(mask)
    for i in range(size):
        for j in range(size):
            point = roi[:2] + (roi[2:] - roi[:2]) * (np.array([i, j]) + 0.5) / size
            place = (point - box[:2]) / (box[2:] - box[:2])
            if (place >= 0).all() and (place <= 1).all():
                y, x = np.clip(place * side - 0.5, 0, side - 1)
                top, left = min(int(y), side - 2), min(int(x), side - 2)
                rows = mask[top : top + 2, left : left + 2].astype(float)
                columns = rows[0] * (top + 1 - y) + rows[1] * (y - top)
                target[i, j] = columns[0] * (left + 1 - x) + columns[1] * (x - left)
    return target


@pytest.mark.parametrize("size", [14, 28])
def test_mask_targets(size):
    rng = np.random.default_rng(12)
    true_boxes = np.array([[[4, 4, 40, 30], [0, 20, 17, 64]], [[1, 1, 9, 9], [30, 30, 64, 64]]], np.float32)
    masks = (rng.random((2, 2, 14, 14)) < 0.5).astype(np.uint8)
    instances = rng.integers(0, 2, (2, 8)).astype(np.int32)
    rois = np.take_along_axis(true_boxes, instances[..., None], axis=1)
    rois = (rois + rng.normal(scale=3, size=rois.shape)).clip(0, 64).astype(np.float32)
    found = keras.ops.convert_to_numpy(mask_targets(rois, true_boxes, masks, instances, size))
    assert found.shape == (2, 8, size, size)
    for i in range(2):
        for roi, own, target in zip(rois[i], instances[i], found[i], strict=True):
            values = slow_mask_target(roi.astype(float), true_boxes[i, own].astype(float), masks[i, own], size)
            clear = np.abs(values - 0.5) > 1e-3  # rounding may go either way at exactly one half
            assert ((values >= 0.5)[clear] == (target > 0)[clear]).all()
    assert set(np.unique(found)) == {0, 1}


def test_mask_targets_of_padding_are_finite():
    rois = np.array([[[0, 0, 0, 0], [0, 0, 9, 9], [5, 5, 5, 9]]], np.float32)
    true_boxes, masks = np.zeros((1, 2, 4), np.float32), np.ones((1, 2, 14, 14), np.uint8)
    found = keras.ops.convert_to_numpy(mask_targets(rois, true_boxes, masks, np.zeros((1, 3), np.int32), 14))
    assert set(np.unique(found)) <= {0, 1}
