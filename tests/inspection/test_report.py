"""Reports are written by one command, and bad input is one line."""

import numpy as np
import pandas as pd

from common.images.decoding import save_image
from common.runs.log import LOG_FILE, append_epoch
from tests.scripts import run_here

REPORT = "../inspection/report.py"


def test_the_weights_that_come_along_are_healthy(tmp_path, monkeypatch, capsys):
    code, out, _ = run_here(monkeypatch, capsys, REPORT, "weights", "small", "--output", tmp_path / "report")
    assert code == 0 and f"wrote {tmp_path / 'report' / 'index.html'}: 4 sections" in out
    assert pd.read_csv(tmp_path / "report" / "01_problems_in_small.csv").empty
    assert pd.read_csv(tmp_path / "report" / "02_all_weights_of_small.csv")["parameters"].sum() > 1e6


def test_runs_are_compared(tmp_path, monkeypatch, capsys):
    for name, scores in (("a", (0.2, 0.5, 0.4)), ("b", (0.1, 0.3))):
        (tmp_path / name).mkdir()
        for epoch, score in enumerate(scores, start=1):
            append_epoch(tmp_path / name / LOG_FILE, epoch, {"loss": 1 / epoch, "score": score})
    folders = [tmp_path / "a", tmp_path / "b"]
    code, _, _ = run_here(monkeypatch, capsys, REPORT, "runs", *folders, "--output", tmp_path / "report")
    best = pd.read_csv(tmp_path / "report" / "03_best_score.csv", index_col=0)
    assert code == 0 and best["best score"].tolist() == [0.5, 0.3] and best["at epoch"].tolist() == [2, 2]


def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "bad.h5").write_bytes(b"not HDF5")
    for arguments, message in (
        (["weights", tmp_path / "bad.h5"], "not a weights file"),
        (["weights", "nowhere.h5"], "no such weights file"),
        (["weights", "small", "small", "small"], "a third file"),
        (["weights", "small", "small"], "small: given twice; give one file, or two different ones"),
        (["runs", tmp_path], "no log.csv with an epoch"),
        (["weights", "small", "--output", tmp_path / "bad.h5"], "give a folder"),
        (["dreams"], "invalid choice"),
    ):
        code, _, errors = run_here(monkeypatch, capsys, REPORT, *arguments)
        assert code == 2 and message in errors.splitlines()[-1], arguments


def test_a_report_never_touches_the_images_of_its_set(tmp_path, monkeypatch, capsys):
    images = tmp_path / "images"
    images.mkdir()
    for name in ("01_scan.png", "02_scan.png"):
        save_image(images / name, np.zeros((8, 8, 3), np.uint8))
    for output in (images, images / "report"):
        code, _, errors = run_here(monkeypatch, capsys, REPORT, "data", "--dataset", images, "--output", output)
        assert code == 2 and "lies among the images" in errors.splitlines()[-1]
    assert sorted(path.name for path in images.iterdir()) == ["01_scan.png", "02_scan.png"]
