"""What TensorBoard shows of runs, resumed ones among them."""

import json
import urllib.request
from dataclasses import replace

import numpy as np
import pytest
from tensorboard import program

from common.network.training.beginning import ANEW
from common.network.training.fit import fit
from common.network.training.record import Record
from common.network.training.watch import NOTHING, Watch
from common.settings.config import Stage
from tests.events import read_events, steps
from tests.network.training.test_fit import RESUMED, SHORT, Interrupted, Scripted, Toy, build, loaders

EVERYTHING = replace(SHORT, score_every=2, histogram_every=2)
DRAWN = Watch(draw=lambda: iter([("first", np.full((4, 6, 3), 9, np.uint8))]))


def train(folder, config=EVERYTHING, beginning=ANEW, training=None):
    fit(build(Toy, config), training or loaders(config)[0], None, folder, beginning, watch=DRAWN)


def test_everything_that_is_switched_on_is_written_at_its_epochs(tmp_path):
    train(tmp_path)
    read = read_events(tmp_path)
    assert steps(read, "loss") == {"loss": [1, 2, 3]}
    assert steps(read, "learning_rate") == {"learning_rate": [1, 2, 3]}
    assert steps(read, "overlays/") == {"overlays/first": [2, 3]}
    weights = {f"weights/{weight.path}": [2, 3] for weight in build(Toy, SHORT).weights}
    assert steps(read, "weights/") == weights
    ((step, text),) = read["config"]
    assert step == 1 and text == f"```json\n{EVERYTHING.to_json()}```"


def test_what_is_switched_off_is_not_written(tmp_path):
    config = replace(SHORT, log_hyperparameters=False, histogram_every=0)
    train(tmp_path, config)
    names = ("loss", "squares", "learning_rate", "seconds")
    assert steps(read_events(tmp_path)) == {name: [1, 2, 3] for name in names}


@pytest.mark.usefixtures("a_second_each")
def test_a_resumed_run_has_every_epoch_once(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, training=Interrupted(EVERYTHING, 3))
    train(tmp_path, beginning=RESUMED)
    train(tmp_path, replace(EVERYTHING, schedule=(Stage(4, 1e-3),)), RESUMED)
    read = read_events(tmp_path)
    assert steps(read, "loss") == {"loss": [1, 2, 3, 4]}
    assert steps(read, "overlays/") == {"overlays/first": [2, 3, 4]}
    assert steps(read, "config") == {"config": [1, 2, 4]}


@pytest.mark.usefixtures("a_second_each")
def test_an_epoch_that_was_killed_before_its_checkpoint_is_written_anew(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(
            "common.network.training.fit.save_checkpoint", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path)
    assert steps(read_events(tmp_path), "loss") == {"loss": [1]}
    train(tmp_path)
    assert {tuple(epochs) for tag, epochs in steps(read_events(tmp_path)).items() if "/" not in tag} == {
        (1,),  # the config
        (1, 2, 3),
    }


@pytest.mark.usefixtures("a_second_each")
def test_a_run_that_is_stopped_while_it_draws_goes_on(tmp_path):
    def stopped():
        yield "first", np.zeros((4, 6, 3), np.uint8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(build(Toy, EVERYTHING), loaders(EVERYTHING)[0], None, tmp_path, watch=Watch(draw=stopped))
    assert steps(read_events(tmp_path), "loss") == {"loss": [1]}
    train(tmp_path, beginning=RESUMED)
    read = read_events(tmp_path)
    assert steps(read, "loss") == {"loss": [1, 2, 3]}
    assert steps(read, "overlays/") == {"overlays/first": [2, 3]}


def test_a_finished_run_writes_nothing_more(tmp_path):
    train(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    train(tmp_path, beginning=RESUMED)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.slow
def test_the_hparams_page_lists_runs_with_their_options_and_latest_scores(tmp_path):
    for name, rate in (("001", 1e-3), ("002", 1e-2)):
        model = build(Scripted, replace(SHORT, name=name, schedule=(Stage(3, rate),)))
        with Record(tmp_path / name, model, NOTHING, 0) as record:
            record.add(1, {"loss": 3.0, "score": 10 * rate})
            record.add(2, {"loss": 2.0, "score": 20 * rate})
    board = program.TensorBoard()
    board.configure(argv=[None, "--logdir", str(tmp_path), "--port", "0", "--load_fast", "false"])
    wanted = {"allowedStatuses": ["STATUS_UNKNOWN", "STATUS_RUNNING"], "startIndex": 0, "sliceSize": 9}
    url, kind = f"{board.launch()}data/plugin/hparams/session_groups", {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(wanted).encode(), kind)
    with urllib.request.urlopen(request, timeout=60) as answer:
        groups = json.load(answer)["sessionGroups"]
    rows = {}
    for group in groups:
        metrics = {one["name"]["tag"]: one["value"] for one in group["metricValues"]}
        rows[group["hparams"]["name"]] = (group["hparams"]["schedule"], group["hparams"]["batch_size"], metrics)
    assert set(rows) == {"001", "002"}
    for name, rate in (("001", 1e-3), ("002", 1e-2)):
        schedule, batch_size, metrics = rows[name]
        assert (schedule, batch_size) == (f"3:{rate}:all", 2)
        assert metrics["loss"] == 2 and metrics["score"] == pytest.approx(20 * rate)
