"""Objects of several classes to a CSV and back."""

import functools

import numpy as np
import pytest

from common.errors import InputError
from common.masks.instances import Instances
from common.output.results import RESULT_COLUMNS, read_results, result_rows
from common.output.rows import RowMaker, make_rows, write_rows
from common.prediction.detections import Detections
from common.prediction.postprocess import Look, Masking, Prediction
from common.prediction.views import View
from tests.image_sets import array_set

# Three images of which the second is black.
IMAGES = array_set([np.full((20, 30, 3), value, np.uint8) for value in (1, 0, 1)], image_ids=["a", "b", "c"])


def look(image_id, image):
    """Find two overlapping objects, one at the border, and one without pixels; nothing in a black image."""
    boxes = np.array([[0, 0, 8, 30], [4, 10, 20, 20], [25, 0, 30, 9]], np.float32)
    probs = np.ones((3, 28, 28), np.float16)
    found = Detections(boxes, np.array([0.9, 1 / 3, 0.1], np.float32), np.array([2, 1, 2], np.int32), probs, (20, 30))
    nothing = Detections(boxes[:0], found.scores[:0], found.class_ids[:0], probs[:0], (20, 30))
    seen = found if image.any() else nothing
    return Prediction([Look(View(), [0], seen)], (20, 30), Masking(0.5, separate=False))


@pytest.fixture
def written(tmp_path):
    maker = RowMaker(look, result_rows, RESULT_COLUMNS)
    make = functools.partial(make_rows, IMAGES, maker, 0)
    write_rows(IMAGES, IMAGES.image_ids, make, tmp_path / "r.csv", RESULT_COLUMNS, fingerprint="x")
    return tmp_path / "r.csv"


def test_objects_come_back(written):
    objects = read_results(written, dict.fromkeys("abc", (20, 30)))
    assert list(objects) == ["a", "b", "c"]
    expected = look("a", np.ones(1)).looks[0].detections.paint(0.5)
    for found, count in zip(objects.values(), (2, 0, 2), strict=True):
        assert len(found) == count
        np.testing.assert_array_equal(found.boxes, expected.boxes[:count])
        np.testing.assert_array_equal(found.scores, expected.scores[:count])
        np.testing.assert_array_equal(found.class_ids, expected.class_ids[:count])
        np.testing.assert_array_equal(found.to_masks((20, 30)), expected.to_masks((20, 30))[:count])
    assert written.read_text().splitlines()[3] == "b,,,"


def test_masks_are_decoded_one_image_at_a_time(written, monkeypatch):
    decoded = []
    monkeypatch.setattr(
        "common.output.results.decode_instances", lambda texts, _: decoded.append(texts) or Instances.empty()
    )
    objects = read_results(written, dict.fromkeys("abc", (20, 30)))
    assert (len(objects), decoded) == (3, [])
    assert len(objects["b"]) == 0 and decoded == [[]]


def test_bad_results_are_one_line(written):
    with pytest.raises(InputError, match=r"r\.csv: b is not in this set"):
        read_results(written, {"a": (20, 30)})
    with pytest.raises(InputError, match=r"r\.csv: a: .*; predict again"):
        read_results(written, dict.fromkeys("abc", (2, 3)))["a"]
    written.write_text(written.read_text().replace("c,2", "c,two"))
    with pytest.raises(InputError, match=r"r\.csv: c: .*two.*; predict again"):
        read_results(written, dict.fromkeys("abc", (20, 30)))["c"]
    for values in ("0,0.5", "1,nan", "9999999999999999999999,0.5"):
        written.write_text(f"ImageId,ClassId,Score,EncodedPixels\na,{values},1 1\n")
        with pytest.raises(InputError, match=r"r\.csv: a: .*; predict again"):
            read_results(written, {"a": (20, 30)})["a"]
