"""Submissions beside each other and beside runs, by one command."""

import numpy as np
import pandas as pd
import pytest

from common.images.synthetic import write_dataset
from common.masks.instances import Instances
from common.masks.rle import encode_instances
from common.runs.log import LOG_FILE, append_epoch
from dsb.dataset import load_dataset
from tests.scripts import run_here

REPORT = "../inspection/report.py"


@pytest.fixture(scope="module")
def nuclei(tmp_path_factory):
    """Return a set with two submissions: one is the truth of all but the last image, the other lacks objects."""
    folder = tmp_path_factory.mktemp("nuclei")
    (folder / "set").mkdir()
    write_dataset(folder / "set", 4, 1, sizes=[(96, 96)])
    images = load_dataset(folder / "set", cache=folder / "cache")
    exact, scored = ["ImageId,EncodedPixels"], ["ImageId,ClassId,Score,EncodedPixels"]
    for index, image_id in enumerate(images.image_ids[:3]):
        objects: Instances = images.load_instances(index)
        texts = encode_instances(objects, images.shape(index))
        exact += [f"{image_id},{text}" for text in texts]
        rates = np.random.default_rng(index).random(len(texts))
        scored += [f"{image_id},1,{rate:.3f},{text}" for rate, text in list(zip(rates, texts, strict=True))[1:]]
    (folder / "exact.csv").write_text("\n".join(exact) + "\n")
    (folder / "scored.csv").write_text("\n".join(scored) + "\n")
    return folder


def test_submissions_and_runs_are_shown_on_one_page(nuclei, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run = tmp_path / "run"
    run.mkdir()
    append_epoch(run / LOG_FILE, 1, {"loss": 1.0, "learning_rate": 1e-3, "seconds": 50})
    (run / "config.json").write_text('{"steps_per_epoch": 100}')
    report = tmp_path / "report"
    submissions = ["--submission", nuclei / "exact.csv", "--submission", nuclei / "scored.csv"]
    arguments = ["runs", run, "--dataset", nuclei / "set", *submissions, "--confidence", "0", "--output", report]
    arguments += ["--only-submitted"]
    code, _, errors = run_here(monkeypatch, capsys, REPORT, *arguments)
    assert code == 0, errors
    table = pd.read_csv(report / "03_average_precision.csv").set_index("submission")
    assert table.loc["exact", "AP"] == 1 and 0.5 < table.loc["scored", "AP"] < 1
    assert table.loc["scored", "R50"] == pytest.approx(1 - 3 / table.loc["scored", "objects"])
    assert pd.read_csv(report / "02_last_epoch.csv")["step_seconds"].tolist() == [0.5]
    titles = [path.stem[3:] for path in sorted(report.glob("[0-9]*"))]
    assert titles[3:6] == ["precision_and_recall", "score_against_confidence", "score_by_object_size"]
    assert "worst_image_of_exact" in titles and "confusion_of_scored" in titles
    worst = pd.read_csv(report / f"{titles.index('worst_images_of_exact') + 1:02}_worst_images_of_exact.csv")
    assert worst["score"].tolist() == [1, 1, 1]  # the image without a row is left out


def test_an_image_without_a_row_counts_as_nothing_found(nuclei, tmp_path, monkeypatch, capsys, lines):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    arguments = ["--dataset", nuclei / "set", "--submission", nuclei / "exact.csv", "--output", tmp_path / "report"]
    code, _, errors = run_here(monkeypatch, capsys, REPORT, "runs", *arguments)
    assert code == 0, errors
    assert any("exact.csv: 1 of 4 images have no row and count as 0" in line for line in lines())
    worst = next((tmp_path / "report").glob("*worst_images_of_exact.csv"))
    assert pd.read_csv(worst)["score"].tolist() == [0, 1, 1, 1]


def test_bad_input_is_one_line(nuclei, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    given = ["--dataset", nuclei / "set"]
    image_id = sorted(path.name for path in (nuclei / "set").iterdir())[0]
    (tmp_path / "class.csv").write_text(f"ImageId,ClassId,Score,EncodedPixels\n{image_id},7,0.5,1 2\n")
    (tmp_path / "none.csv").write_text("ImageId,EncodedPixels\n")
    for arguments, message in (
        ([], "nothing to show"),
        (given, "--submission needs --dataset"),
        (["--submission", nuclei / "exact.csv"], "--submission needs --dataset"),
        ([*given, "--submission", tmp_path / "class.csv"], "class 7 of 1"),
        ([*given, "--submission", tmp_path / "none.csv"], "has no row for an image"),
        ([*given, "--submission", tmp_path / "missing.csv"], "missing.csv"),
    ):
        code, _, errors = run_here(monkeypatch, capsys, REPORT, "runs", *arguments)
        assert code == 2 and message in errors.splitlines()[-1], (arguments, errors)
