"""Logs and output of a kernel on Kaggle."""

import pytest

from tests.kernels.stub import USER, Fault

pytestmark = pytest.mark.usefixtures("waits")
NAME = "dsb-inference-tta"
HEADER = "ImageId,EncodedPixels\n"
GOOD = HEADER + "a,1 3\nb,\n"


@pytest.fixture
def output(kaggle, tmp_path):
    """Three files on two pages, and the sample submission here."""
    kaggle.files = {"one": GOOD.encode(), "two": bytes(range(250)) * 800, "three": b"deep"}
    kaggle.outputs = {"submission.csv": "one", "logs/001/last.h5": "two", "z.txt": "three"}
    data = tmp_path / "data" / "data-science-bowl-2018"
    data.mkdir(parents=True)
    (data / "stage2_sample_submission_final.csv").write_text(HEADER + "a,1 1\nb,1 1\n")
    return tmp_path / "outputs" / NAME


def test_logs_of_a_finished_kernel(kaggle, command):
    assert command("logs", NAME) == (0, "one\ntwo\n", f"kernel {USER}/{NAME}: complete\n")


def test_logs_are_followed_across_a_broken_connection(kaggle, command, waits):
    kaggle.states = [{"status": "QUEUED"}] * 3 + [{"status": "RUNNING"}] * 2 + [{"status": "COMPLETE"}]
    kaggle.log = [f"line {number}\n" for number in range(5)]
    kaggle.cut_log_after = [2]
    code, output, errors = command("logs", NAME, "--follow")
    assert code == 0, errors
    assert output == "".join(kaggle.log)
    assert errors.splitlines() == [f"kernel {USER}/{NAME}: {state}" for state in ("queued", "running", "complete")]
    assert waits[:3] == [2, 4, 8]


def test_a_kernel_that_fails_after_minutes(kaggle, command, waits):
    message = "Your notebook was stopped because it ran out of memory"
    kaggle.states = [{"status": "RUNNING"}] * 12 + [{"status": "ERROR", "failureMessage": message}]
    code, output, errors = command("logs", NAME, "--follow")
    assert code == 2
    assert output == "one\ntwo\n"
    assert errors.splitlines()[-1].endswith(f"failed: {message}; `logs` shows what it printed")
    assert sum(waits) > 180
    assert command("output", NAME)[0] == 2


def test_output_of_all_pages_is_checked(kaggle, command, output):
    code, printed, errors = command("output", NAME)
    assert code == 0, errors
    assert f"3 files of {USER}/{NAME}" in printed
    assert "2 rows' ids as in stage2_sample_submission_final.csv, checked" in printed
    assert (output / "submission.csv").read_text() == GOOD
    assert (output / "logs" / "001" / "last.h5").read_bytes() == bytes(range(250)) * 800


def test_output_goes_on_where_it_broke_off(kaggle, command, output):
    kaggle.fail("GET", Fault(0, after=100_000))  # the first file is the run's weights
    assert command("output", NAME)[0] == 0
    assert (output / "logs" / "001" / "last.h5").read_bytes() == bytes(range(250)) * 800
    ranges = [body["range"] for body in kaggle.bodies("GET") if body["file"] == "two"]
    assert ranges == [None, "bytes=65536-"]


def test_output_of_a_killed_command_is_completed(kaggle, command, output):
    kaggle.fail("GET", Fault(0, after=100_000), *[Fault(500)] * 20)
    code, _, errors = command("output", NAME)
    assert code == 2, errors
    kaggle.faults.clear()
    begin = len(kaggle.requests)
    assert command("output", NAME)[0] == 0
    assert (output / "logs" / "001" / "last.h5").read_bytes() == bytes(range(250)) * 800
    again = [body for name, body in kaggle.requests[begin:] if name == "GET" and body["file"] == "two"]
    assert again[-1]["range"] == "bytes=65536-"
    assert sorted(path.name for path in output.rglob("*.*")) == ["last.h5", "submission.csv", "z.txt"]
    before = (output / "logs" / "001" / "last.h5").stat().st_mtime_ns
    assert command("output", NAME)[0] == 0
    assert (output / "logs" / "001" / "last.h5").stat().st_mtime_ns == before


def test_another_version_of_a_file_does_not_go_on_with_the_part_of_the_first(kaggle, command, output):
    kaggle.fail("GET", Fault(0, after=100_000), *[Fault(500)] * 20)
    assert command("output", NAME)[0] == 2
    kaggle.faults.clear()
    kaggle.files["two"] = b"y" * 150_000
    assert command("output", NAME)[0] == 0
    assert (output / "logs" / "001" / "last.h5").read_bytes() == b"y" * 150_000


def test_an_error_page_is_not_taken_for_the_output(kaggle, command, output):
    kaggle.fail("GET", *[Fault(403, "expired")] * 9)
    code, _, errors = command("output", NAME)
    assert code == 2
    assert "Kaggle refuses (403): expired" in errors
    assert "s3cr3t" not in errors
    assert not (output / "logs" / "001" / "last.h5").exists()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (HEADER + "a,1 3\n", "line 3: b: has no row"),
        (HEADER + "a,1 3\nb,\nc,\n", "line 4: c: not an image of this competition"),
        (HEADER + "a,1 3\na,2 2\nb,\n", "overlaps another one"),
        ("id,mask\n", "has columns id,mask, but needs ImageId,EncodedPixels"),
    ],
)
def test_a_csv_that_the_competition_would_reject(kaggle, command, output, content, problem):
    kaggle.files["one"] = content.encode()
    code, _, errors = command("output", NAME)
    assert code == 2
    assert problem in errors.splitlines()[-1]


def test_a_name_that_leads_out_of_the_folder(kaggle, command, output, tmp_path):
    kaggle.outputs = {"../../../stolen.txt": "three"}
    code, _, errors = command("output", NAME)
    assert code == 2
    assert "leads out of" in errors
    assert not (tmp_path / "stolen.txt").exists()


def test_a_kernel_that_still_runs_has_no_output(kaggle, command, output):
    kaggle.states = [{"status": "RUNNING"}]
    code, _, errors = command("output", NAME)
    assert code == 2
    assert "running; wait with `logs --follow`" in errors


def test_no_sample_submission(kaggle, command, output, tmp_path):
    (tmp_path / "data" / "data-science-bowl-2018" / "stage2_sample_submission_final.csv").unlink()
    code, _, errors = command("output", NAME)
    assert code == 2
    assert "kernel.py download data-science-bowl-2018 --file stage2_sample_submission_final.csv" in errors


def test_an_unknown_kernel(kaggle, command, monkeypatch):
    kaggle.fail("GetKernelSessionStatus", Fault(403, "denied"), Fault(404, "no such kernel"))
    assert "wrong kernel slug" in command("logs", NAME)[2]
    assert "(404): no such kernel; check the name" in command("logs", NAME)[2]
    code, _, errors = command("logs", "no-such-kernel")
    assert (code, errors.count("\n")) == (2, 1)
    assert "no such kernel; give one of dsb-inference-tta, dsb-train," in errors
