"""Submit: checked first, asked about, sent once, scored, noted."""

import io
import sys

import pytest

from tests.kernels.stub import Fault

pytestmark = pytest.mark.usefixtures("waits")
NAME = "dsb-inference-tta"
HEADER = "ImageId,EncodedPixels\n"
TABLE = "# Runs\n\n| date | score |\n|---|---|\n| 2026-11-20 | 0.5 |\n\nMore text.\n\n| other |\n|---|\n| x |\n"


@pytest.fixture
def csv(kaggle, tmp_path, monkeypatch):
    """A CSV, its sample submission, and a table of runs of our own."""
    import submitting

    table = tmp_path / "README.md"
    table.write_text(TABLE)
    monkeypatch.setattr(submitting.submit_csv, "__kwdefaults__", {"table": table})
    data = tmp_path / "data" / "data-science-bowl-2018"
    data.mkdir(parents=True)
    (data / "stage2_sample_submission_final.csv").write_text(HEADER + "a,1 1\nb,1 1\n")
    path = tmp_path / "my.csv"
    path.write_text(HEADER + "a,1 3\nb,\n")
    return path


def submit(command, path, *flags):
    return command("submit", NAME, "--file", path, "--message", "published, 15 views", *flags)


def test_a_csv_gets_its_score_and_its_row(kaggle, command, csv, tmp_path):
    kaggle.scores = [{"status": "PENDING"}] * 3 + kaggle.scores
    code, output, errors = submit(command, csv, "--yes")
    assert code == 0, errors
    assert "private 0.61400, public 0.5" in output
    assert bytes(kaggle.blobs[kaggle.submissions[0]["token"]]) == csv.read_bytes()
    assert kaggle.bodies("CreateSubmission")[0]["submissionDescription"] == "published, 15 views"
    lines = (tmp_path / "README.md").read_text().splitlines()
    assert lines[5].startswith("| 20")
    assert "| private 0.61400, public 0.5 | published, 15 views |" in lines[5]
    assert lines[:5] + lines[6:] == TABLE.splitlines()


def test_from_a_kernels_output(kaggle, command, csv, tmp_path):
    kaggle.files["one"] = csv.read_bytes()
    kaggle.outputs = {"submission.csv": "one"}
    code, _, errors = command("submit", NAME, "--message", "m", "--yes")
    assert code == 0, errors
    assert bytes(kaggle.blobs[kaggle.submissions[0]["token"]]) == csv.read_bytes()


def test_a_bad_csv_is_not_sent(kaggle, command, csv):
    csv.write_text(HEADER + "a,1 3\n")
    code, _, errors = submit(command, csv, "--yes")
    assert code == 2
    assert "b: has no row" in errors
    assert "StartSubmissionUpload" not in kaggle.names()


@pytest.mark.parametrize(("answer", "sent"), [("y\n", 1), ("n\n", 0), ("\n", 0)])
def test_it_asks_first(kaggle, command, csv, monkeypatch, answer, sent):
    terminal = io.StringIO(answer)
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", terminal)
    code, output, errors = submit(command, csv)
    assert len(kaggle.submissions) == sent
    assert code == (0 if sent else 2), errors
    assert "this is one of 5 submissions left today (UTC). Go on? [y/N]" in output


def test_nobody_to_ask(kaggle, command, csv, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    code, _, errors = submit(command, csv)
    assert (code, kaggle.submissions) == (2, [])
    assert "nobody to ask; add --yes" in errors


def test_the_upload_is_repeated_the_submission_is_not(kaggle, command, csv):
    kaggle.fail("PUT", Fault(500), Fault(503))
    assert submit(command, csv, "--yes")[0] == 0
    assert len(kaggle.submissions) == 1
    kaggle.fail("CreateSubmission", Fault(0), Fault(0))
    code, _, errors = submit(command, csv, "--yes")
    assert code == 2
    assert "it is not known whether Kaggle took the submission" in errors
    assert kaggle.names().count("CreateSubmission") == 2


def test_too_many_requests(kaggle, command, csv, waits):
    kaggle.fail("CreateSubmission", Fault(429, headers={"Retry-After": "33"}))
    assert submit(command, csv, "--yes")[0] == 0
    assert 33 in waits
    assert len(kaggle.submissions) == 1


def test_rules_that_are_not_accepted(kaggle, command, csv):
    kaggle.fail("GetSubmissionLimits", Fault(403, "rules"))
    code, _, errors = submit(command, csv, "--yes")
    assert code == 2
    assert "accept the rules at https://www.kaggle.com/competitions/data-science-bowl-2018/rules" in errors


def test_no_submission_is_left(kaggle, command, csv):
    kaggle.allowed = 0
    kaggle.submissions = [{"ref": 1}]
    code, _, errors = submit(command, csv, "--yes")
    assert code == 2
    assert "no submission is left today (UTC); try again tomorrow" in errors


def test_a_csv_that_kaggle_cannot_score(kaggle, command, csv, tmp_path):
    kaggle.scores = [{"status": "ERROR", "errorDescription": "Evaluation Exception"}]
    code, _, errors = submit(command, csv, "--yes")
    assert code == 2
    assert "Kaggle cannot score it: Evaluation Exception" in errors
    assert (tmp_path / "README.md").read_text() == TABLE


def test_a_kernel_without_a_competition(kaggle, command, csv, tmp_path):
    import shutil

    from kernel_files import FOLDER

    shutil.copytree(FOLDER / NAME, tmp_path / "mine")
    text = (tmp_path / "mine" / "kernel-metadata.json").read_text()
    text = text.replace('"data-science-bowl-2018"', "")
    (tmp_path / "mine" / "kernel-metadata.json").write_text(text)
    code, _, errors = command("submit", tmp_path / "mine", "--file", csv, "--message", "m", "--yes")
    assert code == 2
    assert "has no competition to submit to" in errors
