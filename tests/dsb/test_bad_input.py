"""What is wrong with the input is one line and exit code 2, said before Keras loads; nothing is half-written."""

import shutil
import sys
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from common.errors import InputError
from common.output.submission import read_image_ids
from common.prediction.detections import Detections
from dsb.config import PRESETS
from tests.scripts import INFERENCE, TRAINING, run_here
from tests.tiny import TINY

KERAS_PART = ("mask_rcnn.model", "mask_rcnn.detector", "training.beginning", "training.fit", "weights")
ALL = (*TRAINING, *INFERENCE)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to stand in, with weights that nobody reads; Keras cannot be loaded, bars are hidden."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("common.images.label_index.progress_bar", lambda found, *_, **__: found)
    for name in KERAS_PART:
        monkeypatch.setitem(sys.modules, f"common.network.{name}", None)
    (tmp_path / "w.h5").write_bytes(b"weights")
    return tmp_path


@pytest.fixture
def refused(place, monkeypatch, capsys):
    """Run a script that must refuse its input; return the line."""

    def run(script, *flags):
        before = files_of(place)
        weights = ["--weights", "w.h5"] if script in INFERENCE and "--weights" not in flags else []
        code, _, errors = run_here(monkeypatch, capsys, script, *flags, *weights)
        assert code == 2
        assert len(errors.splitlines()) == 1, errors
        assert errors.split(": ", 1)[0].endswith(script)
        assert files_of(place) == before
        return errors

    return run


@pytest.fixture
def a_model(monkeypatch):
    """Stand in for the Keras part: a model that finds one object in every image."""

    def detect(image):
        height, width = image.shape[:2]
        boxes, ones = np.array([[1, 1, height / 2, width / 2]], np.float32), np.ones(1, np.float32)
        return Detections(boxes, ones, np.ones(1, np.int32), np.ones((1, 28, 28), np.float16), (height, width))

    def detector(images):
        return [detect(image) for image in images]

    part = SimpleNamespace(load_detector=lambda config, weights: detector)
    monkeypatch.setitem(sys.modules, "common.network.mask_rcnn.detector", part)


@pytest.fixture
def data(place, generated_set):
    """A set of its own, to be spoilt; six images."""
    shutil.copytree(generated_set / "stage1_train", place / "data")
    return place / "data"


def files_of(folder):
    return {path for path in folder.rglob("*") if "cache" not in path.relative_to(folder).parts}


def first_image(data):
    folder = sorted(data.iterdir())[0]
    return folder / "images" / f"{folder.name}.png", sorted((folder / "masks").iterdir())


def zipped(data, path, *, extra=None):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(data.rglob("*.png")):
            archive.write(file, file.relative_to(data.parent))
        if extra:
            archive.writestr(extra, "x")
    return path


