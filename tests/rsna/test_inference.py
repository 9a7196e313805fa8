"""Boxes of radiographs come back from shrunken, mirrored and enlarged images, and from several models."""

import numpy as np
import pytest

from common.errors import InputError
from common.masks.boxes import label_boxes
from common.prediction.box_fusion import import_fusion
from common.prediction.detections import Detections
from rsna.config import DEMO
from rsna.dataset import load_labelled
from rsna.evaluation import score_predictor
from rsna.inference import VIEWS, FoundBoxes, find_boxes, prediction_rows
from rsna.submission import parse_predictions
from tests.image_sets import predictor_of
from tests.radiographs import BOXES, radiograph, write_set

STORED = (640, 640)
BOX = (320, 80, 560, 240)  # y1, x1, y2, x2


def find_bright(images) -> list[Detections]:
    """Find what is bright, in the manner of a detector."""
    found = []
    for image in images:
        _, boxes = label_boxes((image[..., 0] > 120).astype(np.int32))
        fields = np.full(len(boxes), 0.8, np.float32), np.ones(len(boxes), np.int32), np.zeros((len(boxes), 28, 28))
        found.append(Detections(boxes.astype(np.float32), *fields, image.shape[:2]))
    return found


@pytest.mark.parametrize("fuse_views", [False, True])
def test_boxes_come_back_to_the_stored_pixels(fuse_views):
    y1, x1, y2, x2 = BOX
    image = np.repeat(radiograph([(x1, y1, x2 - x1, y2 - y1)], 640)[..., None], 3, axis=2)
    found = find_boxes(predictor_of(find_bright, DEMO), image, fuse_views=fuse_views)
    assert len(found) == (len(VIEWS) if fuse_views else 1)
    for boxes, scores in found:
        assert np.abs(boxes - BOX).max() <= 5 and scores.tolist() == [pytest.approx(0.8)]  # a pixel is five of these


def test_one_view_is_not_fused_and_shrinks_about_its_centre():
    found = [(np.array([BOX], float), np.array([0.25]))]
    (row,) = prediction_rows(FoundBoxes(found, STORED, 0.5, 0.4, 0.3))
    assert row == "0.2500 120.0 380.0 80.0 120.0"
    assert prediction_rows(FoundBoxes([(np.zeros((0, 4)), np.zeros(0))], STORED, 0.875, 0.4, 0.3)) == [""]


def test_fused_boxes_below_the_lowest_score_are_dropped():
    try:
        import_fusion()
    except InputError as error:
        pytest.skip(str(error))
    first, alone = np.array([BOX, (0, 0, 64, 64)], float), np.array([BOX], float) + 8
    found = [(first, np.array([0.9, 0.5])), (alone, np.array([0.9]))]
    (row,) = prediction_rows(FoundBoxes(found, STORED, 1.0, 0.4, 0.3))
    predicted = parse_predictions(row)
    np.testing.assert_allclose(predicted.boxes, [np.array(BOX) + 4], atol=0.1)
    assert predicted.scores.tolist() == [0.9]


def test_the_score_of_an_epoch(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    images = load_labelled(write_set(tmp_path / "datasets"), side=80)
    rows = [row for row, boxes in enumerate(BOXES.values()) if len(boxes) < 2]  # two that overlap look like one
    images, predictor = images.select(rows), predictor_of(find_bright, DEMO)
    assert score_predictor(predictor, images, 1.0) == 1.0
    assert 0 < score_predictor(predictor, images, 0.8) < 1
    assert score_predictor(predictor, images.first(1), 1.0) == 0.0  # nobody counts
