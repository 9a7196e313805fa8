"""The pneumonia script as a user runs it: trained for a step, predicted, scored; bad input in one line."""

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rsna.submission import check_predictions, read_predictions
from tests.dicoms import encode_dicom
from tests.radiographs import BOXES, SIZE, TEST, radiograph, write_set
from tests.scripts import NARROW_FLAGS, finish, run_here, start

RSNA = Path(__file__).resolve().parents[2] / "rsna"
SCRIPT = RSNA / "pneumonia.py"
TINY = ["--min-dim", "64", "--crop-size", "64", "--batch-size", "2", "--steps-per-epoch", "1", "--epochs", "1"]
TINY += NARROW_FLAGS
TINY += ["--train-rois", "8", "--validation-steps", "1", "--score-every", "1", "--confidence", "0"]


@pytest.fixture
def user(tmp_path, monkeypatch):
    """A folder with a set in it, where the user stands."""
    write_set(tmp_path / "datasets")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def messages(errors: str) -> list[str]:
    """Return the lines on stderr that are no progress bar."""
    return [line for line in errors.splitlines() if line and not re.search(r"%\||\d+/\d+ \[", line)]


IMAGE = "stage_2_train_images/patient-3.dcm"
DICOM = encode_dicom(radiograph([]), jpeg=True)
BAD_INPUT = {
    "no-command": ([], {}, "the following arguments are required: command"),
    "unknown-flag": (["train", "--size", "3"], {}, "unrecognized arguments: --size 3"),
    "no-folder": (["train", "--dataset", "nowhere"], {}, "nowhere: no such folder or zip archive"),
    "no-images": (["train", "--dataset", "."], {}, ".: holds none of stage_2_train_images"),
    "bad-row": (
        ["train"],
        {"stage_2_train_labels.csv": b"patientId,x,y,width,height,Target\na,1,2,3,,1\n"},
        "line 2: 'a",
    ),
    "other-csv": (["train"], {"stage_2_train_labels.csv": b"id\na\n"}, "has columns id, but needs patientId"),
    "bad-class": (["train"], {"stage_2_detailed_class_info.csv": b"patientId,class\na,Ill\n"}, "line 2: 'a,Ill'"),
    "cut-off": (["train"], {IMAGE: DICOM[:-300]}, "patient-3.dcm: a DICOM file"),
    "no-image": (["train"], {IMAGE: encode_dicom(None)}, "patient-3.dcm: a DICOM file without an image"),
    "no-dicom": (["train"], {IMAGE: b"hello"}, "patient-3.dcm: not an image"),
    "unlabelled": (["train"], {"stage_2_train_images/new.dcm": DICOM}, "1 patients without a row, such as new"),
    "no-run": (["predict"], {}, "logs: no trained step; train with rsna/pneumonia.py train"),
    "no-weights": (["predict", "--weights", "a.h5,b.h5"], {}, "--weights a.h5: no such file"),
    "no-csv": (["score", "rsna.csv"], {}, "rsna.csv: no such file"),
    "half-a-csv": (
        ["score", "datasets/rsna.csv"],
        {"rsna.csv": b"patientId,PredictionString\n"},
        "has no row",
    ),
    "bad-value": (["train", "--shrink", "0"], {}, "--shrink 0.0: must be from 0.1 to 2"),
}


@pytest.mark.parametrize(("arguments", "files", "message"), BAD_INPUT.values(), ids=BAD_INPUT.keys())
def test_bad_input_is_one_line(user, monkeypatch, capsys, arguments, files, message):
    for name, content in files.items():
        (user / "datasets" / name).write_bytes(content)
    code, _, errors = run_here(monkeypatch, capsys, SCRIPT, *arguments)
    assert code == 2 and message in errors and len(messages(errors)) == 1
    assert not (user / "logs").exists() and not (user / "submissions").exists()


MODEL = "weights logs preset limit fuse-views shrink fusion-iou"
FLAGS = {
    "train": f"{MODEL} epochs negatives augmentation augment imgaug",
    "predict": f"{MODEL} output sample-submission overlays score workers",
    "score": "",
}
FOR_MASKS_AND_TILES = "views separate dilation mask-threshold rotation-range upright max-whole-side tile-size"


@pytest.mark.parametrize("command", FLAGS)
def test_help_shows_the_flags_that_have_an_effect(monkeypatch, capsys, command):
    code, text, errors = run_here(monkeypatch, capsys, SCRIPT, command, "--help")
    assert (code, errors) == (0, "") and "python rsna/pneumonia.py train" in text
    shown = text.replace("]", " ").replace(",", " ").replace("\n", " ")
    assert [flag for flag in f"dataset fold skip-bad {FLAGS[command]}".split() if f"--{flag} " not in shown] == []
    assert [flag for flag in FOR_MASKS_AND_TILES.split() if f"--{flag} " in shown] == []


def test_a_given_csv_is_scored(user, monkeypatch, capsys):
    texts = {patient: " ".join(f"0.9 {' '.join(map(str, box))}" for box in boxes) for patient, boxes in BOXES.items()}
    texts["patient-1"] = ""
    texts["patient-2"] = "0.5 10 10 20 20"
    rows = [f"{patient},{text}\n" for patient, text in texts.items()]
    Path("rsna.csv").write_text("".join(["patientId,PredictionString\n", *rows]))
    code, output, errors = run_here(monkeypatch, capsys, SCRIPT, "score", "rsna.csv")
    assert (code, messages(errors)) == (0, [])
    assert output.splitlines()[-1] == "score 0.6000 over 5 patients; 5 without boxes or predictions left out"
    lines = [line.split() for line in output.splitlines()]
    assert ["Lung", "Opacity", "4", "4", "5", "4", "0.750"] in lines
    assert ["0.400", "4", "1", "1", "0.800", "0.800", "0.600"] in lines
    assert ["patient-2", "0", "1", "0.000"] in lines


