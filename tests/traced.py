"""The steps of a network that never ran: a dark image of 64x64 pixels with two objects, one of which is lost."""

import numpy as np

from common.masks.instances import Instances
from common.prediction.detections import Detections, Frame
from common.prediction.steps import Lessons, Steps

SHAPE = (64, 64)
CELLS = sum((64 // stride) ** 2 for stride in (4, 8, 16, 32, 64))
FOUND, LOST = [8, 8, 24, 24], [40, 40, 56, 50]


def make_true() -> Instances:
    boxes = np.array([FOUND, LOST])
    return Instances.from_crops(boxes, [np.ones((16, 16)), np.ones((16, 10))])


def make_steps(scores: tuple[float, ...] = (0.9, 0.2)) -> Steps:
    """Return steps whose two proposals lie on the two objects, with these class scores, and one detection."""
    anchors = np.zeros((CELLS, 4), np.float32)
    anchors[:, 2:] = 2
    anchors[-2:] = [[6, 6, 26, 26], [38, 36, 58, 54]]
    anchor_scores = np.full(CELLS, 0.05, np.float32)
    anchor_scores[-2:] = 0.9, 0.8
    boxes = np.array([FOUND, LOST], np.float32)
    refined = anchors.copy()
    refined[-2:] = boxes
    probs = np.array([(1 - score, score) for score in scores], np.float32)
    detections = Detections(
        boxes[:1], probs[:1, 1], np.ones(1, np.int32), np.ones((1, 28, 28), np.float16), SHAPE, mask_boxes=boxes[:1]
    )
    return Steps(
        frame=Frame(SHAPE, SHAPE, SHAPE),
        image=np.full((*SHAPE, 3), 30, np.uint8),
        anchors=anchors,
        num_ratios=1,
        anchor_scores=anchor_scores,
        anchor_deltas=np.zeros((CELLS, 4), np.float32),
        anchor_boxes=refined,
        best=np.array([CELLS - 2, CELLS - 1, 0]),
        refined=refined[[-2, -1, 0]],
        clipped=refined[[-2, -1, 0]],
        survivors=np.array([0, 1]),
        class_probs=probs,
        class_ids=np.ones(2, int),
        class_boxes=boxes,
        detected=np.array([0]),
        sure=np.array([True]),
        detections=detections,
    )


def make_lessons() -> Lessons:
    positive = np.zeros(CELLS, bool)
    positive[-2:] = True
    objects = np.zeros(CELLS, int)
    objects[-1] = 1
    boxes = np.array([FOUND, LOST], np.float32)
    return Lessons(
        true_boxes=boxes,
        positive=positive,
        negative=~positive & (np.arange(CELLS) > 3),
        objects=objects,
        sampled=np.array([CELLS - 2, CELLS - 1, 10, 11]),
        deltas=np.zeros((2, 4), np.float32),
        rois=np.array([[6, 6, 26, 26], [38, 36, 58, 54], [0, 40, 9, 49]], np.float32),
        roi_class_ids=np.array([1, 1, 0]),
        roi_targets=boxes,
        roi_masks=np.ones((2, 28, 28), np.float32),
    )


def nothing_to_learn() -> Lessons:
    none = np.zeros((0, 4), np.float32)
    nowhere = np.zeros(CELLS, bool)
    return Lessons(
        none,
        nowhere,
        ~nowhere,
        np.zeros(CELLS, int),
        np.arange(4),
        none,
        none,
        np.zeros(0, int),
        none,
        np.zeros((0, 28, 28)),
    )
