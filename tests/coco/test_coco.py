"""COCO's script as a user runs it."""

import csv
import json

import pytest

from common.output.submission import read_rows
from common.settings.mask_rcnn import SEPARATION
from tests.coco.running import FOLDER, run_in
from tests.coco_files import write_subset
from tests.scripts import NARROW_FLAGS, run_here

TINY = ["--min-dim", "64", "--max-dim", "64", "--tile-size", "64", "--tile-overlap", "32", "--crop-size", "64"]
TINY += ["--batch-size", "2", "--steps-per-epoch", "1", "--validation-steps", "1", "--train-rois", "8"]
TINY += [*NARROW_FLAGS, "--pre-nms-limit", "200", "--train-proposals", "50"]
TINY += ["--mask-convs", "1", "--max-detections", "10"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("user")
    for name in ("train", "val"):
        write_subset(folder / "coco", name)
    return folder


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "data/coco: no such folder or zip archive"),
        (["evaluate"], "invalid choice: 'evaluate'"),
        (
            ["predict", "--dataset", "coco", "--weights", "w.h5", "--score", "x.json"],
            "--score x.json: give --score alone",
        ),
        (["predict", "--weights", "w.h5", "--views", "votes"], "unrecognized arguments: --views votes"),
        (["train", "--dataset", "coco", "--year", "2014"], "instances_train2014.json 0 times"),
        (["train", "--dataset", "coco", "--class-names", "kite,moon"], "--class-names moon: not a category of "),
        (["predict", "--dataset", "coco"], "logs: no trained step; train with coco/coco.py train"),
        (["predict", "--dataset", "coco", "--weights", "w.h5", "--subset", "test"], "instances_test2017.json 0 times"),
        (
            ["predict", "--dataset", "coco", "--weights", "w.h5", "--class-names", "moon"],
            "none of its categories (boat",
        ),
        (["predict", "--dataset", "coco", "--weights", "w.h5", "--class-names", "kite"], "w.h5: not a weights file"),
    ],
)
def test_bad_input_is_one_line(folder, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(folder)
    (folder / "w.h5").write_text("")
    code, _, errors = run_here(monkeypatch, capsys, FOLDER / "coco.py", *arguments)
    *progress, line = errors.splitlines()
    assert code == 2
    assert message in line
    assert all("reading" in part or not part for part in progress)
    assert {path.name for path in folder.iterdir()} <= {"coco", "w.h5"}


@pytest.mark.slow
def test_a_step_of_training_is_predicted_and_scored(folder):
    run_in(
        folder, "coco.py", "train", *TINY, "--dataset", "coco", "--epochs", 1, "--score-every", 1, "--weights", "none"
    )
    run = folder / "logs" / "coco"
    with (run / "log.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert 0 <= float(row["score"]) <= 1 and float(row["val_loss"]) > 0
    config = json.loads((run / "config.json").read_text())
    assert config["class_names"] == ["boat", "goat", "kite"] and not SEPARATION & config.keys()
    flags = ["--dataset", "coco", "--limit", 2, "--overlays", "overlays", "--workers", 0]
    lines = run_in(folder, "coco.py", "predict", "--score", *flags)
    assert lines[-1].startswith("average precision: boxes ") and lines[-1].endswith(", over 2 images")
    assert sum("Average Precision" in line for line in lines) == 12
    results = json.loads((folder / "submissions" / "coco.json").read_text())
    rows = read_rows(folder / "submissions" / "coco.csv", ["ImageId", "Score", "X", "EncodedPixels"])
    assert len(results) == (rows["Score"] != "").sum() > 0
    assert {result["category_id"] for result in results} <= {3, 17, 90}
    assert {result["image_id"] for result in results} <= {7, 11}
    assert {path.name for path in (folder / "overlays").iterdir()} == {"7.png", "11.png", "overview.png"}
    lines = run_in(folder, "coco.py", "predict", *flags[:4], "--workers", 0, "--output", "two.csv")
    assert lines[-2:] == ["wrote two.csv: 2 images", f"wrote two.json: {len(results)} objects"]
    for name in ("coco.csv", "coco.json"):
        assert (folder / name.replace("coco", "two")).read_bytes() == (folder / "submissions" / name).read_bytes()
