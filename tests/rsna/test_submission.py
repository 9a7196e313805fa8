"""The pneumonia competition's CSV: written, read, and checked for all that is wrong in broken ones."""

import numpy as np
import pytest

from common.errors import InputError
from rsna.submission import check_predictions, format_predictions, parse_predictions, read_predictions

GOOD = ["patientId,PredictionString", "a,0.9 10 20 30 40", "b,", "c,0.75 0 0 5.5 1e1 0.5 100.0 60.0 28.0 68"]
SHAPES = dict.fromkeys("abc", (128, 128))


def write(folder, lines):
    path = folder / "rsna.csv"
    path.write_text("\n".join([*lines, ""]))
    return path


def test_what_is_written_can_be_read():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 900, (6, 2))
    boxes, scores = np.concatenate([corners, corners + rng.uniform(1, 100, (6, 2))], axis=1), rng.uniform(0, 1, 6)
    read = parse_predictions(format_predictions(boxes, scores))
    order = np.argsort(-scores)
    np.testing.assert_allclose(read.boxes, boxes[order], atol=0.11)
    np.testing.assert_allclose(read.scores, scores[order], atol=1e-4)


def test_nothing_and_next_to_nothing():
    assert format_predictions(np.zeros((0, 4)), np.zeros(0)) == ""
    assert format_predictions(np.array([[5.0, 5, 5.04, 50]]), np.array([0.5])) == ""
    assert parse_predictions("  ").boxes.shape == (0, 4)


def test_a_good_file(tmp_path):
    path = write(tmp_path, GOOD)
    assert check_predictions(path, "abc", SHAPES) == []
    predictions = read_predictions(path)
    assert predictions["a"].boxes.tolist() == [[20, 10, 60, 40]] and predictions["a"].scores.tolist() == [0.9]
    assert [len(predictions[patient].boxes) for patient in "abc"] == [1, 0, 2]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (GOOD[:3], "line 4: c: has no row"),
        ([*GOOD, "d,"], "line 5: d: not a patient of this set"),
        ([*GOOD, "a,"], "line 5: a: has a second row"),
        ([*GOOD, ",1 1 1 1 1"], "line 5: has no patientId"),
        ([*GOOD[:2], "b,0.5 1 2 3", GOOD[3]], "line 3: b: 4 numbers; groups"),
        ([*GOOD[:2], "b,0.5 1 2 3 x", GOOD[3]], "line 3: b: 'x' is not a number"),
        ([*GOOD[:2], "b,nan 1 2 3 4", GOOD[3]], "line 3: b: 'nan' is not a number"),
        ([*GOOD[:2], "b,0.5 1_0 2 3 4", GOOD[3]], "line 3: b: '1_0' is not a number"),
        ([*GOOD[:2], "b,1.5 1 2 3 4", GOOD[3]], "line 3: b: the confidence 1.5 is not between 0 and 1"),
        ([*GOOD[:2], "b,-0.5 1 2 3 4", GOOD[3]], "line 3: b: the confidence -0.5 is not"),
        ([*GOOD[:2], "b,0.5 1 2 0 4", GOOD[3]], "line 3: b: a box without width or height"),
        ([*GOOD[:2], "b,0.5 1 2 3 -4", GOOD[3]], "line 3: b: a box without width or height"),
        ([*GOOD[:2], "b,0.5 1 1e999 3 4", GOOD[3]], "line 3: b: a box without width or height, or not finite"),
        ([*GOOD[:2], "b,0.5 100 2 28.2 4", GOOD[3]], "line 3: b: a box leaves the image of 128 x 128"),
        ([*GOOD[:2], "b,0.5 -1 2 3 4", GOOD[3]], "line 3: b: a box leaves the image"),
    ],
)
def test_broken_files(tmp_path, lines, problem):
    problems = check_predictions(write(tmp_path, lines), "abc", SHAPES)
    assert len(problems) == 1 and problems[0].startswith(problem)


@pytest.mark.parametrize("row", ["b", "b,0.5,1,2,3,4"])
def test_rows_of_another_length(tmp_path, row):
    problems = check_predictions(write(tmp_path, [*GOOD[:2], row, GOOD[3]]), "abc", SHAPES)
    assert [problem.partition(" has ")[0] for problem in problems] == [f"line 3: {row!r}", "line 5: b:"]


def test_quoted_cells_and_columns_in_another_order(tmp_path):
    rows = [row.partition(",")[::2] for row in GOOD]
    path = write(tmp_path, [f'"{text}",{name}' for name, text in rows] + [""])
    assert check_predictions(path, "abc", SHAPES) == []
    assert read_predictions(path)["a"].boxes.tolist() == [[20, 10, 60, 40]]
    with pytest.raises(InputError, match="separated by ';'"):
        check_predictions(write(tmp_path, [row.replace(",", ";") for row in GOOD]), "abc")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        check_predictions(tmp_path / "rsna.csv", "abc")


@pytest.mark.parametrize(
    ("row", "message"), [("b,0.5 1 2 3", "line 3: b: 4 numbers"), ("a,", "line 3: a: has a second row")]
)
def test_reading_refuses_the_first_bad_row(tmp_path, row, message):
    with pytest.raises(InputError, match=message):
        read_predictions(write(tmp_path, [*GOOD[:2], row]))
