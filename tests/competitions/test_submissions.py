"""CSVs of every format, read as objects."""

import numpy as np
import pytest

from common.errors import InputError
from competitions.submissions import choose_images, read_submission
from tests.image_sets import array_set

SHAPES = {"a": (4, 5), "b": (6, 6), "007": (3, 3)}


def write(path, text):
    path.write_text(text)
    return path


def test_run_lengths_without_scores(tmp_path):
    found = read_submission(write(tmp_path / "s.csv", "ImageId,EncodedPixels\na,1 2\na,6 1\nb,\n"), SHAPES)
    assert list(found) == ["a", "b"]
    assert found["a"].boxes.tolist() == [[0, 0, 2, 1], [1, 1, 2, 2]]
    assert found["a"].scores.tolist() == [1, 1]
    assert len(found["b"]) == 0


def test_results_with_classes_and_scores(tmp_path):
    text = "ImageId,ClassId,Score,X,Y,Width,Height,EncodedPixels\na,2,0.25,0,0,1,2,1 2\nb,,,,,,,\n"
    found = read_submission(write(tmp_path / "s.csv", text), SHAPES)
    assert (found["a"].class_ids.tolist(), found["a"].scores.tolist()) == ([2], [0.25])
    assert len(found["b"]) == 0


def test_boxes(tmp_path):
    found = read_submission(write(tmp_path / "s.csv", "patientId,PredictionString\nb,0.5 1 2 3 4\na,\n"), SHAPES)
    assert found["b"].boxes.tolist() == [[2, 1, 6, 4]]
    assert found["b"].scores.tolist() == [0.5]
    assert len(found["a"]) == 0
    np.testing.assert_array_equal(found.predictions["b"].boxes, [[2, 1, 6, 4]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Id,Mask\na,1 2\n", "has the columns Id, Mask"),
        ("ImageId,EncodedPixels\nc,1 2\n", "c is not in this set"),
        ("ImageId,EncodedPixels\n7.0,1 2\n", "is it 007"),
        ("patientId,PredictionString\na,0.5 1 2\n", "multiple of 5"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_submission(write(tmp_path / "s.csv", text), SHAPES)


def test_malformed_runs_are_told_when_the_image_is_shown(tmp_path):
    found = read_submission(write(tmp_path / "s.csv", "ImageId,EncodedPixels\na,1 2 2\nb,1 2\n"), SHAPES)
    assert len(found["b"]) == 1
    with pytest.raises(InputError, match="a: mask 0"):
        found["a"]


def test_what_kaggle_would_refuse_is_told_in_one_line(tmp_path, lines):
    path = write(tmp_path / "s.csv", "ImageId,EncodedPixels\na,1 3\na,3 2\nb,1 2\n")
    assert len(read_submission(path, SHAPES)["a"]) == 2
    (line,) = lines()
    assert line.startswith(
        f"warning: {path}: Kaggle would refuse it: line 3: a: the mask overlaps another one at pixel 3"
    )
    read_submission(write(path, "ImageId,ClassId,Score,EncodedPixels\na,1,0.5,1 3\na,1,0.4,3 2\n"), SHAPES)
    assert lines() == []  # results of a network may overlap


def test_images_without_a_row_are_told_and_left_out_only_on_request(lines):
    images = array_set([np.zeros((4, 5, 3), np.uint8)] * 4, image_ids=["a", "b", "c", "d"])
    rows = {"x.csv": ["a", "b"], "y.csv": ["b", "c"]}
    assert choose_images(images, rows) is images
    hint = "; --only-submitted leaves out those that no submission has"
    assert lines() == [
        f"warning: x.csv: 2 of 4 images have no row and count as 0, such as c{hint}",
        f"warning: y.csv: 2 of 4 images have no row and count as 0, such as a{hint}",
    ]
    assert list(choose_images(images, rows, only_submitted=True).image_ids) == ["a", "b", "c"]
    assert lines() == [
        "warning: x.csv: 1 of 3 images have no row and count as 0, such as c",
        "warning: y.csv: 1 of 3 images have no row and count as 0, such as a",
    ]
    with pytest.raises(InputError, match=r"x\.csv: has no row for an image of .*; give the set that was predicted"):
        choose_images(images, {"x.csv": []})
