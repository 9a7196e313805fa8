"""isic/train.py and isic/predict.py as a user runs them."""

import csv
import runpy
import sys
from pathlib import Path

import pytest

from common.images.decoding import decode_image
from isic.config import SMALL
from tests.lesions import HEIGHT, WIDTH, write_set
from tests.scripts import NARROW_FLAGS, run_here

FOLDER = Path(__file__).resolve().parents[2] / "isic"
FLAGS = "dataset labels weights logs preset limit skip-bad fold fold-seed lesion min-dim max-dim"
TINY = ["--preset", "small", "--min-dim", "64", "--max-dim", "64", "--crop-size", "64", "--batch-size", "2"]
TINY += NARROW_FLAGS
TINY += ["--mask-convs", "1", "--train-rois", "8", "--steps-per-epoch", "1", "--validation-steps", "1"]
TINY += ["--confidence", "0", "--mask-threshold", "0.4", "--epochs", "1", "--score-every", "1", "--no-bfloat16"]


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("train.py", ["--dataset", "nowhere"], "nowhere: no such folder or zip archive"),
        (
            "train.py",
            ["--dataset", "set", "--labels", "no.json"],
            "no.json: no such file; give the labels with --labels",
        ),
        ("train.py", ["--dataset", "set", "--class-names", "mole"], "category 'lesion' is none of mole"),
        ("train.py", ["--fold", "5"], "--fold: invalid choice: '5'"),
        ("train.py", ["--separate"], "unrecognized arguments: --separate"),
        ("predict.py", ["--dataset", "set"], "logs: no trained step; train with isic/train.py"),
        ("predict.py", ["--weights", "no.h5"], "no.h5: no such file"),
        ("predict.py", ["--subset", "val"], "--subset: invalid choice: 'val'"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, script, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_set(tmp_path / "set")
    code, _, errors = run_here(monkeypatch, capsys, FOLDER / script, *arguments)
    last = errors.splitlines()[-1]  # after the progress bar
    assert code == 2 and message in last and "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fold", "0"], "--fold 0: only train is split into folds; add --subset train"),
        (
            ["--score", "a.json", "--labels", "b.json"],
            "--score a.json: --labels already names b.json; give the file",
        ),
        (["--score", "no.json"], "no.json: no such file; give the labels with --labels"),
    ],
)
def test_impossible_choices_of_images_are_refused(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_set(tmp_path / "set")
    (tmp_path / "some.h5").write_bytes(b"")
    flags = ["--dataset", "set", "--weights", "some.h5", "--geometry", "aligned", *arguments]
    code, _, errors = run_here(monkeypatch, capsys, FOLDER / "predict.py", *flags)
    assert code == 2 and message in errors.splitlines()[-1]


def test_labels_by_either_flag_choose_the_same_images(tmp_path, monkeypatch):
    write_set(tmp_path / "set")
    labels = tmp_path / "own.json"
    (tmp_path / "set" / "labels.json").rename(labels)
    monkeypatch.setattr(sys, "path", list(sys.path))
    script = runpy.run_path(str(FOLDER / "predict.py"), run_name="prediction")

    def choose(*arguments):
        flags = ["predict.py", "--dataset", tmp_path / "set", "--subset", "train", *arguments]
        monkeypatch.setattr(sys, "argv", list(map(str, flags)))
        return script["choose_images"](script["_parse"](), SMALL)

    chosen = [choose("--score", labels), choose("--score", "--labels", labels)]
    assert [images.image_ids for images in chosen] == [["ISIC_1", "ISIC_2", "ISIC_3", "ISIC_4"]] * 2
    assert [len(images.load_instances(2)) for images in chosen] == [2, 2]
    in_fold = [choose("--fold", 0, "--labels", labels), choose("--fold", 0, "--score", labels)]
    assert in_fold[0].image_ids == in_fold[1].image_ids and 0 < len(in_fold[0]) < 4
    assert len(choose("--limit", 5)) == 5  # without labels, all images


@pytest.mark.parametrize(
    ("script", "flags"), [("train.py", "epochs exclude"), ("predict.py", "subset score masks overlays output workers")]
)
def test_help_shows_every_flag(monkeypatch, capsys, script, flags):
    code, text, errors = run_here(monkeypatch, capsys, FOLDER / script, "--help")
    assert (code, errors) == (0, "")
    assert f"python isic/{script} --dataset isic.zip" in text
    wanted = f"{FLAGS} {flags}".split()
    assert [flag for flag in wanted if f"--{flag}" not in text.replace(",", " ").split()] == []


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Where a user stands who has trained for an epoch of one step."""
    folder = tmp_path_factory.mktemp("user")
    write_set(folder / "set")
    script = str(FOLDER / "train.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))
        patch.setattr(sys, "argv", [script, "--dataset", "set", *TINY, "--fold", "same"])
        runpy.run_path(script, run_name="__main__")
    return folder


@pytest.mark.slow
def test_training_is_scored(trained):
    with (trained / "logs" / "lesion" / "log.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["epoch"] == "1" and 0 <= float(row["score"]) <= 1 and float(row["val_loss"]) > 0


@pytest.mark.slow
def test_lesions_are_predicted_scored_and_drawn(trained, monkeypatch, capsys):
    monkeypatch.chdir(trained)
    flags = ["--dataset", "set", "--subset", "train", "--score", "--overlays", "overlays", "--masks", "masks"]
    code, output, _ = run_here(monkeypatch, capsys, FOLDER / "predict.py", *flags, "--workers", 0)
    assert code == 0
    lines = output.splitlines()
    (leak,) = (line for line in lines if "was trained on" in line)
    assert leak.startswith("warning: ") and "was trained on 4 of these images, such as ISIC_1" in leak
    assert "wrote submissions/isic.csv: 4 images" in lines
    assert lines[-1].startswith("mean Jaccard ") and lines[-1].endswith(" over 4 images")
    assert any(line.startswith("mAP at IoU 0.5: ") for line in lines)
    ids = ["ISIC_1", "ISIC_2", "ISIC_3", "ISIC_4"]
    masks = {path.name: decode_image(path.read_bytes(), path.name) for path in (trained / "masks").iterdir()}
    assert sorted(masks) == [f"{image_id}_segmentation.png" for image_id in ids]
    assert all(mask.shape == (HEIGHT, WIDTH, 3) and set(mask.ravel().tolist()) <= {0, 255} for mask in masks.values())
    with (trained / "submissions" / "isic_boxes.csv").open(newline="") as file:
        assert {row["ImageId"] for row in csv.DictReader(file)} <= set(ids)
    assert {path.stem for path in (trained / "overlays").iterdir()} == {*ids, "overview"}
