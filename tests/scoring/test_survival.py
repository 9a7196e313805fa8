"""At which step objects are lost."""

import numpy as np

from common.masks.instances import Instances
from common.scoring.survival import FOUND, best_box_ious, best_mask_ious, count_losses, find_losses


def test_the_best_box_counts():
    true = np.array([[0, 0, 4, 4], [10, 10, 14, 14]])
    boxes = np.array([[0, 0, 4, 2], [0, 0, 4, 3], [20, 20, 24, 24]])
    assert best_box_ious(true, boxes).tolist() == [0.75, 0]
    assert best_box_ious(true, boxes[:0]).tolist() == [0, 0] and len(best_box_ious(true[:0], boxes)) == 0


def test_masks_are_compared_pixel_by_pixel():
    true = Instances.from_masks(np.array([[[1, 1, 0, 0]], [[0, 0, 1, 1]]]))
    found = Instances.from_masks(np.array([[[1, 0, 0, 0]]]))
    assert best_mask_ious(true, found).tolist() == [0.5, 0]
    assert best_mask_ious(true, Instances.empty()).tolist() == [0, 0]


def test_a_later_step_may_win_an_object_back():
    ious = {
        "anchors": np.array([0.8, 0.8, 0.8, 0.2]),
        "boxes": np.array([0.4, 0.4, 0.8, 0.2]),
        "masks": [0.6, 0.1, 0.5, 0],
    }
    ious["masks"] = np.array(ious["masks"])
    assert find_losses(ious) == [FOUND, "boxes", "masks", "anchors"]
    assert find_losses(ious, {"anchors": 0.1, "boxes": 0.5, "masks": 0.5})[3] == "boxes"
    assert find_losses({"anchors": np.zeros(0)}) == []


def test_every_step_has_a_row():
    table = count_losses(["boxes", FOUND, FOUND, "boxes"], ["anchors", "boxes"])
    assert table["objects"].to_dict() == {"anchors": 0, "boxes": 2, FOUND: 2}
    assert table["share"].tolist() == [0, 0.5, 0.5]
    assert count_losses([], ["anchors"])["share"].tolist() == [0, 0]
