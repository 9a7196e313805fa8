"""wbc/wbc.py as a user runs it."""

import csv
import runpy
import sys
from pathlib import Path

import pytest

from common.output.submission import read_rows
from tests.cells import write_set
from tests.scripts import NARROW_FLAGS, run_here

SCRIPT = Path(__file__).resolve().parents[2] / "wbc" / "wbc.py"
FLAGS = "dataset weights logs preset epochs limit skip-bad balanced min-dim max-dim confidence"
TINY = ["--preset", "small", "--min-dim", "64", "--max-dim", "64", "--crop-size", "64", "--batch-size", "2"]
TINY += NARROW_FLAGS
TINY += ["--mask-convs", "1", "--train-rois", "8", "--steps-per-epoch", "1", "--validation-steps", "1"]
TINY += ["--confidence", "0", "--mask-threshold", "0.4", "--epochs", "1", "--score-every", "1", "--no-bfloat16"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: command"),
        (["mask"], "invalid choice: 'mask'"),
        (["train", "--dataset", "nowhere"], "nowhere: no such folder or zip archive"),
        (["train", "--class-names", "Monocyte"], "WBC/train/image/Neutrophil: none of Monocyte; rename"),
        (["train", "--dilation"], "unrecognized arguments: --dilation"),
        (["predict", "--score"], "logs: no trained step; train with wbc/wbc.py train"),
        (["predict", "--subset", "detect", "--score"], "--score: the images of detect have no masks; choose --subset"),
        (
            ["predict", "--score", "x.csv"],
            "--score x.csv: the masks of --dataset are the ground truth; give --score alone",
        ),
        (["prepare", "--images", "data"], "the following arguments are required: --masks"),
        (["prepare", "--images", "data", "--masks", "data", "--seed", "-1"], "--seed -1: must be at least 0"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_set(tmp_path / "data" / "WBC")
    code, _, errors = run_here(monkeypatch, capsys, SCRIPT, *arguments)
    assert code == 2 and message in errors and len(errors.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("train", FLAGS),
        (
            "predict",
            FLAGS.replace("epochs ", "").replace("balanced ", "") + " subset splash overlays output workers score",
        ),
        ("prepare", "images masks dataset seed"),
    ],
)
def test_help_shows_every_flag(monkeypatch, capsys, command, flags):
    code, text, errors = run_here(monkeypatch, capsys, SCRIPT, command, "--help")
    assert (code, errors) == (0, "")
    assert "python wbc/wbc.py train --dataset WBC --weights coco" in text
    assert [flag for flag in flags.split() if f"--{flag} " not in text.replace("]", " ").replace(",", " ")] == []


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Where a user stands who has trained for an epoch of one step."""
    folder = tmp_path_factory.mktemp("user")
    write_set(folder / "WBC")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))
        patch.setattr(sys, "argv", [str(SCRIPT), "train", "--dataset", "WBC", *TINY])
        runpy.run_path(str(SCRIPT), run_name="__main__")
    return folder


@pytest.mark.slow
def test_training_is_scored(trained):
    with (trained / "logs" / "wbc" / "log.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["epoch"] == "1" and 0 <= float(row["score"]) <= 1 and float(row["val_loss"]) > 0


@pytest.mark.slow
def test_cells_are_scored_and_drawn(trained, monkeypatch, capsys):
    monkeypatch.chdir(trained)
    flags = ["--dataset", "WBC", "--score", "--overlays", "overlays", "--workers", 0]
    code, output, _ = run_here(monkeypatch, capsys, SCRIPT, "predict", *flags)
    assert code == 0
    lines = output.splitlines()
    table = [line.split()[0] for line in lines if line.startswith(("Basophil", "Monocyte", "Neutrophil", "all "))]
    assert table == ["Basophil", "Monocyte", "Neutrophil", "all"]
    assert lines[-1].startswith("mAP at IoU 0.5: ") and " over 2 images and the classes Basophil, " in lines[-1]
    rows = read_rows(trained / "submissions" / "wbc.csv", ["ImageId", "ClassId", "Score", "EncodedPixels"])
    assert list(dict.fromkeys(rows["ImageId"])) == ["Monocyte_02", "Neutrophil_04"]
    assert (trained / "submissions" / "wbc_confusion.csv").read_text().startswith("true,missed,Basophil,")
    assert (trained / "submissions" / "wbc_confusion.png").exists()
    assert {path.stem for path in (trained / "overlays").iterdir()} == {"Monocyte_02", "Neutrophil_04", "overview"}


@pytest.mark.slow
def test_images_without_masks_are_predicted(trained, monkeypatch, capsys):
    monkeypatch.chdir(trained)
    flags = ["--dataset", "WBC", "--subset", "detect", "--limit", 1, "--output", "one.csv", "--workers", 0]
    code, output, _ = run_here(monkeypatch, capsys, SCRIPT, "predict", *flags, "--splash", "s", "--overlays", "p")
    assert code == 0
    assert output.splitlines()[-3] == "wrote one.csv: 1 images"
    assert [path.name for path in (trained / "s").iterdir()] == ["a.png"]
    assert {path.name for path in (trained / "p").iterdir()} == {"a.png", "overview.png"}
    assert not (trained / "one_confusion.csv").exists()


@pytest.mark.slow
def test_a_cluster_writes_the_same_file(trained, monkeypatch, capsys):
    pytest.importorskip("distributed")
    monkeypatch.chdir(trained)
    for output, flags in (("here.csv", ["--workers", 0]), ("there.csv", ["--scheduler", "local:1"])):
        code, _, _ = run_here(monkeypatch, capsys, SCRIPT, "predict", "--dataset", "WBC", "--output", output, *flags)
        assert code == 0
    assert (trained / "there.csv").read_bytes() == (trained / "here.csv").read_bytes()
