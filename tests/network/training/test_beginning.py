"""Resuming: what is taken, what is told, what is refused, and what the best epoch is then."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from common.batches.loader import BatchLoader
from common.errors import InputError
from common.network.training.fit import fit
from common.network.training.watch import Watch
from common.network.weights import save_weights
from common.settings.config import RunConfig, Stage
from tests.image_sets import array_set
from tests.network.training.test_fit import (
    IMAGES,
    RESUMED,
    SHORT,
    Scripted,
    Toy,
    build,
    load,
    loaders,
    marked_epoch,
    marked_score,
    read_log,
    renamed,
    samples,
)

TWO = replace(SHORT, schedule=(Stage(2, 1e-3),))
SCORED = replace(SHORT, score_every=1)


def begin(folder, config=TWO, validated=False, score=None, **losses):
    model = build(Scripted, config)
    vars(model).update(losses)
    training, validation = loaders(config)
    fit(model, training, validation if validated else None, folder, watch=Watch(score and score(model)))
    return model


def resume(folder, config=SHORT, training=None, validated=False, score=None):
    model = build(Scripted, config)
    own, validation = loaders(config)
    fit(model, training or own, validation if validated else None, folder, RESUMED, watch=Watch(score and score(model)))
    return model


def test_other_class_names_in_the_same_folder_are_refused_and_change_nothing(tmp_path):
    begin(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match=r"this run began with --class-names object \(not nucleus\)"):
        resume(tmp_path, replace(SHORT, class_names=("nucleus",)))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_harmless_changes_are_taken_and_told(tmp_path, lines):
    begin(tmp_path)
    resume(tmp_path, replace(SHORT, seed=5, gradient_clip=1.0, validation_steps=2))
    said = [line for line in lines() if line.startswith("resuming with another")]
    assert [line.split()[3] for line in said] == ["seed:", "schedule:", "gradient_clip:", "validation_steps:"]
    assert len(read_log(tmp_path)) == 3


@pytest.mark.parametrize("change", ["deleted", "edited", "damaged"])
def test_config_json_is_not_what_a_run_resumes_by(tmp_path, change, lines):
    begin(tmp_path)
    path = tmp_path / "config.json"
    if change == "deleted":
        path.unlink()
    else:
        values = json.loads(path.read_text()) | {"class_names": ["edited"], "optimizer": "sgd"}
        path.write_text(json.dumps(values) if change == "edited" else "{")
    resume(tmp_path)
    assert json.loads(path.read_text())["class_names"] == ["object"]
    assert not any("class_names" in line for line in lines())


def test_a_schedule_whose_epochs_have_other_layers_is_named(tmp_path):
    begin(tmp_path, replace(TWO, schedule=(Stage(2, 1e-3, "heads"),)))
    with pytest.raises(InputError, match=r"--schedule was 2:0.001:heads, and is 3:0.001:all, where its"):
        resume(tmp_path)


def test_another_set_of_images_in_the_same_folder_is_refused(tmp_path):
    begin(tmp_path)
    with pytest.raises(InputError, match="was trained on other images, such as first; begin another with another"):
        resume(tmp_path, training=renamed(SHORT, "fourth", "fifth", "sixth"))
    assert len(read_log(tmp_path)) == 2


def test_other_files_of_the_same_names_are_told(tmp_path, lines):
    begin(tmp_path)
    images = array_set([image + 1 for image in IMAGES], image_ids=["first", "second", "third"])
    images.source.signature = lambda rows: "another"
    resume(tmp_path, training=BatchLoader(images, SHORT, samples(images), training=True))
    assert any(line.startswith("resuming with other image files than before") for line in lines())


# How a run was measured before and now, which epoch is best after the third, and whether that is told.
MEASURES = {
    "score, then loss": (SCORED, TWO, True),
    "loss, then score": (TWO, SCORED, True),
    "other held-out images": (SCORED, SCORED, True),
    "score, more often": (replace(SCORED, score_every=2), SCORED, False),
}


@pytest.mark.parametrize("case", MEASURES)
def test_the_best_epoch_begins_anew_if_it_is_measured_otherwise(tmp_path, case, lines):
    first, then, anew = MEASURES[case]
    stages = {"schedule": (Stage(2, 1e-3),)}
    score = lambda model: marked_score(model, [0.9, 0.8, 0.1])  # noqa: E731
    begin(tmp_path, replace(first, **stages), True, score, validation_losses=(0.5, 0.4, 9.0))
    assert marked_epoch(tmp_path / "best.h5") == (0 if first.score_every == 1 else 1 if first.score_every else 0)
    lines()
    model = build(Scripted, replace(then, schedule=SHORT.schedule))
    model.validation_losses = (0.5, 0.4, 9.0)
    training, validation = loaders(SHORT)
    if case == "other held-out images":
        validation = renamed(SHORT, "first", "second")
    marked = marked_score(model, [0.9, 0.8, 0.1])
    if not then.score_every:
        model.head.bias.assign([2.0])
    fit(model, training, validation, tmp_path, RESUMED, watch=Watch(marked))
    told = [line for line in lines() if line.startswith("best.h5 begins anew with the next epoch: ")]
    assert bool(told) == anew
    with np.load(tmp_path / "last.npz") as state:
        best = {"score, then loss": -9.0, "score, more often": 0.8}.get(case, 0.1)
        assert float(state["best"]) == pytest.approx(best)


def test_a_lost_best_file_is_written_anew(tmp_path):
    begin(tmp_path, losses=(1.0, 2.0, 3.0))
    (tmp_path / "best.h5").unlink()
    resume(tmp_path)
    assert (tmp_path / "best.h5").exists()


@pytest.mark.parametrize("text", ["", "epoch,loss\n1,3\n", "epoch,loss\n1,3\n,\nx,y\n", "epoch,lo", "\x00\xff"])
def test_a_log_that_was_cut_or_edited(tmp_path, text, lines):
    begin(tmp_path)
    (tmp_path / "log.csv").write_text(text, encoding="latin-1")
    resume(tmp_path)
    rows = read_log(tmp_path)
    assert [row["epoch"] for row in rows] == (["1", "3"] if "1,3" in text else ["3"])
    lost = 1 if "1,3" in text else 2
    assert any(f"log.csv: {lost} of the 2 epochs done are missing in it" in line for line in lines())


def with_two_outputs():
    model = build(Toy, SHORT)
    model.head = type(model.head)(2, name="head")
    model.head.build((None, 4))
    return model


def test_weights_of_other_classes_are_a_start_as_far_as_they_fit(tmp_path, lines):
    (tmp_path / "001").mkdir()
    before = build(Toy, SHORT)
    save_weights(before, tmp_path / "001" / "last.h5")
    replace(SHORT, class_names=("a", "b")).save(tmp_path / "001" / "config.json")
    model = with_two_outputs()
    head = model.head.kernel.numpy()
    load(model, str(tmp_path / "001" / "last.h5"), tmp_path, "002")
    np.testing.assert_array_equal(model.body.kernel.numpy(), before.body.kernel.numpy())
    np.testing.assert_array_equal(model.head.kernel.numpy(), head)
    said = lines()
    assert said[0].startswith("not loaded: head: the model has kernel (4, 2)")
    assert said[-1] == "these weights were trained with --class-names a,b (here object)"


class Particular(RunConfig):
    """Of a network whose head is worse half loaded than not at all."""

    def misfits(self, other):
        assert other.class_names == ("a", "b")
        return ("head",)


def test_what_would_be_loaded_in_part_alone_is_left_out_whole(tmp_path, lines):
    (tmp_path / "001").mkdir()
    save_weights(build(Toy, SHORT), tmp_path / "001" / "last.h5")
    replace(SHORT, class_names=("a", "b")).save(tmp_path / "001" / "config.json")
    model = build(Toy, Particular(**vars(SHORT)), seed=2)
    head = model.head.kernel.numpy()
    load(model, str(tmp_path / "001" / "last.h5"), tmp_path, "002")
    np.testing.assert_array_equal(model.head.kernel.numpy(), head)
    assert lines()[0] == "not loaded: head, as the file's has other layers"


def test_weights_of_another_architecture_name_the_option(tmp_path):
    (tmp_path / "001").mkdir()
    save_weights(build(Toy, SHORT), tmp_path / "001" / "last.h5")
    replace(SHORT, class_names=("object", "b")).save(tmp_path / "001" / "config.json")
    model = with_two_outputs()
    with pytest.raises(
        InputError, match=r"were trained with --class-names object,b \(here object\); give the same: head"
    ):
        load(model, str(tmp_path / "001" / "last.h5"), tmp_path, "002")


def test_a_start_that_was_trained_otherwise_is_told(tmp_path, lines):
    (tmp_path / "001").mkdir()
    save_weights(build(Toy, SHORT), tmp_path / "001" / "last.h5")
    replace(SHORT, class_names=("a",)).save(tmp_path / "001" / "config.json")
    load(build(Toy, SHORT), str(tmp_path / "001" / "last.h5"), tmp_path, "002")
    assert lines()[-1] == "these weights were trained with --class-names a (here object)"


class Ruined(Scripted):
    """The last step of the second epoch has a loss, but leaves weights that are not finite."""

    def train_on_batch(self, batch, return_dict):
        losses = super().train_on_batch(batch, return_dict)
        if self.epoch == 1:
            self.head.bias.assign([math.nan])
        return losses


@pytest.mark.parametrize(
    ("model_class", "losses", "message"),
    [
        (
            Scripted,
            (3.0, math.nan, 1.0),
            r"loss is not finite \(loss nan, .*\) at step 2 .*; check these images' masks",
        ),
        (Scripted, (3.0, math.inf, 1.0), r"the loss is not finite \(loss inf, "),
        (Scripted, (3.0, 31.0, 1.0), r"the loss has diverged, to 31 from 3 in the first epoch; lower"),
        (Ruined, (3.0, 2.0, 1.0), r"head/bias is not finite after epoch 2; lower"),
    ],
)
def test_a_ruined_epoch_is_not_saved(tmp_path, model_class, losses, message):
    model = build(model_class, SHORT)
    model.losses = losses
    with pytest.raises(InputError, match=message) as caught:
        fit(model, *loaders(SHORT), tmp_path)
    for part in ("lower the learning rate (--schedule; here ", "--gradient-clip (here 5)", "resumes before it"):
        assert part in str(caught.value)
    with np.load(tmp_path / "last.npz") as state:
        assert state["epoch"] == 1
    assert [row["epoch"] for row in read_log(tmp_path)] == ["1"]
    resume(tmp_path, replace(SHORT, gradient_clip=1.0))  # which resumes before it
    assert [row["epoch"] for row in read_log(tmp_path)] == ["1", "2", "3"]


@pytest.mark.parametrize("losses", [(0.0, 9.0, 1.0), (3.0, 29.0, 1.0), (0.5, 4.0, 8.0)])
def test_a_loss_that_rises_a_little_has_not_diverged(tmp_path, losses):
    begin(tmp_path, SHORT, losses=losses)
    assert len(read_log(tmp_path)) == 3
