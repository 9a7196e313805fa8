"""lung/train.py, predict.py, prepare.py and export.py as a user runs them."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from common.images.decoding import decode_image, read_image
from common.masks.rle import decode_rle
from tests.chests import HEIGHT, WIDTH, write_kaggle, write_plain
from tests.scripts import run_here

FOLDER = Path(__file__).resolve().parents[2] / "lung"
TINY = ["--preset", "small", "--image-size", "32", "--channels", "16,16", "--batch-size", "2", "--no-bfloat16"]
TINY += ["--steps-per-epoch", "2", "--validation-steps", "1", "--score-every", "1", "--decay", "steps"]
TINY += ["--warmup-steps", "0"]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache of the tests' own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "lung-cache"))


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("train.py", ["--dataset", "nowhere"], "nowhere: no such folder or zip archive"),
        (
            "train.py",
            ["--dataset", "set/images"],
            "none of its 6 radiographs has a mask; training and scoring need them",
        ),
        ("train.py", ["--dataset", "set/masks"], "set/masks: no radiographs; give the folder or archive"),
        ("train.py", ["--dataset", "set", "--metadata", "no.csv"], "--metadata no.csv: no such file"),
        ("train.py", ["--image-size", "50"], "--image-size 50: 4 levels need a multiple of 16"),
        ("train.py", ["--fold", "5"], "--fold: invalid choice: '5'"),
        ("train.py", ["--weights", "coco"], "--weights coco: no such file; give last, none, lung or a weights file"),
        ("train.py", ["--weights", "small"], "--weights small: no such file"),
        ("train.py", ["--dataset", "set", "--weights", "last"], "no run to resume; start one with --weights none or a"),
        ("train.py", ["--backbone", "small"], "unrecognized arguments: --backbone small"),
        ("predict.py", ["--dataset", "set"], "logs: no trained step; train with lung/train.py"),
        ("predict.py", ["--weights", "no.h5"], "no.h5: no such file"),
        ("predict.py", ["--views", "votes"], "--views: invalid choice: 'votes'"),
        ("predict.py", ["--largest", "-1"], "--largest -1: must be at least 0"),
        ("prepare.py", ["--dataset", "set", "--output", "a.tar"], "--output a.tar: give a name that ends in .zip"),
        ("prepare.py", ["--dataset", "set", "--output", "a.zip", "--side", "9"], "--side 9: must be from 32 to 2048"),
        ("export.py", ["--output", "a.onnx"], "logs: no trained step; train with lung/train.py"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, script, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_plain(tmp_path / "set")
    if "--largest" in arguments:
        (tmp_path / "some.h5").write_bytes(b"")
        arguments = ["--dataset", "set", "--weights", "some.h5", *arguments]
    code, _, errors = run_here(monkeypatch, capsys, FOLDER / script, *arguments)
    last = errors.splitlines()[-1]  # after the progress bar
    assert code == 2 and message in last and "Traceback" not in errors
    assert {path.name for path in tmp_path.iterdir()} <= {"set", "some.h5"}


@pytest.mark.parametrize(
    ("script", "flags"),
    [
        (
            "train.py",
            "dataset metadata weights logs preset limit skip-bad fold fold-seed epochs image-size channels norm",
        ),
        ("predict.py", "dataset metadata weights logs fold score masks overlays output workers views largest"),
        ("prepare.py", "dataset metadata output side skip-bad"),
        ("export.py", "weights logs output"),
    ],
)
def test_help_shows_every_flag(monkeypatch, capsys, script, flags):
    code, text, errors = run_here(monkeypatch, capsys, FOLDER / script, "--help")
    assert (code, errors) == (0, "") and f"python lung/{script} " in text
    assert [flag for flag in flags.split() if f"--{flag}" not in text.replace(",", " ").split()] == []
    assert "coco" not in text and "mrcnn" not in text


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Where a user stands who has trained for two epochs of two steps, on Kaggle's sets and plain folders."""
    folder = tmp_path_factory.mktemp("user")
    write_kaggle(folder / "kaggle")
    write_plain(folder / "set")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "lung-cache"))
        patch.chdir(folder)
        train(patch, "--dataset", "kaggle", "--logs", "logs", "--epochs", 2)
    return folder


