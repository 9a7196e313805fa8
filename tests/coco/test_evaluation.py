"""The report of masks: which of the average precisions is the score."""

import numpy as np
import pytest

from coco.evaluation import mask_report
from common.masks.instances import Instances
from common.scoring.evaluation import Pair

SHAPE = (20, 30)
NAMES = ("boat", "goat")


def squares(*corners, class_ids, width=10):
    boxes = np.array([[y, x, y + 10, x + width] for y, x in corners]).reshape(-1, 4)
    masks = [np.ones((10, width), bool)] * len(boxes)
    return Instances.from_crops(boxes, masks, class_ids, np.full(len(boxes), 0.5, np.float32))


def pair(image_id, true, predicted, crowd=None):
    return Pair(image_id, SHAPE, true, predicted, np.zeros(len(true), bool) if crowd is None else np.array(crowd))


def test_the_score_is_that_of_the_threshold_or_the_mean_of_all():
    true, half = squares((0, 0), (10, 0), class_ids=[1, 2]), squares((0, 0), (10, 0), class_ids=[1, 2], width=6)
    pairs = [pair("a", true, half), pair("b", Instances.empty(), Instances.empty())]
    for threshold, score in ((0.5, 1.0), (0.75, 0.0), (None, 0.3)):  # an IoU of 0.6 reaches three of ten thresholds
        report = mask_report(iter(pairs), NAMES, threshold)
        lines = report.text.splitlines()
        assert report.score == pytest.approx(score)
        assert [line.split()[0] for line in lines[:-2]] == ["class", "boat", "goat", "all"]
        assert lines[-2].endswith("all classes together: 1.0000")  # an image without objects has none of its own
        where = f" at IoU {threshold}" if threshold else ""
        assert lines[-1] == f"mAP{where}: {score:.4f} over 2 images"


def test_what_lies_in_a_crowd_does_not_count():
    true, found = squares((0, 0), (0, 15), class_ids=[1, 1]), squares((0, 15), (0, 0), class_ids=[1, 1], width=10)
    wrong = squares((0, 0), (0, 17), class_ids=[1, 1], width=6)
    assert mask_report([pair("a", true, found)], NAMES[:1]).score == 1
    scores = [mask_report([pair("a", true, wrong, crowd)], NAMES[:1], 0.5).score for crowd in ([0, 0], [0, 1])]
    assert scores[1] == 1 and 0.5 < scores[0] <= 1
    report = mask_report([pair("a", true, Instances.empty())], NAMES[:1], 0.5)
    assert (report.score, report.text.splitlines()[-1]) == (0, "AP at IoU 0.5: 0.0000 over 1 images")
