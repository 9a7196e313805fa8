"""A CSV written image by image, and resumed."""

import multiprocessing
import os
import signal

import pytest

from common.errors import InputError
from common.output.writer import SubmissionWriter

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


def test_a_second_writer_of_one_file_is_refused_and_changes_nothing(tmp_path):
    path = tmp_path / "s.csv"
    with SubmissionWriter(path, ["a", "b"], "same") as writer:
        writer.write("a", ["1 2"])
        before = writer.partial.read_bytes()
        for fingerprint in ("same", "other"):
            with (
                pytest.raises(
                    InputError, match=rf"s.csv is in use by process {os.getpid()} on .*choose another --output"
                ),
                SubmissionWriter(path, ["a", "b"], fingerprint),
            ):
                pass
        assert writer.partial.read_bytes() == before
        writer.write("b", [])
        writer.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["s.csv"]


def test_a_writer_that_stops_lets_the_next_one_go_on(tmp_path):
    path = tmp_path / "s.csv"
    with pytest.raises(KeyboardInterrupt), SubmissionWriter(path, ["a"], "same"):
        raise KeyboardInterrupt
    with pytest.raises(InputError, match="left by another run"), SubmissionWriter(path, ["a"], "other"):
        pass
    with SubmissionWriter(path, ["a"], "same") as writer:
        writer.write("a", [])
        writer.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["s.csv"]