def train(patch, *arguments):
    import runpy

    patch.setattr(sys, "path", list(sys.path))
    patch.setattr(sys, "argv", [str(FOLDER / "train.py"), *map(str, (*TINY, *arguments))])
    runpy.run_path(str(FOLDER / "train.py"), run_name="__main__")


def read_log(folder):
    with (folder / "lung" / "log.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def test_a_run_leaves_its_files(trained):
    rows = read_log(trained / "logs")
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(0 <= float(row["score"]) <= 1 and float(row["val_dice_loss"]) > 0 for row in rows)
    names = {path.name for path in (trained / "logs" / "lung").iterdir()}
    assert names > {"config.json", "log.csv", "last.h5", "best.h5", "last.npz", "curves.png"}
    assert any(name.startswith("events") for name in names)
    assert read_image(trained / "logs" / "lung" / "curves.png").std() > 10


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_same_bytes(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(trained)
    for epochs in (1, 2):
        train(monkeypatch, "--dataset", "kaggle", "--logs", tmp_path, "--epochs", epochs)
    assert read_log(tmp_path) == read_log(trained / "logs")
    ours, theirs = (np.load(logs / "lung" / "last.npz") for logs in (tmp_path, trained / "logs"))
    assert set(ours) == set(theirs)
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
    for name in ("last.h5", "best.h5"):
        assert (tmp_path / "lung" / name).read_bytes() == (trained / "logs" / "lung" / name).read_bytes()


@pytest.fixture
def lenient(trained, tmp_path, monkeypatch):
    """Flags that find lungs after four steps; the outputs go to a folder of this test's own."""
    monkeypatch.chdir(tmp_path)
    weights = trained / "logs" / "lung" / "last.h5"
    return ["--weights", weights, "--mask-threshold", "0.3", "--workers", "0"]


def test_lungs_are_predicted_scored_and_drawn(trained, lenient, tmp_path, monkeypatch, capsys):
    flags = [*lenient, "--dataset", trained / "set", "--score", "--overlays", "drawn", "--masks", "masks"]
    flags += ["--views", "scales", "--largest", "2"]
    code, output, _ = run_here(monkeypatch, capsys, FOLDER / "predict.py", *flags)
    assert code == 0
    lines = output.splitlines()
    assert lines[-2].startswith("wrote drawn") or lines[-1].startswith("wrote drawn")
    assert any(line.startswith("mean Dice ") and line.endswith(" over 6 radiographs") for line in lines)
    ids = [f"cxr_{number}" for number in range(6)]
    with (tmp_path / "submissions" / "lung.csv").open(newline="") as file:
        rows = {row["ImageId"]: row for row in csv.DictReader(file)}
    assert list(rows) == ids
    for image_id, row in rows.items():
        data = (tmp_path / "masks" / f"{image_id}_mask.png").read_bytes()
        mask = decode_image(data, image_id)
        assert mask.shape == (HEIGHT, WIDTH, 3) and set(np.unique(mask)) <= {0, 255}
        np.testing.assert_array_equal(mask[..., 0] > 0, decode_rle(row["EncodedPixels"], (HEIGHT, WIDTH)))
        assert not row["Score"] or 0.3 <= float(row["Score"]) <= 1
    with (tmp_path / "submissions" / "lung_scores.csv").open(newline="") as file:
        scores = [float(row["Dice"]) for row in csv.DictReader(file)]
    assert len(scores) == 6 and scores == sorted(scores) and scores[-1] > 0
    assert {path.name for path in (tmp_path / "drawn").iterdir()} == {
        "overview.png",
        *(f"{one}_panels.png" for one in ids),
    }


def test_a_fold_is_that_of_training(trained, lenient, tmp_path, monkeypatch, capsys):
    flags = [*lenient, "--dataset", trained / "kaggle", "--fold", "0", "--score"]
    code, output, _ = run_here(monkeypatch, capsys, FOLDER / "predict.py", *flags)
    assert code == 0 and "was trained on" not in output
    code, output, _ = run_here(
        monkeypatch, capsys, FOLDER / "predict.py", *lenient, "--dataset", trained / "kaggle", "--output", "all.csv"
    )
    assert code == 0 and "was trained on 5 of these images" in output  # of seven, one held out, one without a mask


def test_a_path_to_score_against_is_refused(trained, lenient, monkeypatch, capsys):
    flags = [*lenient, "--dataset", trained / "set", "--score", trained / "set"]
    code, _, errors = run_here(monkeypatch, capsys, FOLDER / "predict.py", *flags)
    assert code == 2 and "the masks are those of --dataset; give --score alone" in errors.splitlines()[-1]


def test_weights_of_another_size_of_network_are_refused(trained, lenient, monkeypatch, capsys):
    flags = [*lenient, "--dataset", trained / "set", "--channels", "16,32"]
    code, _, errors = run_here(monkeypatch, capsys, FOLDER / "predict.py", *flags)
    assert code == 2 and "another architecture" in errors.splitlines()[-1]


@pytest.mark.slow
def test_a_prepared_set_trains_like_the_files(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags = ["--dataset", trained / "kaggle", "--side", "32", "--output", "small.zip"]
    code, output, _ = run_here(monkeypatch, capsys, FOLDER / "prepare.py", *flags)
    assert code == 0 and output.splitlines()[-1].startswith("wrote small.zip: 6 radiographs, 0.0 MB")
    train(monkeypatch, "--dataset", "small.zip", "--epochs", 2)
    assert read_log(tmp_path / "logs") == read_log(trained / "logs")


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow exports")
def test_an_exported_model_predicts_the_same_masks(trained, lenient, tmp_path, monkeypatch, capsys):
    runtime = pytest.importorskip("onnxruntime")
    from common.predictor import MapPredictor
    from lung.config import LungConfig

    code, _, _ = run_here(monkeypatch, capsys, FOLDER / "export.py", *lenient[:4], "--output", "lung.onnx")
    assert code == 0
    session = runtime.InferenceSession("lung.onnx", providers=["CPUExecutionProvider"])
    config = LungConfig.load(tmp_path / "lung.json")
    assert config.mask_threshold == 0.3
    segment = lambda images: [session.run(None, {"images": image[None]})[0][0, :, :, 0] for image in images]  # noqa: E731
    image = read_image(trained / "set" / "images" / "cxr_0.png")
    theirs = MapPredictor.of_function(config, segment)
    ours = MapPredictor.load(trained / "logs" / "lung" / "last.h5", mask_threshold=0.3)
    np.testing.assert_allclose(theirs.look(image).probs, ours.look(image).probs, atol=1e-4)
    assert (theirs.predict(image) != ours.predict(image)).mean() < 0.01


@pytest.mark.slow
def test_the_other_backend_trains_and_predicts(trained, tmp_path):
    other = "jax" if keras.backend.backend() == "tensorflow" else "tensorflow"
    pytest.importorskip(other, reason=f"{other} is not installed")
    shutil.copytree(trained / "set", tmp_path / "set")
    environment = os.environ | {"KERAS_BACKEND": other, "XDG_CACHE_HOME": str(tmp_path / "cache"), "TQDM_DISABLE": "1"}
    commands = [
        [FOLDER / "train.py", *TINY, "--dataset", "set", "--epochs", "1"],
        [FOLDER / "predict.py", "--dataset", "set", "--weights", trained / "logs" / "lung" / "last.h5", "--score"],
    ]
    for command in commands:
        done = subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert "over 6 radiographs" in done.stdout


@pytest.mark.slow
def test_a_cluster_writes_the_same_file(trained, lenient, tmp_path, monkeypatch, capsys):
    pytest.importorskip("distributed")
    for output, flags in (("here.csv", ["--workers", 0]), ("there.csv", ["--scheduler", "local:1"])):
        command = [*lenient, "--dataset", trained / "kaggle", "--output", output, *flags]
        code, _, _ = run_here(monkeypatch, capsys, FOLDER / "predict.py", *command)
        assert code == 0
    assert (tmp_path / "there.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()
