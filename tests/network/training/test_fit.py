import csv
import math
import signal
from dataclasses import dataclass, replace

import h5py
import keras
import numpy as np
import pytest

from common import errors
from common.batches.loader import BatchLoader
from common.errors import InputError, run_main
from common.network.training import fit as train
from common.network.training.beginning import Beginning, load_start
from common.network.training.fit import fit
from common.network.training.optimizer import learning_rate_at
from common.network.training.watch import Watch
from common.network.weights import load_weights, save_weights
from common.runs.checkpoint import progress_saved
from common.runs.seen import seen_images
from common.runs.start import Start, find_start
from common.runs.weights_file import WRITER
from common.settings.config import RunConfig, Stage
from tests.image_sets import array_set

RUN = RunConfig(
    batch_size=2,
    steps_per_epoch=2,
    schedule=(Stage(1, 1e-2, "heads"), Stage(3, 1e-3)),
    decay="cosine",
    warmup_steps=2,
    validation_steps=1,
    optimizer="adamw",
    weight_decay=0.01,
)
SHORT = replace(RUN, schedule=(Stage(3, 1e-3),))
IMAGES = [np.full((4, 4, 3), 60 * number + 20, np.uint8) for number in range(3)]
RESUMED = Beginning(resumes=True)


@dataclass(frozen=True, kw_only=True)
class Pretrained(RunConfig):
    """A network that starts from published weights where nobody says more."""

    default_start = "coco"


def three(*image_ids):
    """Three images in memory."""
    return array_set(IMAGES, image_ids=list(image_ids or ("first", "second", "third")))


def samples(images):
    """Return what the toy network learns: the brightness of an image, with a little noise."""

    def sample(index, rng):
        pixels = images.load_image(index).astype(np.float32).ravel() / 255 + rng.normal(0, 0.1, 48)
        return {"pixels": pixels.astype(np.float32), "brightness": np.full(1, index, np.float32)}

    return sample


class Toy(keras.Model):
    """The smallest network that the training loop takes: two layers, a loss, random numbers of its own."""

    loss_names = {"squares": "sq"}  # noqa: RUF012
    layer_groups = {"heads": "head"}  # noqa: RUF012

    def __init__(self, config):
        super().__init__(name="toy")
        self.config = config
        self.body, self.head = keras.layers.Dense(4, name="body"), keras.layers.Dense(1, name="head")
        self.body.build((None, 48))
        self.head.build((None, 4))
        self.seed_generator = keras.random.SeedGenerator(config.seed)
        self.tracker = keras.metrics.Mean("squares")
        self.built = True

    @property
    def random_states(self):
        return [self.seed_generator.state]

    def call(self, inputs, training=None):
        said = self.head(self.body(inputs["pixels"]))
        noise = keras.random.normal(keras.ops.shape(said), stddev=0.1, seed=self.seed_generator)
        return {"squares": keras.ops.mean(keras.ops.square(said + noise - inputs["brightness"]))}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        self.tracker.update_state(y_pred["squares"])
        return y_pred["squares"]


class Interrupted(BatchLoader):
    """Ctrl-C comes at a certain step."""

    def __init__(self, config, last_step):
        super().__init__(three(), config, samples(three()), training=True)
        self.last_step = last_step

    def batch_at(self, step):
        if step == self.last_step:
            raise KeyboardInterrupt
        return super().batch_at(step)


class Recorded(Toy):
    """Remembers its weights after every step."""

    history = ()

    def train_on_batch(self, *arguments, **options):
        results = super().train_on_batch(*arguments, **options)
        self.history = [*self.history, weights_of(self)]
        return results


class Signalled(Toy):
    """Gets a signal in its first step."""

    def at(self, number):
        self.number = number
        return self

    def train_on_batch(self, *arguments, **options):
        signal.raise_signal(self.number)
        return super().train_on_batch(*arguments, **options)


class Scripted(Toy):
    """Says what its losses are instead of training."""

    losses = validation_losses = (3.0, 2.0, 1.0)
    epoch = -1

    def saying(self, *losses):
        self.losses = losses
        return self

    def train_on_batch(self, batch, return_dict):
        self.epoch = int(keras.ops.convert_to_numpy(self.optimizer.iterations)) // 2
        self.optimizer.iterations.assign_add(1)
        return {"loss": self.losses[self.epoch], "squares": 0.5}

    def test_on_batch(self, batch, return_dict):
        return {"loss": self.validation_losses[self.epoch], "squares": 0.5}