def test_the_shell_scripts_hand_over(tmp_path):
    def lines(script: str, *arguments: str) -> list[str]:
        environment = os.environ | {"PYTHON": "echo", "LOGS": "runs"}
        command = ["bash", str(RSNA / script), *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        ).stdout.splitlines()

    assert lines("train.sh", "--preset", "lungfish") == [f"{SCRIPT} train --logs runs --preset lungfish"]
    (tmp_path / "runs" / "pneumonia").mkdir(parents=True)
    (tmp_path / "runs" / "pneumonia" / "last.npz").touch()
    assert lines("train.sh")[1:] == [f"{SCRIPT} train --logs runs --weights last"]
    command = f"{SCRIPT} predict --logs runs --weights last --output submissions/rsna.csv --fuse-views"
    assert lines("predict.sh", "--fuse-views") == [command]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Where a user stands who has trained for a step."""
    folder = tmp_path_factory.mktemp("user")
    write_set(folder / "datasets")
    code, output, errors = finish(start(folder, SCRIPT, "train", *TINY))
    assert (code, errors) == (0, [])
    assert "Lung Opacity" in output and "held out" in output
    return folder


@pytest.fixture
def there(trained, monkeypatch):
    """The same folder, where this process stands."""
    monkeypatch.chdir(trained)
    monkeypatch.setenv("XDG_CACHE_HOME", str(trained / "cache"))
    return trained


@pytest.mark.slow
def test_training_is_scored(trained):
    with (trained / "logs" / "pneumonia" / "log.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert 0 <= float(row["score"]) <= 1 and float(row["val_loss"]) > 0


@pytest.mark.slow
def test_the_test_part_is_predicted_and_scored_with_given_labels(there, monkeypatch, capsys):
    """By four views of two files of weights, in the order of the sample; who has a bad file has a row, but no score."""
    shutil.copytree("datasets", "damaged")
    Path("damaged/stage_2_test_images/test-b.dcm").write_bytes(DICOM[:-300])
    order = [TEST[2], TEST[0], TEST[1]]
    Path("sample.csv").write_text("".join(["patientId,PredictionString\n", *(f"{p},0.5 0 0 9 9\n" for p in order)]))
    labels = [f"{TEST[0]},10,10,50,50,1", *(f"{patient},,,,,0" for patient in TEST[1:])]
    Path("labels.csv").write_text("\n".join(["patientId,x,y,width,height,Target", *labels, ""]))
    flags = ["--weights", "logs/pneumonia/last.h5,logs/pneumonia/best.h5", "--fuse-views", "--shrink", "0.875"]
    flags += ["--fused-confidence", "0", "--sample-submission", "sample.csv", "--skip-bad", "--overlays", "drawn"]
    flags += ["--score", "labels.csv"]
    code, output, errors = run_here(monkeypatch, capsys, SCRIPT, "predict", "--dataset", "damaged", *flags)
    assert (code, messages(errors)) == (0, [])
    path = Path("submissions/rsna.csv")
    assert "wrote submissions/rsna.csv: 3 patients, checked" in output.splitlines()
    assert check_predictions(path, TEST, dict.fromkeys(TEST, (SIZE, SIZE))) == []
    assert list(predictions := read_predictions(path)) == order
    assert len(predictions["test-a"].boxes) > 0 and len(predictions["test-b"].boxes) == 0
    assert re.search(r"^score 0\.\d+ over [12] patients; [01] without", output.splitlines()[-1])
    assert {file.stem for file in Path("drawn").iterdir()} == {"test-a", "test-c", "overview"}


@pytest.mark.slow
def test_held_out_patients_are_predicted_and_scored(there, monkeypatch, capsys):
    flags = ["--score", "--workers", 0, "--output", "held_out.csv"]
    code, output, errors = run_here(monkeypatch, capsys, SCRIPT, "predict", *flags)
    assert (code, messages(errors)) == (0, []) and "was trained on" not in output
    held_out = read_predictions(Path("held_out.csv"))
    assert len(held_out) == 2 and set(held_out) <= set(BOXES)
    again = run_here(monkeypatch, capsys, SCRIPT, "score", "held_out.csv", "--fold", "0")[1]
    assert output.endswith(again) and again.splitlines()[-1].startswith("score ")


@pytest.mark.slow
def test_without_the_package_boxes_are_not_fused(there, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ensemble_boxes", None)
    code, _, errors = run_here(monkeypatch, capsys, SCRIPT, "predict", "--fuse-views", "--output", "fused.csv")
    assert code == 2 and "box fusion needs" in errors and len(messages(errors)) == 1
    assert not Path("fused.csv").exists()


@pytest.mark.slow
def test_a_cluster_writes_the_same_file(there, monkeypatch, capsys):
    """With two models, whose boxes are fused in the workers."""
    pytest.importorskip("distributed")
    models = ["--weights", "logs/pneumonia/last.h5,logs/pneumonia/best.h5", "--fuse-views", "--fused-confidence", "0"]
    for output, flags in (("here.csv", ["--workers", 0]), ("there.csv", ["--scheduler", "local:1"])):
        code, _, _ = run_here(monkeypatch, capsys, SCRIPT, "predict", *models, "--output", output, *flags)
        assert code == 0
    assert Path("there.csv").read_bytes() == Path("here.csv").read_bytes()
