"""wbc/wbc.py as a user runs it."""

import csv
from pathlib import Path

import pytest

from common.output.submission import read_rows
from tests.cells import write_set
from tests.scripts import NARROW_FLAGS, finish, run_here, start

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
        (["train", "--class-names", "Monocyte"], "WBC/train/image/Neutrophil: no class of Monocyte; rename"),
        (["evaluate"], "logs: no trained step there; train with wbc/wbc.py train"),
        (["evaluate", "--subset", "detect"], "--subset: invalid choice: 'detect'"),
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
        ("predict", FLAGS.replace("epochs ", "") + " subset splash image output workers"),
        ("evaluate", "subset splash image output"),
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
    code, _, errors = finish(start(folder, SCRIPT, "train", "--dataset", "WBC", *TINY))
    assert (code, errors) == (0, [])
    return folder


@pytest.mark.slow
def test_training_is_scored(trained):
    with (trained / "logs" / "wbc" / "log.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["epoch"] == "1" and 0 <= float(row["score"]) <= 1 and float(row["val_loss"]) > 0


@pytest.mark.slow
def test_cells_are_evaluated_and_drawn(trained):
    flags = ["--dataset", "WBC", "--overlays", "overlays", "--workers", 0]
    code, output, errors = finish(start(trained, SCRIPT, "evaluate", *flags))
    assert (code, errors) == (0, [])
    lines = output.splitlines()
    table = [line.split()[0] for line in lines if line.startswith(("Basophil", "Monocyte", "Neutrophil", "all "))]
    assert table == ["Basophil", "Monocyte", "Neutrophil", "all"]
    assert lines[-1].startswith("mAP at IoU 0.5: ") and " over 2 images and the classes Basophil, " in lines[-1]
    rows = read_rows(trained / "submissions" / "wbc.csv", ["ImageId", "ClassId", "Score", "EncodedPixels"])
    assert list(dict.fromkeys(rows["ImageId"])) == ["Monocyte_02", "Neutrophil_04"]
    assert (trained / "submissions" / "wbc_confusion.csv").read_text().startswith("true,missed,Basophil,")
    assert (trained / "submissions" / "wbc_confusion.png").exists()
    assert {path.stem for path in (trained / "images").iterdir()} == {"Monocyte_02", "Neutrophil_04", "overview"}


@pytest.mark.slow
def test_images_without_masks_are_predicted(trained):
    flags = ["--dataset", "WBC", "--subset", "detect", "--limit", 1, "--output", "one.csv"]
    code, output, errors = finish(start(trained, SCRIPT, "predict", *flags, "--splash", "s", "--overlays", "p"))
    assert (code, errors) == (0, [])
    assert output.splitlines()[-3] == "wrote one.csv: 1 images"
    assert [path.name for path in (trained / "s").iterdir()] == ["a.png"]
    assert {path.name for path in (trained / "p").iterdir()} == {"a.png", "overview.png"}