def weights_of(model):
    return {weight.path: keras.ops.convert_to_numpy(weight).copy() for weight in model.weights}


def build(model_class, config, seed=1):
    keras.utils.set_random_seed(seed)
    return model_class(config)


def loaders(config):
    return tuple(BatchLoader(three(), config, samples(three()), training=training) for training in (True, False))


def read_log(folder):
    with (folder / train.LOG_FILE).open(newline="") as file:
        return list(csv.DictReader(file))


def without_times(rows):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def same(arrays, others):
    return arrays.keys() == others.keys() and all(np.array_equal(arrays[name], others[name]) for name in arrays)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A finished run: its model and its folder; not to be changed."""
    folder = tmp_path_factory.mktemp("logs") / "undisturbed"
    model = build(Recorded, RUN)
    model.at_first = weights_of(model)
    fit(model, loaders(RUN)[0], None, folder)
    return model, folder


def test_the_files_of_a_run(undisturbed):
    _, folder = undisturbed
    names = {path.name for path in folder.iterdir()}
    events = {name for name in names if name.startswith("events")}
    assert names - events == {"config.json", "log.csv", "last.h5", "best.h5", "last.npz"}
    assert len(events) == 1
    assert RunConfig.load(folder / "config.json") == RUN


def test_the_log_of_a_run(undisturbed):
    _, folder = undisturbed
    rows = read_log(folder)
    assert set(rows[0]) == {"epoch", "loss", *Toy.loss_names, "learning_rate", "seconds"}
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert all(np.isfinite([float(value) for value in row.values()]).all() for row in rows)
    rates = [learning_rate_at(RUN, step, 2) for step in (1, 3, 5)]
    np.testing.assert_allclose([float(row["learning_rate"]) for row in rows], rates, rtol=1e-4)


def test_a_stage_trains_its_layers_only(undisturbed):
    model, _ = undisturbed
    first_epoch, last = model.history[1], model.history[-1]
    body, head = ([name for name in last if part in name] for part in ("body/", "head/"))
    assert body and head
    assert all(np.array_equal(first_epoch[name], model.at_first[name]) for name in body)
    assert not any(np.array_equal(first_epoch[name], model.at_first[name]) for name in head)
    assert not any(np.array_equal(last[name], first_epoch[name]) for name in body)


def test_the_last_weights_are_those_after_the_last_step(undisturbed):
    model, folder = undisturbed
    saved = build(Toy, RUN, seed=2)
    load_weights(saved, folder / "last.h5")
    assert same(weights_of(saved), weights_of(model))


def test_an_interrupted_run_ends_as_an_undisturbed_one(undisturbed, tmp_path):
    """Interrupted between two stages, and in the middle of an epoch."""
    finished, folder = undisturbed
    for last_step, resumes, progress in ((2, False, (1, 0)), (5, True, (2, 1))):
        with pytest.raises(KeyboardInterrupt):
            fit(build(Toy, RUN), Interrupted(RUN, last_step), None, tmp_path, Beginning(resumes))
        assert progress_saved(tmp_path) == progress
    model = build(Toy, RUN, seed=2)  # its own weights are of no importance
    fit(model, loaders(RUN)[0], None, tmp_path, RESUMED)
    assert same(weights_of(model), weights_of(finished))
    assert without_times(read_log(tmp_path)) == without_times(read_log(folder))
    with np.load(tmp_path / "last.npz") as state, np.load(folder / "last.npz") as expected:
        assert same(dict(state), dict(expected))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_waits_for_the_step_that_runs(undisturbed, tmp_path, monkeypatch, request, lines, number):
    """In the first epoch, before anything else is saved."""
    monkeypatch.setattr(errors, "_quiet_libraries", lambda: None)
    finished, folder = undisturbed
    start = Start(tmp_path, "none")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # programs in the background ignore it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    run = tmp_path / RUN.name
    with pytest.raises(SystemExit) as stop:
        run_main(lambda: fit(build(Signalled, RUN).at(number), loaders(RUN)[0], None, run))
    assert stop.value.code == 128 + number
    assert lines() == [f"{run}: saved after 0 epochs and 1 of 2 steps"]
    assert not list(run.glob(".*"))
    model = build(Toy, RUN, seed=2)
    assert load_start(model, find_start(start, RUN), run)
    assert lines()[-1] == f"{run}: resuming after 0 of 3 epochs and 1 steps; another --logs starts anew"
    fit(model, loaders(RUN)[0], None, run, RESUMED)
    assert same(weights_of(model), weights_of(finished))
    assert without_times(read_log(run)) == without_times(read_log(folder))


def test_an_interrupted_validation_or_score_is_done_again(tmp_path):
    config = replace(RUN, score_every=1)

    def score():
        return float(np.sum([weight.sum() for weight in weights_of(model).values()]))

    def interrupted():
        raise KeyboardInterrupt

    training, validation = loaders(config)
    model = build(Toy, config)
    fit(model, training, validation, tmp_path / "undisturbed", watch=Watch(score))
    run, broken = tmp_path / "run", loaders(config)[1]
    broken.batch_at = lambda step: interrupted()
    for watched, judge in ((broken, score), (validation, interrupted)):
        with pytest.raises(KeyboardInterrupt):
            fit(build(Toy, config), training, watched, run, Beginning(judge is interrupted), watch=Watch(judge))
        assert progress_saved(run) == (0, 2)
    expected, model = weights_of(model), build(Toy, config, seed=2)
    fit(model, training, validation, run, RESUMED, watch=Watch(score))
    assert same(weights_of(model), expected)
    logs = [without_times(read_log(tmp_path / name)) for name in ("run", "undisturbed")]
    assert logs[0] == logs[1]


def test_an_interrupted_epoch_of_another_length_begins_anew(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(build(Toy, RUN), Interrupted(RUN, 3), None, tmp_path)
    assert progress_saved(tmp_path) == (1, 1)
    config = replace(RUN, steps_per_epoch=1)
    fit(build(Toy, config), loaders(config)[0], None, tmp_path, RESUMED)
    assert [row["epoch"] for row in read_log(tmp_path)] == ["1", "2", "3"]


def test_an_interrupted_epoch_that_diverges_is_not_saved(tmp_path):
    with pytest.raises(InputError, match="has diverged, to 100 from 3"):
        fit(build(Scripted, SHORT).saying(3, 100), Interrupted(SHORT, 3), None, tmp_path)
    assert progress_saved(tmp_path) == (1, 0)


def test_watching_changes_nothing_in_training(undisturbed, tmp_path):
    finished, folder = undisturbed
    model = build(Toy, RUN)
    fit(model, *loaders(RUN), tmp_path / "run")
    assert same(weights_of(model), weights_of(finished))
    rows = read_log(tmp_path / "run")
    for row, expected in zip(without_times(rows), without_times(read_log(folder)), strict=True):
        assert {name: value for name, value in row.items() if not name.startswith("val_")} == expected


def test_a_finished_run_can_be_continued_but_has_nothing_left_to_do(tmp_path):
    config = replace(SHORT, schedule=(Stage(2, 1e-3),))
    fit(build(Scripted, config), loaders(config)[0], None, tmp_path)
    fit(build(Scripted, config), loaders(config)[0], None, tmp_path, RESUMED)
    assert [row["epoch"] for row in read_log(tmp_path)] == ["1", "2"]
    longer = replace(config, schedule=(Stage(3, 1e-3),))
    fit(build(Scripted, longer), loaders(longer)[0], None, tmp_path, RESUMED)
    assert [row["loss"] for row in read_log(tmp_path)] == ["3", "2", "1"]


def renamed(config, *image_ids):
    images = three(*image_ids)
    return BatchLoader(images, config, samples(images), training=True)


def test_a_run_that_goes_on_with_new_images_says_so(tmp_path, lines):
    config = replace(SHORT, schedule=(Stage(2, 1e-3),))
    fit(build(Scripted, config), loaders(config)[0], None, tmp_path)
    fit(build(Scripted, config), loaders(config)[0], None, tmp_path, RESUMED)
    assert not any("not trained on before" in line for line in lines())
    training = renamed(config, "first", "fourth", "fifth")
    fit(build(Scripted, config), training, None, tmp_path, RESUMED)
    assert "resuming with 2 images that were not trained on before" in lines()


def test_what_a_run_or_the_one_before_it_was_trained_on_cannot_be_held_back(tmp_path):
    config = replace(SHORT, schedule=(Stage(2, 1e-3),))
    training, validation = loaders(config)
    fit(build(Scripted, config), training, validation, tmp_path / "001")  # watching what it learns from is fine
    assert seen_images(tmp_path / "001") == [(name, "") for name in ("first", "second", "third")]
    fit(build(Scripted, config), training, validation, tmp_path / "001", RESUMED)
    others = renamed(config, "fourth", "fifth", "sixth")
    with pytest.raises(InputError, match="001: 3 of the held-out images, such as first, were trained on before"):
        fit(build(Scripted, config), others, validation, tmp_path / "001", RESUMED)
    seen = tuple(seen_images(tmp_path / "001"))
    with pytest.raises(InputError, match="002: 3 of the held-out images"):
        fit(build(Scripted, config), others, validation, tmp_path / "002", Beginning(seen=seen))
    assert not (tmp_path / "002").exists()
    fit(build(Scripted, config), others, None, tmp_path / "002", Beginning(seen=seen))
    assert seen_images(tmp_path / "002") == sorted([*seen, ("fourth", ""), ("fifth", ""), ("sixth", "")])
    assert seen_images(tmp_path / "none") == []


def copied(config, *image_ids):
    """Batches of images whose contents are equal where their first letters are."""
    images = three(*image_ids)
    images.source.fingerprint = lambda row: f"48-{ord(image_ids[row][0]):08x}"
    return BatchLoader(images, config, samples(images), training=True)


def test_equal_contents_leak_and_equal_names_do_not(tmp_path, lines):
    config = replace(SHORT, schedule=(Stage(1, 1e-3),))
    training = copied(config, "a1", "b2", "c3")
    renumbered = copied(config, "d1", "e2", "f3")
    again = copied(config, "a9", "e7", "g1")
    fit(build(Scripted, config), training, renumbered, tmp_path / "001")
    assert not any("are trained on, too" in line for line in lines())
    fit(build(Scripted, config), training, again, tmp_path / "002")
    assert any(
        line.startswith("warning: 1 of the 3 held-out images, such as a9, are trained on, too") for line in lines()
    )
    others = copied(config, "x1", "y2", "z3")
    seen = tuple(seen_images(tmp_path / "001"))
    with pytest.raises(InputError, match="1 of the held-out images, such as a9, were trained on before"):
        fit(build(Scripted, config), others, again, tmp_path / "003", Beginning(seen=seen))
    fit(build(Scripted, config), others, renumbered, tmp_path / "003", Beginning(seen=seen))


def test_a_warm_up_longer_than_the_run_is_told(tmp_path, lines):
    config = replace(SHORT, schedule=(Stage(1, 1e-3),), warmup_steps=99)
    fit(build(Scripted, config), loaders(config)[0], None, tmp_path)
    assert any(line.startswith("warning: --warmup-steps 99 cover all ") for line in lines())


def test_a_run_killed_before_its_first_state_leaves_no_row_behind(tmp_path):
    (tmp_path / "log.csv").write_text("epoch,loss\n1,9\n")
    fit(build(Scripted, SHORT), loaders(SHORT)[0], None, tmp_path)
    assert [(row["epoch"], row["loss"]) for row in read_log(tmp_path)] == [("1", "3"), ("2", "2"), ("3", "1")]


def marked_score(model, scores):
    """Return a score function that marks the weights with the epoch, so that the best file tells its epoch."""

    def score():
        model.head.bias.assign([model.epoch])
        return scores[model.epoch]

    return score


def marked_epoch(path):
    model = build(Toy, SHORT)
    load_weights(model, path)
    return int(keras.ops.convert_to_numpy(model.head.bias)[0])


def test_the_best_epoch_has_the_highest_score(tmp_path):
    config = replace(SHORT, score_every=1)
    model = build(Scripted, config)
    fit(model, *loaders(config), tmp_path, watch=Watch(marked_score(model, [0.2, 0.6, 0.4])))
    assert [row["score"] for row in read_log(tmp_path)] == ["0.2", "0.6", "0.4"]
    assert (marked_epoch(tmp_path / "best.h5"), marked_epoch(tmp_path / "last.h5")) == (1, 2)


def test_scores_that_are_no_numbers_leave_a_best_epoch(tmp_path):
    config = replace(SHORT, score_every=1)
    model = build(Scripted, config)
    fit(model, *loaders(config), tmp_path, watch=Watch(marked_score(model, [math.nan, 0.1, math.nan])))
    assert marked_epoch(tmp_path / "best.h5") == 1
    model = build(Scripted, config)
    fit(model, *loaders(config), tmp_path / "none", watch=Watch(lambda: math.nan))
    assert (tmp_path / "none" / "best.h5").exists()


def test_scores_come_every_few_epochs_and_at_the_end(tmp_path):
    config = replace(SHORT, score_every=2)
    model = build(Scripted, config)
    fit(model, *loaders(config), tmp_path, watch=Watch(marked_score(model, [0.9, 0.6, 0.4])))
    assert [row.get("score", "") for row in read_log(tmp_path)] == ["", "0.6", "0.4"]
    assert marked_epoch(tmp_path / "best.h5") == 1


@pytest.mark.parametrize(("validated", "best"), [(True, 1), (False, 2)])
def test_without_scores_the_lowest_loss_is_best(tmp_path, validated, best):
    model = build(Scripted, SHORT)
    model.validation_losses = (2.0, 1.0, 3.0)
    training, validation = loaders(SHORT)
    saved = []
    original = train.save_weights
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "save_weights", lambda m, path: (saved.append((path.name, m.epoch)), original(m, path)))
        fit(model, training, validation if validated else None, tmp_path)
    assert [epoch for name, epoch in saved if name == "best.h5"][-1] == best
    names = {f"val_{name}" for name in ("loss", *Toy.loss_names)}
    assert names & set(read_log(tmp_path)[0]) == (names if validated else set())


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_images(tmp_path):
    config = replace(SHORT, batch_size=3)
    model = build(Scripted, config)
    model.losses = (1.0, math.nan, 1.0)
    with pytest.raises(InputError, match="not finite") as caught:
        fit(model, *loaders(config), tmp_path)
    assert all(part in str(caught.value) for part in ("step 2", "first", "second", "third", "loss nan"))
    with np.load(tmp_path / "last.npz") as state:
        assert state["epoch"] == 1  # the last good one can be gone on with


class Wider(Scripted):
    """Another network."""

    def __init__(self, config):
        super().__init__(config)
        self.more = keras.layers.Dense(2, name="more")
        self.more.build((None, 4))


RESUMES_NOT = {
    "missing": "last.npz: no run to resume",
    "cut off": "last.npz: a damaged checkpoint",
    "empty": "last.npz: a damaged checkpoint",
    "another network": "last.npz: a checkpoint of another architecture",
    "another optimiser": "this run began with --optimizer adamw \\(not sgd\\); resume it with the same, or begin",
}


@pytest.mark.parametrize("kind", RESUMES_NOT)
def test_a_run_that_cannot_be_resumed_is_one_line(tmp_path, kind):
    if kind != "missing":
        fit(build(Scripted, SHORT), loaders(SHORT)[0], None, tmp_path)
    path = tmp_path / "last.npz"
    if kind in ("cut off", "empty"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 if kind == "cut off" else 0])
    config = replace(SHORT, optimizer="sgd") if kind == "another optimiser" else SHORT
    model = build(Wider if kind == "another network" else Scripted, config)
    with pytest.raises(InputError, match=RESUMES_NOT[kind]) as caught:
        fit(model, loaders(config)[0], None, tmp_path, RESUMED)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def load(model, weights, logs, name, *, previous=None):
    start = find_start(Start(logs, weights, previous), replace(model.config, name=name))
    return load_start(model, start, logs / name)


def test_where_a_run_starts(tmp_path):
    model, source = build(Toy, SHORT), build(Toy, SHORT, seed=2)
    before = weights_of(model)
    assert not load(model, "none", tmp_path, "002", previous="001")
    assert same(weights_of(model), before)
    (tmp_path / "001").mkdir()
    save_weights(source, tmp_path / "001" / "last.h5")
    assert not load(model, "last", tmp_path, "002", previous="001")  # from the step before
    assert not same(weights_of(model), before)
    again = build(Toy, SHORT)
    assert not load(again, str(tmp_path / "001" / "last.h5"), tmp_path, "002")
    assert same(weights_of(again), weights_of(model))
    (tmp_path / "002").mkdir()
    (tmp_path / "002" / "last.npz").touch()
    for weights in ("last", "none", "coco"):
        assert load(model, weights, tmp_path, "002", previous="001")  # a run that has begun goes on


def test_where_a_run_starts_that_is_told_nothing(tmp_path):
    model, source = build(Toy, SHORT), build(Toy, SHORT, seed=2)
    before = weights_of(model)
    assert not load(model, None, tmp_path, "001")
    assert same(weights_of(model), before)
    save_weights(source, tmp_path / "mask_rcnn_coco.h5")
    assert find_start(Start(tmp_path), Pretrained()) == tmp_path / "mask_rcnn_coco.h5"
    assert not load(model, str(tmp_path / "mask_rcnn_coco.h5"), tmp_path, "001")
    assert not same(weights_of(model), before)
    (tmp_path / "001").mkdir()
    save_weights(build(Toy, SHORT), tmp_path / "001" / "last.h5")
    assert not load(model, None, tmp_path, "002", previous="001")
    assert same(weights_of(model), before)
    (tmp_path / "001" / "last.npz").touch()
    assert load(model, None, tmp_path, "001")


def test_a_network_that_needs_published_weights_says_so_without_them(tmp_path, lines):
    config = Pretrained(schedule=SHORT.schedule)
    assert not load(build(Toy, config), "none", tmp_path, "001")
    assert lines() == ["warning: frozen batch norm hardly learns from scratch; --norm group does"]


def test_a_start_that_does_not_exist_is_one_line(tmp_path):
    model = build(Toy, SHORT)
    with pytest.raises(InputError, match="no run to resume"):
        load(model, "last", tmp_path, "001")
    with pytest.raises(InputError, match="no such file; train step 001 first"):
        load(model, "last", tmp_path, "002", previous="001")
    with pytest.raises(InputError, match="no such weights file"):
        load(model, str(tmp_path / "weights.h5"), tmp_path, "001")


def test_published_weights_are_loaded_as_far_as_they_fit(tmp_path, lines):
    save_weights(build(Toy, SHORT, seed=3), tmp_path / "mask_rcnn_coco.h5")
    with h5py.File(tmp_path / "mask_rcnn_coco.h5", "a") as file:
        del file.attrs[WRITER]  # as in others' files
    model = build(Wider, SHORT)
    assert not load(model, "coco", tmp_path, "001")
    assert lines()[0] == "not loaded: not in the file: more"


def test_the_run_of_another_competition_is_a_start(tmp_path, lines):
    model = build(Toy, SHORT)
    (tmp_path / "001").mkdir()
    save_weights(model, tmp_path / "001" / "last.h5")
    (tmp_path / "001" / "log.csv").write_text("epoch,loss\n1,0.5\n")
    (tmp_path / "001" / "config.json").write_text('{"fold": "0"}')
    assert not load(model, str(tmp_path / "001" / "last.h5"), tmp_path, "balloon")
    assert lines()[-1].endswith("last.h5, after 1 of some epochs")


@pytest.mark.parametrize(("steps", "expected"), [(0, 2), (1, 1), (50, 2)])
def test_steps_of_an_epoch_do_not_shorten_the_validation(tmp_path, steps, expected):
    config = replace(SHORT, steps_per_epoch=1, batch_size=2, validation_steps=steps)
    seen = []

    class Watching(Scripted):
        losses = validation_losses = (1.0,) * 20

        def test_on_batch(self, batch, return_dict):
            seen.append(batch)
            return {"loss": 1.0, "squares": 0.5}

    training, validation = loaders(config)
    assert (training.steps_per_epoch, validation.steps_per_epoch) == (1, 2)  # three images
    fit(build(Watching, config), training, validation, tmp_path)
    assert len(seen) == expected * config.epochs


def test_the_same_weights_have_the_same_validation_loss(tmp_path):
    config = replace(RUN, schedule=(Stage(2, 1e-12),), warmup_steps=0)
    fit(build(Toy, config), *loaders(config), tmp_path)
    first, second = (float(row["val_loss"]) for row in read_log(tmp_path))
    assert first == pytest.approx(second, rel=1e-6)
