"""Detection: images of any size in, objects out."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import keras
import numpy as np
import pytest

from common.masks.boxes import box_ious
from common.masks.crops import mean_inside
from common.network.mask_rcnn.detector import Detector
from common.network.mask_rcnn.model import MaskRCNN
from tests.tiny import TINY


@pytest.fixture(scope="module")
def finder():
    """An untrained model that takes every region for an object; its weights are not to be changed."""
    keras.utils.set_random_seed(1)
    finder = MaskRCNN(TINY)
    finder.class_head.get_layer("mrcnn_class_logits").bias.assign([0.0, 3.0])
    return finder


@pytest.fixture(scope="module")
def detector(finder):
    return Detector(finder)


@pytest.mark.parametrize("shape", [(64, 64), (128, 64), (64, 192)])
def test_images_of_any_multiple_of_64(detector, shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    (found,) = detector([image])
    assert 0 < len(found.boxes) <= TINY.max_detections
    assert found.image_shape == shape
    assert found.mask_probs.shape == (len(found.boxes), 28, 28)
    assert (np.diff(found.scores) <= 0).all()
    assert set(found.class_ids) == {1}
    assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
    assert found.boxes.min() >= 0
    assert (found.boxes <= [*shape, *shape]).all()
    overlaps = box_ious(found.boxes, found.boxes) - np.eye(len(found.boxes))
    assert overlaps.max() <= TINY.detection_nms_threshold + 1e-5


def test_a_first_image_goes_through_the_network_once(finder, monkeypatch):
    looks, find = [], MaskRCNN.find
    monkeypatch.setattr(MaskRCNN, "find", lambda *arguments: looks.append(1) or find(*arguments))
    Detector(finder)([np.zeros((64, 64, 3), np.uint8)])
    assert len(looks) == 1  # traced; run by itself, each of its layers would be compiled alone


def test_threads_may_detect_at_the_same_time(finder):
    detector = Detector(finder)  # which has not seen these shapes yet
    images = [np.random.default_rng(0).integers(0, 256, (side, 64, 3), dtype=np.uint8) for side in (64, 128)]
    with ThreadPoolExecutor(2) as threads:
        found = [one for (one,) in threads.map(lambda image: detector([image]), 4 * images)]
    for one, image in zip(found, 4 * images, strict=True):
        np.testing.assert_array_equal(one.boxes, detector([image])[0].boxes)


def test_an_image_is_seen_the_same_alone_and_in_a_batch(detector):
    images = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3)).astype(np.uint8)
    for image, in_batch in zip(images, detector(list(images)), strict=True):
        (alone,) = detector([image])
        np.testing.assert_allclose(in_batch.boxes, alone.boxes, atol=1e-3)
        np.testing.assert_allclose(in_batch.scores, alone.scores, atol=1e-3)
        np.testing.assert_allclose(in_batch.mask_probs, alone.mask_probs, atol=1e-3)


@pytest.mark.parametrize(("geometry", "some"), [("aligned", True), ("library", False)])
def test_what_is_rather_background_is_found_at_a_low_confidence(geometry, some):
    keras.utils.set_random_seed(1)
    model = MaskRCNN(replace(TINY, geometry=geometry, confidence=0.2))
    model.class_head.get_layer("mrcnn_class_logits").bias.assign([1.0, 0.0])
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    (found,) = Detector(model)([image])
    assert (len(found.scores) > 0) == some
    assert (found.scores < 0.5).all()


@pytest.mark.parametrize(("padding", "around"), [("black", (0, 0, 0)), ("median", (200, 150, 90))])
def test_the_config_says_what_is_around_an_image(finder, monkeypatch, padding, around):
    shown = []
    detector = Detector(finder)
    detector.config = replace(TINY, padding=padding)
    predict = detector._model.predict_on_batch
    monkeypatch.setattr(detector._model, "predict_on_batch", lambda x: shown.append(x["images"]) or predict(x))
    detector([np.full((64, 70, 3), (200, 150, 90), np.uint8)])
    (placed,) = shown[0]
    assert placed.shape == (64, 128, 3) and placed[5, 0].tolist() == placed[9, -1].tolist() == list(around)


def test_masks_are_looked_for_beyond_their_boxes(finder):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    model = MaskRCNN(replace(TINY, mask_margin=0.1))
    model.set_weights(finder.get_weights())
    (plain,), (grown,) = Detector(finder)([image]), Detector(model)([image])
    np.testing.assert_array_equal(plain.boxes, grown.boxes)
    np.testing.assert_array_equal(plain.mask_boxes, plain.boxes)
    margin = 0.1 * (plain.boxes[:, 2:] - plain.boxes[:, :2])
    expected = np.concatenate([plain.boxes[:, :2] - margin, plain.boxes[:, 2:] + margin], axis=1)
    np.testing.assert_allclose(grown.mask_boxes, expected.clip(0, 64), atol=1e-4)
    assert (expected != expected.clip(0, 64)).any()


def test_unsure_masks_are_dropped(finder):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)

    def detect(mask_confidence):
        model = MaskRCNN(replace(TINY, mask_confidence=mask_confidence))
        model.set_weights(finder.get_weights())
        kernel = model.mask_head.get_layer("mrcnn_mask").kernel
        kernel.assign(kernel * 300)  # untrained masks are all but equal
        return Detector(model)([image])[0]

    found = detect(0.0)
    sureness = np.sort(mean_inside(found.mask_probs.astype(np.float32)))
    middle = len(sureness) // 2
    assert sureness[middle] - sureness[middle - 1] > 1e-3  # more than float16 rounds
    limit = float(sureness[middle - 1 : middle + 1].mean())
    sure = detect(limit)
    np.testing.assert_array_equal(sure.scores, found.scores[mean_inside(found.mask_probs.astype(np.float32)) >= limit])
