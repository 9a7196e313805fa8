"""The steps end where detection ends, and the lessons are those of training."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from common.masks.boxes import box_ious
from common.masks.crops import mean_inside
from common.masks.instances import Instances
from common.network.inspection.steps import Stepper
from common.network.mask_rcnn.box_coding import decode_deltas
from common.network.mask_rcnn.detector import Detector
from common.network.mask_rcnn.model import MaskRCNN
from tests.tiny import TINY, disc_labels

SHAPE = (100, 150)  # padded on both axes
TRUE = Instances.from_label_image(disc_labels(100, [(20, 20, 9), (60, 75, 24), (99, 40, 6)]))


def build(**changes):
    """Return an untrained model that takes every region for an object."""
    keras.utils.set_random_seed(1)
    model = MaskRCNN(replace(TINY, **changes))
    model.class_head.get_layer("mrcnn_class_logits").bias.assign([0.0, 3.0])
    masks = model.mask_head.get_layer("mrcnn_mask")
    masks.kernel.assign(300 * keras.ops.convert_to_tensor(masks.kernel))  # else all are equally unsure
    return model


def noise_image(shape=SHAPE):
    return np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def stepper():
    return Stepper(build())


@pytest.fixture(scope="module")
def steps(stepper):
    return stepper(noise_image())


@pytest.mark.parametrize("changes", [{"mask_margin": 0.1}, {"geometry": "library", "confidence": 0.2}], ids=str)
def test_the_last_step_is_what_detection_returns(changes):
    model, image = build(**changes), noise_image()
    means = mean_inside(Stepper(model)(image).detections.mask_probs)
    model.config = replace(model.config, mask_confidence=float(np.median(means)))
    (expected,), steps = Detector(model)([image]), Stepper(model)(image)
    sure = steps.sure
    assert 0 < sure.sum() < len(sure)
    for name in ("boxes", "scores", "class_ids", "mask_probs", "mask_boxes"):
        np.testing.assert_array_equal(getattr(steps.detections, name)[sure], getattr(expected, name), err_msg=name)
    assert steps.detections.full == expected.full
    to_image = steps.frame.corners_to_image if model.config.geometry == "library" else steps.frame.to_image
    ends = np.array([0, 0, 1, 1]) if model.config.geometry == "library" else 0
    np.testing.assert_allclose(to_image((steps.boxes - ends).astype(np.float32)), steps.detections.boxes, atol=1e-4)
    np.testing.assert_array_equal(steps.class_scores[steps.detected], steps.detections.scores)


def test_each_step_follows_from_the_one_before(steps):
    assert steps.image.shape == (128, 192, 3) and steps.frame.window == (14, 21, 114, 171)
    assert [some.stop - some.start for some in steps.levels] == [4608, 1152, 288, 72, 18]
    assert steps.levels[-1].stop == len(steps.anchors) == len(steps.anchor_scores)
    assert steps.level_of(0) == 0 and steps.level_of(len(steps.anchors) - 1) == 4
    scores = steps.anchor_scores[steps.best]
    assert len(scores) == TINY.pre_nms_limit and (np.diff(scores) <= 0).all()
    assert scores[-1] >= np.delete(steps.anchor_scores, steps.best).max()
    refined = decode_deltas(steps.anchors[steps.best], steps.anchor_deltas[steps.best], TINY.box_std)
    np.testing.assert_allclose(steps.refined, refined, atol=1e-3)
    np.testing.assert_allclose(steps.clipped, np.clip(steps.refined, 0, [128, 192, 128, 192]), atol=1e-4)
    assert (np.diff(steps.survivors) > 0).all() and len(steps.proposals) == len(steps.class_ids)
    overlaps = box_ious(steps.proposals, steps.proposals) - np.eye(len(steps.proposals))
    assert overlaps.max() <= TINY.rpn_nms_threshold + 1e-5
    np.testing.assert_allclose(steps.class_probs.sum(axis=1), 1, rtol=1e-5)


def test_lessons_are_those_of_training(stepper, steps):
    lessons = stepper.lessons(steps, TRUE)
    np.testing.assert_array_equal(lessons.true_boxes, TRUE.boxes + np.array([14, 21, 14, 21]))
    ious = box_ious(steps.anchors, lessons.true_boxes)
    best = ious.max(axis=1)
    is_best = ((ious >= ious.max(axis=0) * (1 - 1e-6)) & (ious > 0)).any(axis=1)
    np.testing.assert_array_equal(lessons.positive, is_best | (best >= 0.7))
    np.testing.assert_array_equal(lessons.negative, ~lessons.positive & (best < 0.3))
    count = len(lessons.deltas)
    assert lessons.positive[lessons.sampled[:count]].all() and lessons.negative[lessons.sampled[count:]].all()
    assert len(lessons.sampled) == TINY.rpn_train_anchors and count >= 3
    targets = decode_deltas(steps.anchors[lessons.sampled[:count]], lessons.deltas, TINY.box_std)
    np.testing.assert_allclose(targets, lessons.true_boxes[lessons.objects[lessons.sampled[:count]]], atol=1e-3)


def test_regions_learn_box_class_and_mask(stepper, steps):
    lessons = stepper.lessons(steps, TRUE)
    positive = lessons.roi_class_ids > 0
    count = len(lessons.roi_targets)
    assert 0 < count == positive.sum() and positive[:count].all() and len(lessons.rois) <= TINY.train_rois
    for roi, target, mask in zip(lessons.rois, lessons.roi_targets, lessons.roi_masks, strict=False):
        assert box_ious(target[None], lessons.true_boxes).max() > 0.999
        assert box_ious(roi[None], lessons.true_boxes).max() >= 0.5
        assert mask.shape == (28, 28) and 0 < mask.mean() < 1


def test_nothing_to_learn_but_background(stepper, steps):
    lessons = stepper.lessons(steps, Instances.empty())
    assert not lessons.positive.any() and lessons.negative.all() and len(lessons.true_boxes) == 0
    assert len(lessons.deltas) == len(lessons.roi_targets) == len(lessons.roi_masks) == 0
    assert len(lessons.sampled) == TINY.rpn_train_anchors and not lessons.roi_class_ids.any()
