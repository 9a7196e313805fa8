"""The scripts as a user runs them: from another folder, on a generated set, with a network cut to a minimum."""

import csv
import json
import shutil
import signal
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from common.masks.instances import Instances
from common.masks.rle import encode_instances
from common.output.submission import check_submission, read_image_ids, read_rows
from common.runs.start import named_weights
from common.settings.config import CONFIG_FILE
from dsb.config import DSBConfig
from tests.other_readers import open_elsewhere
from tests.scripts import INFERENCE, TINY, finish, run_here, start

TEST = ["--dataset", "data/stage1_test", "--sample-submission", "data/stage1_sample_submission.csv"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the user stands."""
    folder = tmp_path_factory.mktemp("user")
    flags = ["--output", "data", "--images", 8, "--test-images", 40, "--sizes", "64x64,64x96"]
    assert finish(start(folder, "generate.py", *flags))[0] == 0
    return folder


def wait_for(process, condition):
    """Return when the condition holds; fail where the process ends before."""
    deadline = time.monotonic() + 200
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def log_rows(folder, step):
    with (folder / "logs" / step / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def interrupted(folder):
    """Step 1, stopped with Ctrl-C after its first epochs, then started again for one more: what became of both."""
    process = start(folder, "my_train_1.py", *TINY, "--fold", 0, "--epochs", 1000)
    wait_for(process, (folder / "logs" / "001" / "last.npz").exists)
    process.send_signal(signal.SIGINT)
    stopped = (*finish(process), log_rows(folder, "001"))
    flags = [*TINY, "--fold", 0, "--weights", "last"]
    again = finish(start(folder, "my_train_1.py", *flags, "--epochs", len(stopped[3]) + 1))
    return stopped, (*again, log_rows(folder, "001"))


@pytest.fixture(scope="module")
def trained(folder, interrupted):
    """What became of steps 2 and 3."""
    step_2 = finish(start(folder, "my_train_2.py", *TINY, "--epochs", 1, "--fold", 0, "--score-every", 1))
    step_3 = finish(start(folder, "my_train_3.py", *TINY, "--epochs", 1))
    return step_2, step_3


@pytest.fixture(scope="module")
def single(folder, trained):
    """The single prediction of the test set, undisturbed."""
    flags = ["--score", "data/stage1_solution.csv", "--overlays", "overlays", "--labels", "labels", "--workers", 0]
    return finish(start(folder, "my_inference.py", *TEST, *flags))


def test_interrupted_training_says_so_and_goes_on(interrupted, folder):
    (code, _, errors, rows), (code_again, _, errors_again, rows_again) = interrupted
    assert code == 130
    assert [line.split(": ", 1)[1] for line in errors] == ["stopped; run the same command again to resume"]
    assert (code_again, errors_again) == (0, [])
    assert [row["epoch"] for row in rows_again] == [str(number + 1) for number in range(len(rows) + 1)]
    assert rows_again[: len(rows)] == rows
    assert not list((folder / "logs" / "001").glob(".*"))


def test_three_steps_follow_each_other(trained, folder):
    for code, _, errors in trained:
        assert (code, errors) == (0, [])
    for step in ("001", "002", "003"):
        names = {path.name for path in (folder / "logs" / step).iterdir()}
        assert names >= {"config.json", "log.csv", "last.h5", "best.h5", "last.npz"}
        assert any("tfevents" in name for name in names)
    (row,) = log_rows(folder, "002")
    assert 0 <= float(row["score"]) <= 1
    assert float(row["val_loss"]) > 0
    assert "val_loss" not in log_rows(folder, "003")[0]


def test_a_packed_set_trains_the_recipe_for_a_gpu(folder):
    code, output, errors = finish(start(folder, "pack.py", "--dataset", "data/stage1_train", "--output", "packed.zip"))
    assert (code, errors) == (0, []) and "wrote packed.zip: 8 images, 0.0 MB" in output
    flags = [*TINY, "--preset", "gpu", "--dataset", "packed.zip", "--epochs", 1, "--logs", "gpu"]
    code, _, errors = finish(start(folder, "my_train_1.py", *flags))
    assert (code, errors) == (0, [])
    assert json.loads((folder / "gpu" / "001" / "config.json").read_text())["backbone"] == "resnet50"
    flags = ["--dataset", "packed.zip", "--logs", "gpu", "--limit", 3, "--output", "gpu.csv"]
    code, output, errors = finish(start(folder, "my_inference.py", *flags))
    assert (code, errors) == (0, []) and "was trained on 3 of these images" in output
    assert output.endswith("wrote gpu.csv: 3 images, checked\n")


def test_single_prediction_of_a_test_set(single, folder):
    code, output, errors = single
    assert (code, errors) == (0, [])
    image_ids = read_image_ids(folder / "data" / "stage1_sample_submission.csv")
    submission = folder / "submissions" / "dsb_single.csv"
    assert check_submission(submission, image_ids) == []
    assert read_image_ids(submission) == image_ids
    assert (read_rows(submission, ["EncodedPixels"])["EncodedPixels"] != "").any()
    assert f" over {len(image_ids)} images\n" in output
    assert {path.stem for path in (folder / "overlays").iterdir()} == {*image_ids, "overview"}


def test_other_programs_open_what_is_drawn(single, folder):
    drawn = sorted((folder / "overlays").iterdir())
    for path, opened in zip(drawn, open_elsewhere(drawn, folder / "opened"), strict=True):
        assert (opened == cv2.imread(str(path))[..., ::-1]).all()


def test_label_images_are_those_of_the_submission(single, folder):
    submission = folder / "submissions" / "dsb_single.csv"
    labels = sorted((folder / "labels").iterdir())
    assert [path.name for path in labels] == [f"{image_id}.tif" for image_id in sorted(read_image_ids(submission))]
    texts = read_rows(submission, ["ImageId", "EncodedPixels"]).groupby("ImageId")["EncodedPixels"]
    for path, label_image in zip(labels, open_elsewhere(labels, folder / "opened"), strict=True):
        assert label_image.dtype == np.uint16
        objects = Instances.from_label_image(label_image.astype(np.int32))
        assert encode_instances(objects, label_image.shape) == [text for text in texts.get_group(path.stem) if text]


def test_half_of_the_size_is_enough_for_the_same_prediction(trained, folder):
    code, output, errors = finish(start(folder, "export.py", "--half", "--output", "half/weights.h5"))
    assert (code, output, errors) == (0, "wrote half/weights.h5\n", [])
    sizes = [(folder / name).stat().st_size for name in ("half/weights.h5", "logs/003/last.h5")]
    assert sizes[0] < 0.75 * sizes[1]
    flags = ["--weights", "half/weights.h5", "--output", "half.csv", "--limit", 3]
    code, _, errors = finish(start(folder, "my_inference.py", *TEST, *flags))
    assert (code, errors) == (0, [])
    assert read_image_ids(folder / "half.csv") == read_image_ids(folder / "submissions" / "dsb_single.csv")[:3]


def test_killed_inference_finishes_the_same_file(single, folder):
    output = folder / "submissions" / "killed.csv"
    partial = output.with_name("killed.csv.partial")
    process = start(folder, "my_inference.py", *TEST, "--output", output)
    wait_for(process, lambda: partial.exists() and partial.read_bytes().count(b"\n") > 5)
    process.kill()
    process.communicate()
    assert partial.exists()
    assert not output.exists()
    code, _, errors = finish(start(folder, "my_inference.py", *TEST, "--output", output))
    assert (code, errors) == (0, [])
    assert output.read_bytes() == (folder / "submissions" / "dsb_single.csv").read_bytes()
    assert not partial.exists()


def test_fifteen_views_of_a_fold_are_scored(trained, folder, monkeypatch, capsys):
    flags = ["--dataset", "data/stage1_train", "--fold", 0, "--score", "data/stage1_train", "--workers", 2]
    code, output, errors = finish(start(folder, "my_inference_tta.py", *flags))
    assert (code, errors) == (0, [])
    assert "kinds:\n" in output
    submission = folder / "submissions" / "dsb_tta.csv"
    image_ids = read_image_ids(submission)
    assert len(image_ids) == 2
    assert image_ids == sorted(image_ids)
    assert check_submission(submission, image_ids) == []
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    flags = ["submissions/dsb_tta.csv", "--solution", "data/stage1_train", "--only-submitted"]
    flags += ["--table", "scores.csv"]
    code, scored, _ = run_here(monkeypatch, capsys, "score.py", *flags)
    assert code == 0
    assert next(line for line in output.splitlines() if line.startswith("score ")) in scored
    assert list(read_rows(folder / "scores.csv", ["score"])["image_id"]) == image_ids


def test_two_networks_are_averaged_here_and_on_a_cluster(folder):
    """With a config each: the same network at two scales, one of which does not stretch the contrast."""
    pytest.importorskip("distributed")
    small = named_weights()["small"]
    for name, changes in (("a", {"min_dim": 128}), ("b", {"min_dim": 192, "stretch_contrast": False})):
        (folder / name).mkdir()
        shutil.copy(small, folder / name)
        replace(DSBConfig.load(small.parent / CONFIG_FILE), **changes).save(folder / name / CONFIG_FILE)
    a, b, written = "a/weights.h5", "b/weights.h5", {}
    for output, weights, where in (
        ("here.csv", f"{a},{b}", ["--workers", 0]),
        ("there.csv", f"{a},{b}", ["--scheduler", "local:1"]),
        ("a.csv", a, []),
        ("b.csv", b, []),
    ):
        flags = [*TEST, "--limit", 3, "--weights", weights, "--output", output, *where]
        code, printed, errors = finish(start(folder, "my_inference_tta.py", *flags))
        assert (code, errors) == (0, [])
        assert f"weights {weights.replace(',', ', ')}\n" in printed
        assert (read_rows(folder / output, ["EncodedPixels"])["EncodedPixels"] != "").sum() > 3
        written[output] = (folder / output).read_bytes()
    assert written["here.csv"] == written.pop("there.csv")
    assert len(set(written.values())) == 3


def test_self_training_from_unlabelled_images_to_weights(folder):
    for image_id in read_image_ids(folder / "data" / "stage1_sample_submission.csv")[:3]:
        shutil.copytree(folder / "data" / "stage1_test" / image_id, folder / "unlabelled" / image_id)
    flags = ["--dataset", "unlabelled", "--weights", "small", "--output", "unlabelled.csv"]
    code, _, errors = finish(start(folder, "my_inference_tta.py", *flags))
    assert (code, errors) == (0, [])
    flags = ["--dataset", "unlabelled", "--submission", "unlabelled.csv", "--output", "pseudo.zip"]
    code, output, errors = finish(start(folder, "pack.py", *flags))
    assert (code, errors) == (0, []) and "wrote pseudo.zip: 3 images" in output
    flags = ["--dataset", "data/stage1_train", "--fold", 0, "--also", "pseudo.zip", "--preset", "demo"]
    flags += ["--weights", "small", "--min-dim", 128, "--crop-size", 128, "--steps-per-epoch", 2, "--epochs", 1]
    code, _, errors = finish(start(folder, "my_train_1.py", *flags, "--logs", "self_trained"))
    assert (code, errors) == (0, [])
    with np.load(folder / "self_trained" / "001" / "last.npz") as state:
        assert len(state["images"]) == 6 + 3
    report = ["data", "--dataset", "pseudo.zip", "--output", "report"]
    code, _, errors = finish(start(folder, "../inspection/report.py", *report))
    assert (code, errors) == (0, []) and (folder / "report" / "index.html").exists()


def test_the_published_fifteen_views_and_what_belongs_to_them(folder):
    written = set()
    for flags in ((), ("--swap-scales",), ("--channel-shift",)):
        output = folder / f"votes{''.join(flags)}.csv"
        flags = [
            *TEST,
            "--limit",
            3,
            "--weights",
            "small",
            "--min-dim",
            128,
            "--views",
            "votes",
            "--output",
            output,
            *flags,
        ]
        code, _, errors = finish(start(folder, "my_inference_tta.py", *flags, "--as-published"))
        assert (code, errors) == (0, [])
        assert check_submission(output, read_image_ids(output)) == []
        written.add(output.read_bytes())
    assert len(written) == 3


@pytest.mark.parametrize("script", INFERENCE)
def test_large_images_go_through_tiles(script, trained, folder):
    image_ids = read_image_ids(folder / "data" / "stage1_sample_submission.csv")[:4]
    flags = ["--tile-size", 64, "--tile-overlap", 32, "--max-whole-side", 64, "--limit", 4, "--output", "tiled.csv"]
    code, _, errors = finish(start(folder, script, *TEST, *flags))
    assert (code, errors) == (0, [])
    assert read_image_ids(folder / "tiled.csv") == image_ids


def test_what_belongs_to_the_15_views_is_refused_where_there_are_others(trained, folder):
    flags = [*TEST, "--views", "majority", "--as-published", "--output", "refused.csv"]
    code, _, errors = finish(start(folder, "my_inference_tta.py", *flags))
    assert code == 2 and len(errors) == 1
    assert errors[0].endswith(": --as-published: belongs to the 15 views; add --views votes")
    assert not (folder / "refused.csv").exists()
