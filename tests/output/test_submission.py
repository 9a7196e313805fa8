import multiprocessing
import os
import signal

import pytest

from common.errors import InputError
from common.output.submission import COLUMNS, SubmissionWriter, check_submission, read_image_ids, read_rows

IDS = ["a", "b", "c", "d"]
RUNS = {"a": ["1 2", "5 1"], "b": [], "c": ["3 3"], "d": ["", "7 1"]}
FINISHED = "ImageId,EncodedPixels\na,1 2\na,5 1\nb,\nc,3 3\nd,7 1\n"


def write(path, count=4, fingerprint="weights 1"):
    with SubmissionWriter(path, IDS, fingerprint) as writer:
        for image_id in IDS[len(writer.done) : count]:
            writer.write(image_id, RUNS[image_id])
        if count == len(IDS):
            writer.finish()


def write_and_die(path):
    writer = SubmissionWriter(path, IDS, "weights 1").__enter__()
    writer.write("a", RUNS["a"])
    writer.write("b", RUNS["b"])
    os.kill(os.getpid(), signal.SIGKILL)


def check(tmp_path, text, **expected):
    path = tmp_path / "submission.csv"
    path.write_text(text)
    return check_submission(path, **expected)


def test_undisturbed_run(tmp_path):
    write(tmp_path / "new" / "s.csv")
    assert (tmp_path / "new" / "s.csv").read_text() == FINISHED
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["s.csv"]


def test_run_killed_by_the_system_goes_on(tmp_path):
    path = tmp_path / "s.csv"
    process = multiprocessing.get_context("spawn").Process(target=write_and_die, args=(path,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not path.exists()
    with SubmissionWriter(path, IDS, "weights 1") as writer:
        assert writer.done == ["a", "b"]
    write(path)
    assert path.read_text() == FINISHED


def test_whatever_byte_the_file_is_torn_at(tmp_path):
    path, partial = tmp_path / "s.csv", tmp_path / "s.csv.partial"
    write(path, count=3)
    whole = partial.read_bytes()
    for length in range(len(whole) + 1):
        partial.write_bytes(whole[:length])
        write(path)
        assert path.read_text() == FINISHED
        assert not partial.exists()
        path.unlink()


def test_partial_file_of_another_run(tmp_path):
    write(tmp_path / "s.csv", count=2)
    with pytest.raises(InputError, match=r"s\.csv\.partial: left by another run.*delete the file"):
        write(tmp_path / "s.csv", fingerprint="weights 2")
    with (
        pytest.raises(InputError, match="other images"),
        SubmissionWriter(tmp_path / "s.csv", ["b", "a"], "weights 1"),
    ):
        pass


def test_images_come_in_their_order_and_all_of_them(tmp_path):
    with SubmissionWriter(tmp_path / "s.csv", IDS, "weights 1") as writer:
        with pytest.raises(ValueError, match="image b where a is due"):
            writer.write("b", [])
        with pytest.raises(ValueError, match="4 images are missing"):
            writer.finish()
    assert not (tmp_path / "s.csv").exists()


def test_an_earlier_file_stays_until_the_new_one_is_finished(tmp_path):
    (tmp_path / "s.csv").write_text("earlier")
    write(tmp_path / "s.csv", count=3)
    assert (tmp_path / "s.csv").read_text() == "earlier"
    write(tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text() == FINISHED


@pytest.mark.parametrize("image_ids", [["a", "a"], ["a,b"], [""], ["caf\udce9"]])
def test_impossible_ids(tmp_path, image_ids):
    with pytest.raises(InputError):
        SubmissionWriter(tmp_path / "s.csv", image_ids, "weights 1")


def test_read_image_ids(tmp_path):
    path = tmp_path / "sample.csv"
    path.write_text("ImageId,EncodedPixels\nNA,1 1 5 1\nb,1 1\nNA,3 1\n007,\n")
    assert read_image_ids(path) == ["NA", "b", "007"]
    path.write_text("id,predicted\nb,1 1\na,\n")
    assert read_image_ids(path, ("id", "predicted")) == ["b", "a"]
    assert check_submission(path, ["a", "b"], columns=("id", "predicted")) == []
    assert check_submission(path)[0].startswith("line 1: the header is 'id,predicted'")


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
        ("a\n", "line 2: 'a' is not an id, a comma and runs"),
        ("a,1,1\n", "line 2: 'a,1,1' is not"),
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
    assert check(tmp_path, "id,EncodedPixels\n")[0].startswith("line 1: the header is 'id,EncodedPixels'")
    assert check(tmp_path, "")[0].startswith("line 1: the header is ''")
    with pytest.raises(InputError, match="no such file"):
        check_submission(tmp_path / "none.csv")


def test_rows_longer_than_the_header_are_refused(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("ImageId,EncodedPixels\na,1 1,x\nb,1 1,y\n")
    with pytest.raises(InputError, match=r"s\.csv: not a CSV file"):
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


def test_a_byte_order_mark_is_no_problem(tmp_path):
    (tmp_path / "s.csv").write_text("ImageId,EncodedPixels\na,1 1\n", encoding="utf-8-sig")
    assert check_submission(tmp_path / "s.csv") == []