@pytest.mark.parametrize("script", ALL)
def test_datasets_that_are_none(script, refused, place, data):
    (place / "empty").mkdir()
    (place / "notes").mkdir()
    (place / "notes" / "cat.txt").write_text("no image")
    whole = zipped(data, place / "whole.zip").read_bytes()
    (place / "torn.zip").write_bytes(whole[: len(whole) // 2])
    zipped(data, place / "climber.zip", extra="../../etc/passwd")
    for name, message in (
        ("nowhere", "nowhere: no such folder or zip archive"),
        ("w.h5/x", "w.h5/x: no such folder or zip archive"),
        ("empty", "empty: holds no files"),
        ("notes", "notes: no images found; give a folder or archive of images"),
        ("torn.zip", "torn.zip: not a zip archive, or truncated; download it again"),
        ("climber.zip", "climber.zip: holds the name ../../etc/passwd, which leads out of it"),
        ("w.h5", "w.h5: not a zip archive"),
    ):
        assert message in refused(script, "--dataset", name)


@pytest.mark.parametrize("script", ALL)
def test_flags_are_looked_at_first(script, refused):
    for flags, message in (
        (["--confidence", "7"], "--confidence 7.0: must be from 0 to 1"),
        (["--limit", "0"], "--limit 0: must be at least 1"),
        (["--max-dim", "1000"], "--max-dim 1000: must be 0 or a multiple of 64"),
        (["--fold", "5"], "--fold 5: give 0 to 4, all, or height x width, such as 256x320"),
        (["--colour", "red"], "unrecognized arguments: --colour red (--help lists the flags)"),
        (["--weights", "none.h5"], "--weights none.h5: no such file"),
    ):
        assert message in refused(script, "--dataset", "nowhere", *flags)


@pytest.mark.parametrize("script", ALL)
def test_an_image_that_is_none(script, refused, data):
    first_image(data)[0].write_text("not an image")
    assert "not an image; replace or remove it, or leave out" in refused(script, "--dataset", "data")


def test_a_mask_of_another_size(refused, data):
    cv2.imwrite(str(first_image(data)[1][0]), np.full((7, 9), 255, np.uint8))
    assert "a mask of 7 x 9 pixels for an image of 64 x" in refused("my_train_1.py", "--dataset", "data")


def test_an_image_without_masks_folder(refused, data):
    shutil.rmtree(first_image(data)[1][0].parent)
    assert "has no masks, unlike others" in refused("my_train_1.py", "--dataset", "data")


def test_training_on_a_set_without_masks(refused, data):
    for folder in data.glob("*/masks"):
        shutil.rmtree(folder)
    assert "data: holds no masks; train on a set that has them" in refused("my_train_2.py", "--dataset", "data")


def test_bad_images_are_left_out_on_request(refused, data, monkeypatch, capsys):
    image, _ = first_image(data)
    image.write_text("not an image")

    def stop(config):
        raise InputError("the model's turn")

    monkeypatch.setitem(sys.modules, "common.network.mask_rcnn.model", SimpleNamespace(MaskRCNN=stop))
    training = "common.network.training"
    monkeypatch.setitem(sys.modules, f"{training}.beginning", SimpleNamespace(Beginning=None, load_start=None))
    monkeypatch.setitem(sys.modules, f"{training}.fit", SimpleNamespace(fit=None))
    flags = ["--dataset", "data", "--skip-bad", "--weights", "none"]
    code, output, errors = run_here(monkeypatch, capsys, "my_train_1.py", *flags)
    assert (code, errors.split(": ", 1)[1]) == (2, "the model's turn\n")
    assert f"left out: {image}: not an image" in output
    for folder in data.iterdir():
        (folder / "images" / f"{folder.name}.png").write_text("not an image")
    assert "none of its 6 images is usable" in refused("my_train_1.py", "--dataset", "data", "--skip-bad")


def test_bad_images_get_empty_rows_on_request(place, data, a_model, monkeypatch, capsys):
    first_image(data)[0].write_text("not an image")
    image_ids = sorted((folder.name for folder in data.iterdir()), reverse=True)
    (place / "sample.csv").write_text("ImageId,EncodedPixels\n" + "".join(f"{name},\n" for name in image_ids))
    flags = ["--dataset", "data", "--weights", "w.h5", "--sample-submission", "sample.csv", "--skip-bad"]
    code, output, _ = run_here(monkeypatch, capsys, "my_inference.py", *flags, "--workers", 0, "--output", "s.csv")
    assert code == 0
    assert f"no image {image_ids[-1]}: it gets an empty row" in output
    lines = (place / "s.csv").read_text().splitlines()[1:]
    assert [line.partition(",")[0] for line in lines] == image_ids
    assert [line.endswith(",") for line in lines] == [False] * 5 + [True]


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_bad_images_and_masks_do_not_count_in_the_score_of_their_set(kind, data, a_model, monkeypatch, capsys):
    next(iter(data.glob(f"*/{kind}/*"))).write_text("not an image")
    flags = ["--dataset", "data", "--weights", "w.h5", "--skip-bad", "--score", "data", "--output", "s.csv"]
    code, output, _ = run_here(monkeypatch, capsys, "my_inference.py", *flags, "--workers", 0)
    assert code == 0
    assert "over 5 images" in output


@pytest.mark.parametrize("script", INFERENCE)
def test_a_limit_and_a_sample_are_no_contradiction(script, place, data, a_model, monkeypatch, capsys):
    image_ids = sorted((folder.name for folder in data.iterdir()), reverse=True)
    (place / "sample.csv").write_text("ImageId,EncodedPixels\n" + "".join(f"{name},\n" for name in image_ids))
    flags = ["--dataset", "data", "--weights", "w.h5", "--sample-submission", "sample.csv", "--output", "s.csv"]
    flags += ["--limit", 2, "--workers", 0, "--score", "data", "--overlays", "overlays"]
    code, output, _ = run_here(monkeypatch, capsys, script, *flags)
    assert code == 0
    assert read_image_ids(place / "s.csv") == image_ids[:2]
    assert " over 2 images\n" in output
    assert {path.stem for path in (place / "overlays").iterdir()} == {*image_ids[:2], "overview"}


def test_networks_that_cannot_be_averaged(refused, place):
    for name, changes in (("a", {}), ("b", {"class_names": ("cell",)}), ("c", {"channel": (2,)})):
        (place / name).mkdir()
        (place / name / "w.h5").touch()
        replace(PRESETS["small"], **changes).save(place / name / "config.json")
    for script, weights, message in (
        ("my_inference.py", "a/w.h5,a/w.h5", "w.h5: give one; dsb/my_inference_tta.py averages several networks"),
        (
            "my_inference_tta.py",
            "a/w.h5,b/w.h5",
            "b/w.h5: has --class-names cell, but a/w.h5 has --class-names nucleus",
        ),
        ("my_inference_tta.py", "a/w.h5,c/w.h5", "c/w.h5: has --channel 2, but a/w.h5 has --channel 0"),
        ("my_inference_tta.py", "a/w.h5,d/w.h5", "--weights d/w.h5: no such file"),
    ):
        assert message in refused(script, "--dataset", "nowhere", "--weights", weights)


@pytest.mark.parametrize("script", INFERENCE)
def test_sample_submissions(script, refused, place, data):
    (place / "sample.csv").write_text("ImageId,EncodedPixels\nnobody,\n")
    (place / "other.csv").write_text("id,label\nnobody,1\n")
    for name, message in (
        ("sample.csv", "data: has no image nobody of the sample submission (1 are missing)"),
        ("other.csv", "other.csv: has columns id,label, but needs ImageId,EncodedPixels"),
        ("none.csv", "none.csv: no such file"),
        ("data", "data: Is a directory; give a file, not a folder"),
    ):
        assert message in refused(script, "--dataset", "data", "--sample-submission", name)


@pytest.mark.parametrize("script", INFERENCE)
def test_truth_is_looked_at_before_hours_of_prediction(script, refused, place, data):
    (place / "solution.csv").write_text("ImageId,EncodedPixels\na,1 1\n")
    for name, message in (
        ("none.csv", "none.csv: no such file"),
        ("solution.csv", "but needs ImageId,EncodedPixels,Height,Width,Usage"),
        ("nowhere", "nowhere: no such folder or zip archive"),
    ):
        assert message in refused(script, "--dataset", "data", "--score", name)
    shutil.copytree(data, place / "half")
    shutil.rmtree(sorted((place / "half").iterdir())[0])
    assert "half: 1 of the images are missing" in refused(script, "--dataset", "data", "--score", "half")
    image_ids = sorted(folder.name for folder in data.iterdir())
    usages = ["Ignored", *["Public"] * 4]
    rows = [f"{image_id},1 1,64,64,{usage}\n" for image_id, usage in zip(image_ids, usages, strict=False)]
    (place / "solution.csv").write_text("ImageId,EncodedPixels,Height,Width,Usage\n" + "".join(rows))
    line = refused(script, "--dataset", "data", "--score", "solution.csv")
    assert f"solution.csv: 1 of the images are missing, such as {image_ids[-1]}; give its solution" in line


@pytest.mark.parametrize("script", INFERENCE)
def test_outputs_among_the_images(script, refused, data):
    folder = first_image(data)[0].parent
    for flag in ("--labels", "--overlays"):
        line = refused(script, "--dataset", "data", flag, folder)
        assert f"{flag} {folder}: lies among the images of {data}; choose another path" in line


@pytest.mark.parametrize("script", INFERENCE)
def test_weights_that_are_not_there(script, refused, place, data):
    assert "logs: no trained step" in refused(script, "--dataset", "data", "--weights", "last")
    (place / "config.json").write_text('{"crop_size": "wide"}')
    assert "config.json: " in refused(script, "--dataset", "data")
    (place / "config.json").write_text('{"crop_')
    assert "config.json: not a configuration" in refused(script, "--dataset", "data")


def test_a_fold_of_a_set_that_is_too_small(refused, data):
    for folder in sorted(data.iterdir())[1:]:
        shutil.rmtree(folder)
    refusals = [refused("my_inference.py", "--dataset", "data", "--fold", fold) for fold in "1234"]
    assert all("holds none of the images of data; omit --fold" in line for line in refusals)
    assert "--fold 0: no images are left to train on; the set has 1" in refused(
        "my_train_1.py", "--dataset", "data", "--fold", "0"
    )


@pytest.mark.parametrize("script", INFERENCE)
def test_output_that_cannot_be_written(script, refused, place, data, a_model):
    for output, message in (
        ("w.h5/s.csv", "choose a path that does not lead through a file"),
        ("data", "data: a folder; give the name of the CSV file to write"),
        ("/proc/submissions/s.csv", "No such file or directory; choose a path below an existing folder"),
        ("x" * 300, "choose a shorter name"),
    ):
        assert message in refused(script, "--dataset", "data", "--workers", 0, "--output", output)
    (place / "s.csv.partial").write_text("another run\n")
    assert "s.csv.partial: left by another run" in refused(script, "--dataset", "data", "--output", "s.csv")


def test_full_disk(full_disk, place, data, a_model, monkeypatch, capsys):
    ballast = full_disk / "ballast"
    flags = ["--dataset", "data", "--weights", "w.h5", "--workers", 0, "--output", full_disk / "s.csv"]
    for free in (0, 4096):
        ballast.write_bytes(b"x" * (16384 - free))
        code, _, errors = run_here(monkeypatch, capsys, "my_inference.py", *flags)
        assert code == 2
        assert errors.splitlines()[-1].endswith(
            "No space left on device; free some space and run the same command again"
        )
        assert not (full_disk / "s.csv").exists()
        ballast.unlink()
    assert run_here(monkeypatch, capsys, "my_inference.py", *flags)[0] == 0
    assert len(read_image_ids(full_disk / "s.csv")) == 6


def test_score_of_something_else(refused, place, data):
    (place / "wrong.csv").write_text("id,runs\n")
    (place / "unknown.csv").write_text("ImageId,EncodedPixels\nnobody,1 1\n")
    for submission, solution, message in (
        ("none.csv", "data", "none.csv: no such file"),
        ("data", "data", "Is a directory; give a file, not a folder"),
        ("wrong.csv", "data", "wrong.csv: has columns id,runs, but needs ImageId,EncodedPixels"),
        ("unknown.csv", "nowhere", "nowhere: no such folder or zip archive"),
        ("unknown.csv", "none.csv", "none.csv: no such file"),
        ("unknown.csv", "data", "unknown.csv: nobody is not in the solution"),
    ):
        assert message in refused("score.py", submission, "--solution", solution)
    assert "the following arguments are required: CSV, --solution" in refused("score.py")
    flags = ["--solution", "none.csv", "--only-submitted"]
    assert "--only-submitted: none.csv already says what counts" in refused("score.py", "unknown.csv", *flags)


def test_every_problem_of_a_submission_is_printed(place, data, monkeypatch, capsys):
    first, second = sorted(folder.name for folder in data.iterdir())[:2]
    wrong = [f"line 2: {first}: ", f"line 3: {second}: run '1 99999': the run ends past the image's "]
    many = [f"line {number}: " for number in range(2, 52)] + ["and 10 more"]
    for rows, problems, count in (
        (f"{first},1 2 3\n{second},1 99999\n", wrong, 2),
        (f"{first},1 2 3\n" * 60, many, 60),
    ):
        (place / "s.csv").write_text("ImageId,EncodedPixels\n" + rows)
        code, output, errors = run_here(monkeypatch, capsys, "score.py", "s.csv", "--solution", "data")
        assert code == 2
        assert len(errors.splitlines()) == 1 and f"({count} problems)" in errors
        for line, problem in zip(output.splitlines(), problems, strict=True):
            assert line.startswith(problem)


def test_images_that_a_submission_lacks(place, data, monkeypatch, capsys):
    image_ids = sorted(folder.name for folder in data.iterdir())
    (place / "s.csv").write_text("ImageId,EncodedPixels\n" + "".join(f"{name},\n" for name in image_ids[:2]))
    code, output, _ = run_here(monkeypatch, capsys, "score.py", "s.csv", "--solution", "data")
    assert code == 0
    assert "4 images are missing and count as 0" in output and "over 6 images" in output
    flags = ["--solution", "data", "--only-submitted", "--table", "t.csv"]
    code, output, _ = run_here(monkeypatch, capsys, "score.py", "s.csv", *flags)
    assert code == 0
    assert "missing" not in output and "over 2 images" in output
    assert len((place / "t.csv").read_text().splitlines()) == 3


def test_a_limited_prediction_is_scored_on_its_own_images(place, data, a_model, monkeypatch, capsys):
    image_ids = sorted(folder.name for folder in data.iterdir())
    rows = [f"{image_id},1 1,64,64,Public\n" for image_id in image_ids]
    (place / "solution.csv").write_text("ImageId,EncodedPixels,Height,Width,Usage\n" + "".join(rows))
    for score in ("solution.csv", "data"):
        flags = ["--dataset", "data", "--weights", "w.h5", "--workers", 0, "--limit", 2, "--score", score]
        code, output, _ = run_here(monkeypatch, capsys, "my_inference.py", *flags)
        assert code == 0 and "over 2 images" in output
        assert ("solution.csv: 4 of its 6 images are not among those to predict" in output) == (score != "data")


def test_unusable_images_of_a_solution_can_be_left_out(place, data, monkeypatch, capsys):
    image, _ = first_image(data)
    (place / "s.csv").write_text(
        "ImageId,EncodedPixels\n" + "".join(f"{folder.name},\n" for folder in sorted(data.iterdir()))
    )
    image.write_bytes(b"torn")
    flags = ["s.csv", "--solution", "data"]
    assert run_here(monkeypatch, capsys, "score.py", *flags)[0] == 2
    code, output, _ = run_here(monkeypatch, capsys, "score.py", *flags, "--skip-bad")
    assert code == 0 and "left out: " in output and "over 5 images" in output


def test_ignored_images_may_be_submitted(place, monkeypatch, capsys):
    rows = "a,1 4,4,4,Public\nb,1 1,8,8,Ignored\n"
    (place / "solution.csv").write_text("ImageId,EncodedPixels,Height,Width,Usage\n" + rows)
    (place / "s.csv").write_text("ImageId,EncodedPixels\na,1 4\nb,5 500\n")
    code, output, _ = run_here(monkeypatch, capsys, "score.py", "s.csv", "--solution", "solution.csv")
    assert code == 0
    assert "score 1.0000 over 1 images" in output


def test_overlapping_and_empty_masks_are_reported_and_handled(place, data, monkeypatch, capsys):
    image, masks = first_image(data)
    mask = cv2.imread(str(masks[0]), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(masks[0].with_name("~empty.png")), np.zeros_like(mask))
    cv2.imwrite(str(masks[0].with_name("~second.png")), np.where(np.arange(len(mask))[:, None] == 0, 255, mask))
    (place / "s.csv").write_text(f"ImageId,EncodedPixels\n{image.stem},\n")
    code, output, _ = run_here(monkeypatch, capsys, "score.py", "s.csv", "--solution", "data")
    assert code == 0
    assert "data: masks overlap in 1 images by " in output
    assert "the first by file name keeps them" in output
    assert "data: left out 1 masks without pixels of their own in 1 images" in output
    row = next(line for line in output.splitlines() if line.startswith(image.stem))
    assert row.split()[3] == str(len(masks) + 1)


def test_half_weights_do_not_replace_the_config_of_others(refused, place):
    (place / "config.json").write_text('{"name": "mine"}')
    (place / "logs" / "001").mkdir(parents=True)
    (place / "logs" / "001" / "last.h5").write_bytes(b"weights")
    line = refused("export.py", "--output", "half.h5", "--half")
    assert "config.json: belongs to another model; choose another folder for --output" in line


@pytest.mark.slow
def test_what_only_keras_can_tell(place, data, monkeypatch, capsys):
    for name in KERAS_PART:
        monkeypatch.delitem(sys.modules, f"common.network.{name}")
    from common.network.mask_rcnn.model import MaskRCNN
    from common.network.weights import save_weights
    from dsb.config import DSBConfig

    values = {name: value for name, value in vars(TINY).items() if name != "name"}
    save_weights(MaskRCNN(DSBConfig(**values)), place / "narrow.h5")
    DSBConfig(**values | {"fpn_channels": 2 * TINY.fpn_channels}).save(place / "config.json")
    flags = ["--dataset", "data", "--weights"]
    for script, weights, message in (
        (
            "my_inference.py",
            "narrow.h5",
            "narrow.h5: weights of another architecture: give its --preset or --class-names: ",
        ),
        ("my_inference.py", "w.h5", "w.h5: not a weights file, or a damaged one"),
    ):
        before = files_of(place)
        code, _, errors = run_here(monkeypatch, capsys, script, *flags, weights)
        assert code == 2
        assert message in errors
        assert len(errors.splitlines()) == 1
        assert files_of(place) == before
