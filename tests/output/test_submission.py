import io

import pandas as pd
import pytest

from common.errors import InputError
from common.output.submission import COLUMNS, check_submission, read_image_ids, read_rows
from common.output.writer import SubmissionWriter

IDS = ["a", "b", "c", "d"]
RUNS = {"a": ["1 2", "5 1"], "b": [], "c": ["3 3"], "d": ["", "7 1"]}
FINISHED = "ImageId,EncodedPixels\na,1 2\na,5 1\nb,\nc,3 3\nd,7 1\n"


def check(tmp_path, text, **expected):
    path = tmp_path / "submission.csv"
    path.write_text(text)
    return check_submission(path, **expected)


def test_read_image_ids(tmp_path):
    path = tmp_path / "sample.csv"
    path.write_text("ImageId,EncodedPixels\nNA,1 1 5 1\nb,1 1\nNA,3 1\n007,\n")
    assert read_image_ids(path) == ["NA", "b", "007"]
    path.write_text("id,predicted\nb,1 1\na,\n")
    assert read_image_ids(path, ("id", "predicted")) == ["b", "a"]
    assert check_submission(path, ["a", "b"], columns=("id", "predicted")) == []
    with pytest.raises(InputError, match="has columns id,predicted, but needs ImageId,EncodedPixels"):
        check_submission(path)


@pytest.mark.parametrize("text", ["", "ImageId,Pixels\na,1 1\n", "ImageId,EncodedPixels\n"])
def test_wrong_sample_submission(tmp_path, text):
    path = tmp_path / "sample.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"sample\.csv"):
        read_image_ids(path)
    with pytest.raises(InputError, match="no such file"):
        read_image_ids(tmp_path / "none.csv")


def test_a_good_submission_has_no_problems(tmp_path):
    shapes = dict.fromkeys(IDS, (3, 3))
    assert check(tmp_path, FINISHED, image_ids=IDS, image_shapes=shapes) == []
    assert check(tmp_path, FINISHED) == []


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("a,1 2 3\n", "line 2: a: 3 numbers; runs are start-length pairs"),
        ("b,\na,1 x\n", "line 3: a: runs must be integers"),
        ("a,5 1 1 1\n", "line 2: a: run '1 1': the run starts before"),
        ("a,9 1\nb,9 2\n", "line 3: b: run '9 2': the run ends past the image's 9 pixels"),
        ("a,1 9\na,\n", "line 3: a: an empty row beside others"),
        ("a,\na,\n", "line 2: a: an empty row beside others"),
        ("a,1 5\nb,\na,7 1 3 1\n", "line 4: a: run '3 1'"),
        ("a,1 6\nb,\na,2 1 8 1\n", "line 4: a: the mask overlaps another one at pixel 2"),
        ("x,\n", "line 2: x: not an image of this competition"),
        ("a,\n", "line 3: b: has no row"),
        ("a\n", "line 2: 'a' has 1 cells, but the header has 2"),
        ("a,1,1\n", "line 2: 'a,1,1' has 3 cells"),
        (",1 1\n", "line 2: has no ImageId"),
    ],
)
def test_problems_are_named_with_their_line(tmp_path, rows, problem):
    problems = check(
        tmp_path, "ImageId,EncodedPixels\n" + rows, image_ids=["a", "b"], image_shapes={"a": (3, 3), "b": (3, 3)}
    )
    assert any(found.startswith(problem) for found in problems), problems


def test_every_overlapping_mask_is_named(tmp_path):
    rows = "a,1 9\na,2 1\na,4 1 6 1\n"
    problems = check(tmp_path, "ImageId,EncodedPixels\n" + rows)
    assert [problem.split(":")[0] for problem in problems] == ["line 3", "line 4"]


def test_wrong_header(tmp_path):
    for text in ("id,EncodedPixels\n", "", "\n\n"):
        with pytest.raises(InputError, match=r"has columns (id,EncodedPixels)?, but needs ImageId,EncodedPixels"):
            check(tmp_path, text)
    with pytest.raises(InputError, match="no such file"):
        check_submission(tmp_path / "none.csv")


