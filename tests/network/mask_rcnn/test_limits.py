"""Each limit that may cut an image's objects is noticed, and nothing else."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from common.network.mask_rcnn.detector import Detector
from common.network.mask_rcnn.limits import find_full
from common.network.mask_rcnn.model import MaskRCNN
from tests.tiny import TINY

N = 20  # proposals


def squares(*columns, most):
    """Boxes of 8 by 8 pixels at the given columns, padded with zero rows."""
    boxes = np.zeros((1, most, 4), np.float32)
    for box, column in zip(boxes[0], columns, strict=False):
        box[:] = 0, column, 8, column + 8
    return boxes


def is_full(detected, proposed, *, most=5, skipped=1):
    found = find_full(squares(*detected, most=most), np.array([len(detected)]), squares(*proposed, most=N), skipped)
    return keras.ops.convert_to_numpy(found).tolist()[0]


@pytest.mark.parametrize(
    ("detected", "proposed", "skipped", "full"),
    [
        ([], [], 1, False),
        ([0, 100], [0, 100] * 10, 1, False),  # the last proposals show nothing new
        ([0, 100], [0] * 17 + [100] * 3, 1, False),  # the 18th of 20 is not in the last tenth
        ([0, 100], [0] * 18 + [100] * 2, 1, True),
        ([0, 103], [0] * 10 + [100] * 10, 1, False),  # IoU 5 / 11
        ([0, 105], [0] * 10 + [100] * 8 + [105] * 2, 1, True),  # IoU 3 / 13
        ([0, 100], [0] * 18 + [100] * 2, 0, True),  # as many proposals as are kept
        ([0, 100], [0] * 9 + [100], 1, True),  # fewer, as anchors were left out
        ([0, 100], [0] * 9 + [100], 0, False),  # fewer, and all anchors were seen
        ([0, 100, 200, 300, 400], [0, 100, 200, 300, 400] * 4, 0, True),  # as many detections as are returned
    ],
)
def test_an_image_is_full_where_a_limit_may_cut_it(detected, proposed, skipped, full):
    assert is_full(detected, proposed, skipped=skipped) == full


def test_images_of_a_batch_are_judged_apart():
    boxes, proposals = squares(0, most=1), squares(*[0] * N, most=N)
    found = find_full(np.repeat(boxes, 2, 0), np.array([1, 0]), np.repeat(proposals, 2, 0), 0)
    assert keras.ops.convert_to_numpy(found).tolist() == [True, False]


@pytest.mark.parametrize("geometry", ["aligned", "library"])
@pytest.mark.parametrize(
    ("changes", "full"),
    [
        ({}, False),
        ({"max_detections": 3}, True),
        ({"detect_proposals": 1}, True),
        ({"pre_nms_limit": 1}, True),
    ],
)
def test_the_detector_tells_at_each_limit(geometry, changes, full):
    """An untrained model that takes every region for an object; nothing limits it, or one thing."""
    keras.utils.set_random_seed(1)
    unlimited = {"max_detections": 600, "detect_proposals": 1023, "pre_nms_limit": 1023}  # anchors of 64x64 pixels
    model = MaskRCNN(replace(TINY, geometry=geometry, detection_nms_threshold=0.1, **unlimited | changes))
    model.class_head.get_layer("mrcnn_class_logits").bias.assign([0.0, 3.0])
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    (found,) = Detector(model)([image])
    assert (found.full, found.scale) == (full, 1.0)
    assert 1 <= len(found.boxes) < 600


def test_parts_are_shown_at_the_scale_of_their_image(monkeypatch):
    detector = Detector(MaskRCNN(TINY))
    seen, look = [], detector._detect
    monkeypatch.setattr(detector, "_detect", lambda images, frames: seen.extend(frames) or look(images, frames))
    image = np.zeros((96, 160, 3), np.uint8)
    detector([image[:40, :70]])
    detector([image[:40, :70]], 1.0)
    detector([image[:40, :70]], 0.5)
    assert [frame.scaled_shape for frame in seen] == [(64, 112), (40, 70), (20, 35)]
    assert [frame.padded_shape for frame in seen] == [(64, 128), (64, 128), (64, 64)]
    assert [frame.scale for frame in seen] == [1.6, 1.0, 0.5]