def test_rows_longer_than_the_header_are_refused(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("ImageId,EncodedPixels\na,1 1,x\nb,1 1,y\n")
    with pytest.raises(InputError, match=r"s\.csv: line 2: 'a,1 1,x' has 3 cells, but the header has 2"):
        read_rows(path, COLUMNS)


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz", "zip"])
def test_a_packed_file_that_is_none_is_refused(tmp_path, ending):
    path = tmp_path / f"s.csv.{ending}"
    path.write_text("ImageId,EncodedPixels\na,1 1\n")
    with pytest.raises(InputError, match=rf"s\.csv\.{ending}: not a CSV file"):
        read_rows(path, COLUMNS)


def test_an_id_with_a_separator_of_lines_is_an_id(tmp_path):
    image_ids = ["a\u2028b", "c"]
    with SubmissionWriter(tmp_path / "s.csv", image_ids, "") as writer:
        for image_id in image_ids:
            writer.write(image_id, ["1 1"])
        writer.finish()
    assert check_submission(tmp_path / "s.csv", image_ids) == []


ROWS = [["a", "1 2"], ["a", "5 1"], ["b", ""]]
QUOTED = 'ImageId,EncodedPixels\n"a","1 2"\n"a","5 1"\n"b",""\n'
PLAIN = QUOTED.replace('"', "")


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (PLAIN, [2, 3, 4]),
        (QUOTED, [2, 3, 4]),
        (QUOTED.replace("ImageId,EncodedPixels", '"ImageId","EncodedPixels"'), [2, 3, 4]),
        (QUOTED.replace("\n", "\r\n"), [2, 3, 4]),
        (PLAIN.replace("\n", "\r"), [2, 3, 4]),
        ("\ufeff" + QUOTED, [2, 3, 4]),
        ("EncodedPixels,ImageId\n1 2,a\n5 1,a\n,b\n", [2, 3, 4]),
        (",ImageId,EncodedPixels\n0,a,1 2\n1,a,5 1\n2,b,\n", [2, 3, 4]),
        (PLAIN.replace("ImageId,", "ImageId, "), [2, 3, 4]),
        (PLAIN + "\n\n  \n,\n", [2, 3, 4]),
        (PLAIN.replace("a,5", "\na,5"), [2, 4, 5]),
        (PLAIN.removesuffix("\n"), [2, 3, 4]),
        (QUOTED.replace('"1 2"', '"1\n2"').replace("1\n2", "1 2\n"), [2, 4, 5]),
    ],
)
def test_every_usual_way_to_write_a_csv_is_read(tmp_path, data, lines):
    path = tmp_path / "s.csv"
    path.write_bytes(data.encode())
    table = read_rows(path, COLUMNS)
    assert [[cell.strip() for cell in row] for row in table[list(COLUMNS)].values.tolist()] == ROWS
    assert table.index.tolist() == lines
    assert check_submission(path, ["a", "b"], {"a": (3, 3), "b": (3, 3)}) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (PLAIN.replace(",", ";").encode(), "its columns are separated by ';'; save it with commas"),
        (PLAIN.replace(",", "\t").encode(), r"its columns are separated by '\\t'; save it with commas"),
        (PLAIN.encode("utf-16"), "not UTF-8 text: .*; save it as a CSV in UTF-8"),
        (b'ImageId,EncodedPixels\n"a,1 2\nb,\n', "not a CSV file: unexpected end of data"),
        (b"ImageId,EncodedPixels,ImageId\na,1 2,b\n", "has two columns ImageId; remove one"),
    ],
)
def test_what_cannot_be_told_is_one_line(tmp_path, data, message):
    (tmp_path / "s.csv").write_bytes(data)
    for read in (lambda path: read_rows(path, COLUMNS), check_submission):
        with pytest.raises(InputError, match=message):
            read(tmp_path / "s.csv")


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz", "zip"])
def test_packed_files_are_read(tmp_path, ending):
    path = tmp_path / f"s.csv.{ending}"
    pd.read_csv(io.StringIO(PLAIN), keep_default_na=False).to_csv(path, index=False)
    assert read_rows(path, COLUMNS).values.tolist() == ROWS


def test_a_mask_of_many_runs_fits_into_a_cell(tmp_path):
    runs = " ".join(f"{start} 1" for start in range(1, 60_001, 2))
    (tmp_path / "s.csv").write_text(f"ImageId,EncodedPixels\na,{runs}\n")
    assert read_rows(tmp_path / "s.csv", COLUMNS)["EncodedPixels"].tolist() == [runs]


def test_columns_that_nobody_asked_for_are_told(tmp_path, lines):
    assert check(tmp_path, ",ImageId,EncodedPixels,Score\n0,a,1 2,0.5\n") == []
    assert [line.partition(": ")[2] for line in lines()] == [
        "also has the columns without a name, Score, which Kaggle may refuse; write it without them"
    ]


def test_ids_that_became_numbers_are_told(tmp_path):
    rows = "ImageId,EncodedPixels\n7.0,1 2\n8.5,\n"
    problems = check(tmp_path, rows, image_ids=["007", "8"])
    assert problems[0] == (
        "line 2: 7.0: not an image of this competition (is it 007, turned into a number? write ids as text)"
    )
    assert problems[1] == "line 3: 8.5: not an image of this competition"


def test_a_byte_order_mark_is_no_problem(tmp_path):
    (tmp_path / "s.csv").write_text("ImageId,EncodedPixels\na,1 1\n", encoding="utf-8-sig")
    assert check_submission(tmp_path / "s.csv") == []
