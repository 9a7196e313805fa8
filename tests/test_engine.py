"""What every competition's scripts do: training starts and is scored, sets are predicted into files."""

import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from common import engine
from common.cluster.spread import Spread
from common.drawing.overlays import HEIGHT
from common.errors import InputError
from common.images.decoding import decode_image
from common.network.mask_rcnn.model import MaskRCNN
from common.network.network import build_network
from common.network.training.watch import NOTHING
from common.network.weights import save_weights
from common.output.results import RESULT_COLUMNS
from common.output.rows import RowMaker
from common.predictor import Predictor
from common.runs.start import Start
from tests.events import read_events, steps
from tests.image_sets import Limited, array_set, grid_image, predictor_of
from tests.network.unet.test_model import TINY as TINY_UNET
from tests.test_predictor import Recording, box_image, find_bright
from tests.tiny import TINY

DRAWN = [box_image(box=(row, 2, row + 5, 20)) for row in (3, 9, 30)]
LABELS = [(image[..., 0] == image.max()).astype(np.int32) for image in DRAWN]
IMAGES = array_set(DRAWN, LABELS, image_ids=["first", "second", "third"])


@pytest.fixture
def handed_on(monkeypatch):
    """What training hands to the loop, in place of training."""
    calls = []
    monkeypatch.setattr(
        "common.network.training.fit.fit", lambda *arguments, **options: calls.append((*arguments, options))
    )
    return calls


def weights_of(model):
    return [np.array(weight) for weight in model.weights]


def test_the_seed_decides_on_the_initial_weights(tmp_path, handed_on):
    for seed in (1, 1, 2):
        engine.train(replace(TINY, seed=seed), IMAGES, None, Start(tmp_path, "none"))
    first, again, other = ([*map(np.ndarray.tobytes, weights_of(model))] for model, *_ in handed_on)
    assert first == again != other


@pytest.mark.parametrize("same_experiment", [True, False])
def test_what_another_experiment_was_trained_on_is_only_told(tmp_path, handed_on, lines, same_experiment):
    logs = tmp_path / "logs"
    begun = (logs if same_experiment else tmp_path / "others") / "001"
    begun.mkdir(parents=True)
    save_weights(MaskRCNN(TINY), begun / "last.h5")
    (begun / "images.txt").write_text("first\nother\n")
    engine.train(replace(TINY, name="002"), IMAGES, IMAGES, Start(logs, str(begun / "last.h5"), previous="001"))
    (*_, beginning, _) = handed_on[0]
    assert beginning.seen == ((("first", ""), ("other", "")) if same_experiment else ())
    warning = f"warning: {begun}/last.h5 was trained on 1 images with the names of held-out ones, such as first"
    assert any(line.startswith(warning) for line in lines()) != same_experiment


def test_what_another_experiment_was_trained_on_for_certain_is_handed_on(tmp_path, handed_on, lines):
    save_weights(MaskRCNN(TINY), tmp_path / "last.h5")
    (tmp_path / "images.txt").write_text("first\t5-aa\nother\n")
    engine.train(replace(TINY, name="002"), IMAGES, IMAGES, Start(tmp_path / "logs", str(tmp_path / "last.h5")))
    (*_, beginning, _) = handed_on[0]
    assert beginning.seen == (("first", "5-aa"),)
    assert not any("with the names of held-out ones" in line for line in lines())


def test_nothing_to_learn_is_refused(tmp_path, handed_on):
    nothing = array_set(DRAWN)
    with pytest.raises(InputError, match="arrays: none of the 3 training images has an object to learn; annotate some"):
        engine.train(TINY, nothing, IMAGES, Start(tmp_path, "none"))
    assert not handed_on and not list(tmp_path.iterdir())


def test_training_is_scored_by_a_predictor_on_always_the_same_images(tmp_path, handed_on):
    scored = []

    def score(predictor, images):
        assert isinstance(predictor, Predictor)
        scored.append(list(images.image_ids))
        return 0.5

    config = replace(TINY, score_limit=2)
    engine.train(config, IMAGES, IMAGES, Start(tmp_path, "none"), score=score)
    (*_, options) = handed_on[0]
    assert (options["watch"].score(), options["watch"].score()) == (0.5, 0.5)
    assert scored[0] == scored[1] and len(scored[0]) == 2


@pytest.mark.parametrize("labelled", [2, 1])
def test_always_the_same_images_are_drawn_those_with_objects_first(tmp_path, handed_on, monkeypatch, labelled):
    nothing = np.zeros_like(LABELS[0])
    images = array_set(DRAWN, [*LABELS[:labelled], *[nothing] * (3 - labelled)], image_ids=list("abc"))
    monkeypatch.setattr("common.drawing.overlays.draw_overlays", lambda predict, images, stretch: images.image_ids)
    engine.train(replace(TINY, overlay_limit=2), IMAGES, images, Start(tmp_path, "none"))
    (*_, options) = handed_on[0]
    watch = options["watch"]
    assert watch.score is None and len(set(watch.draw())) == 2 and watch.draw() == watch.draw()
    assert set(watch.draw()[:labelled]) == set("abc"[:labelled])
    engine.train(replace(TINY, overlay_limit=0), IMAGES, images, Start(tmp_path, "none"))
    assert handed_on[1][-1]["watch"] == NOTHING


@pytest.mark.slow
@pytest.mark.parametrize("config", [TINY, TINY_UNET], ids=["mask_rcnn", "unet"])
def test_both_networks_write_everything_to_tensorboard(tmp_path, config):
    config = replace(config, overlay_limit=2, histogram_every=1, score_every=1)
    engine.train(config, IMAGES, IMAGES, Start(tmp_path, "none"), score=lambda predictor, images: 0.25)
    read = read_events(tmp_path / "tiny")
    assert read["score"] == [(1, 0.25)]
    overlays = steps(read, "overlays/")
    assert list(overlays.values()) == [[1], [1]]
    ((_, (width, height, file)),) = read[min(overlays)]
    assert decode_image(file, "overlay").shape == (height, width, 3) == (HEIGHT, 2 * HEIGHT, 3)
    assert len(steps(read, "weights/")) == len(build_network(config).weights)
    assert {"config", "_hparams_/session_start_info", "loss", "val_loss", "learning_rate"} <= read.keys()


@pytest.mark.parametrize("held_out", [None, IMAGES.select([])])
def test_nothing_held_back_is_neither_watched_nor_scored(tmp_path, handed_on, held_out):
    engine.train(TINY, IMAGES, held_out, Start(tmp_path, "none"), score=lambda predictor, images: 1.0)
    _, _, watched, *_, options = handed_on[0]
    assert watched is None and options["watch"] == NOTHING


def test_two_trainings_do_not_share_a_folder(tmp_path, handed_on):
    def meanwhile(*arguments, **options):
        for name, weights, what in (("tiny", "none", "this run"), ("002", None, "step tiny")):
            with pytest.raises(InputError, match=f"tiny: {what} is in use by process {os.getpid()} on "):
                engine.train(replace(TINY, name=name), IMAGES, None, Start(tmp_path, weights, previous="tiny"))
        assert {path.name for path in tmp_path.iterdir()} == {"tiny"}

    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "last.h5").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("common.network.training.fit.fit", meanwhile)
        engine.train(TINY, IMAGES, None, Start(tmp_path, "none"))
    assert {path.name for path in (tmp_path / "tiny").iterdir()} == {"last.h5"}


def test_a_training_that_cannot_start_leaves_no_folder(tmp_path):
    with pytest.raises(InputError, match="no run to resume"):
        engine.train(TINY, IMAGES, None, Start(tmp_path / "logs", "last"))
    assert list(tmp_path.iterdir()) == []


def test_weights_that_change_while_they_are_read_are_refused(tmp_path):
    """A training that saves its next epoch: rows of one epoch must not be resumed as those of another."""
    predictor = prepared(tmp_path)
    predictor.prepare = lambda: predictor.weights.write_bytes(b"the next epoch")
    with pytest.raises(InputError, match=r"w.h5: changed while it was read; run the same command again"):
        engine.predict_submission([predictor], IMAGES, ["first"], tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()
    assert not (tmp_path / "s.csv.partial").exists()


def test_weights_trained_otherwise_are_told(tmp_path, lines):
    predictor = prepared(tmp_path)
    replace(predictor.config, pixel_std=7.0, confidence=0.1, batch_size=9).save(tmp_path / "config.json")
    engine.predict_submission([predictor], IMAGES, ["first"], tmp_path / "s.csv")
    std = predictor.config.pixel_std
    assert lines() == [f"warning: {predictor.weights} was trained with --pixel-std 7.0 (here {std})"]
    (tmp_path / "config.json").unlink()
    engine.predict_submission([predictor], IMAGES, ["first"], tmp_path / "s.csv")
    assert lines() == [f"no config.json beside {predictor.weights}, so the preset says how it was trained"]


def test_a_run_that_lost_its_validation_set_does_not_go_on(tmp_path, handed_on):
    folder = tmp_path / TINY.name
    folder.mkdir()
    (folder / "last.npz").touch()
    (folder / "log.csv").write_text("epoch,loss,val_loss\n1,2.0,3.0\n")
    message = "tiny: validated on held-out images so far, and now there are none; hold out the same ones, or choose"
    for held_out in (None, IMAGES.select([])):
        with pytest.raises(InputError, match=message):
            engine.train(TINY, IMAGES, held_out, Start(tmp_path))
    assert not handed_on


def prepared(tmp_path):
    predictor = predictor_of(find_bright)
    predictor.weights = tmp_path / "w.h5"
    predictor.weights.write_bytes(b"weights")
    predictor.config.save(tmp_path / "config.json")
    return predictor


@pytest.fixture
def two(tmp_path):
    """Two predictors, each with weights of its own, of which only the second stretches the contrast."""
    predictors = []
    for name, stretch in (("a", False), ("b", True)):
        (tmp_path / name).mkdir()
        predictor = prepared(tmp_path / name)
        predictor.config = replace(predictor.config, stretch_contrast=stretch)
        predictor.config.save(tmp_path / name / "config.json")
        predictor._applied = Recording()
        predictors.append(predictor)
    return predictors


def test_every_network_is_shown_every_view_as_its_config_says(tmp_path, two, lines):
    ids = IMAGES.image_ids
    engine.predict_submission(two, IMAGES, ids, tmp_path / "s.csv", views="majority")
    shown = [predictor._applied.images for predictor in two]
    assert len(shown[0]) == len(shown[1]) > len(ids)
    assert [{image.max() for image in images} for images in shown] == [{200}, {255}]
    engine.predict_submission([prepared(tmp_path)], IMAGES, ids, tmp_path / "one.csv", views="majority")
    assert (tmp_path / "s.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()
    assert lines() == []
    (tmp_path / "b" / "images.txt").write_text("second\n")
    engine.predict_submission(two, IMAGES, ids, tmp_path / "s.csv", views="majority", spread=Spread(shards=2))
    assert lines()[0] == f"warning: {two[1].weights} was trained on 1 of these images, such as second"
    assert (tmp_path / "s_shards" / "part-00001.csv").exists()


def test_a_prediction_of_several_networks_goes_on_only_with_the_same_ones(tmp_path, two, monkeypatch):
    ids, first = IMAGES.image_ids, two[0].look

    def predict(predictors=two):
        engine.predict_submission(predictors, IMAGES, ids, tmp_path / "s.csv", views="majority")

    def stop_at_the_third(image, *arguments, **options):
        if np.array_equal(image, DRAWN[2]):
            raise KeyboardInterrupt
        return first(image, *arguments, **options)

    monkeypatch.setattr(two[0], "look", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        predict()
    monkeypatch.undo()
    two[1].weights.write_bytes(b"others")
    for predictors in (two, two[:1], two[::-1]):
        with pytest.raises(InputError, match="partial: left by another run with other weights, options or images"):
            predict(predictors)
    two[1].weights.write_bytes(b"weights")
    two[1]._applied = Recording()
    predict()
    resumed = (tmp_path / "s.csv").read_bytes()
    shown = len(two[1]._applied.images)
    predict()
    assert (tmp_path / "s.csv").read_bytes() == resumed
    assert 0 < shown < len(two[1]._applied.images) - shown


def test_whichever_weights_change_while_they_are_read_are_named(tmp_path, two):
    two[0].prepare = lambda: two[1].weights.write_bytes(b"the next epoch")
    with pytest.raises(InputError, match=r"b/w.h5: changed while it was read; run the same command again"):
        engine.predict_submission(two, IMAGES, ["first"], tmp_path / "s.csv", views="votes")


def test_a_submission_has_a_row_an_object_in_the_order_of_the_ids(tmp_path):
    ids = ["third", "nowhere", "first"]
    for views in (None, "votes"):
        engine.predict_submission([prepared(tmp_path)], IMAGES, ids, tmp_path / "s.csv", views=views)
        rows = [row.split(",") for row in (tmp_path / "s.csv").read_text().splitlines()]
        assert rows[0] == ["ImageId", "EncodedPixels"]
        assert [name for name, _ in rows[1:]] == ids
        assert rows[2][1] == "" and all(rows[1][1].split())


def test_shards_take_the_place_of_the_csv(tmp_path):
    """Callers go on, but must know that there is no CSV yet."""
    shards = Spread(shards=2)
    assert engine.predict_results(prepared(tmp_path), IMAGES, tmp_path / "r.csv", spread=shards) is None
    assert not engine.predict_submission([prepared(tmp_path)], IMAGES, ["first"], tmp_path / "s.csv", spread=shards)
    assert engine.predict_submission([prepared(tmp_path)], IMAGES, ["first"], tmp_path / "s.csv")
    assert not (tmp_path / "r.csv").exists() and (tmp_path / "r_shards" / "part-00001.csv").exists()


def test_full_images_are_told_in_one_line_and_nothing_else_is(tmp_path, lines):
    dense = [grid_image(100, 100, step)[0] for step in (30, 40)]
    images = array_set([dense[0], box_image(), dense[1]], image_ids=IMAGES.image_ids)
    predictor, told = prepared(tmp_path), "warning: 2 images, such as first: each may hold more objects than --max-det"
    predictor._applied = Limited(5)
    engine.predict_results(predictor, images, tmp_path / "r.csv")
    assert [line[: len(told)] for line in lines()] == [told]
    engine.predict_submission([predictor], images, images.image_ids, tmp_path / "s.csv", views="majority")
    assert [line[: len(told)] for line in lines()] == [told]


def test_a_line_says_which_images_were_full_even_if_the_run_is_interrupted(tmp_path, lines):
    predictor, seen = prepared(tmp_path), []

    def look(name, image):
        if seen:
            raise KeyboardInterrupt
        seen.append(name)
        return SimpleNamespace(full=True)

    maker = RowMaker(look, lambda _: ["1 1"])
    with pytest.raises(KeyboardInterrupt):
        engine.predict_rows([predictor], IMAGES, IMAGES.image_ids, tmp_path / "s.csv", maker)
    assert [line.split(":")[1] for line in lines()] == [" 1 images, such as first"]


@pytest.mark.parametrize("nothing", [True, False])
def test_a_set_without_any_object_brings_a_hint(tmp_path, lines, nothing):
    images = array_set([np.zeros((50, 40, 3), np.uint8), np.zeros((50, 40, 3), np.uint8) if nothing else box_image()])
    engine.predict_results(prepared(tmp_path), images, tmp_path / "r.csv")
    hint = (
        f"warning: {tmp_path}/r.csv: no objects in any image; try other --weights or their --preset, a lower "
        "--confidence than 0.7, --stretch-contrast, or images scaled so that their objects are as large as those of "
        "the training images"
    )
    assert lines() == ([hint] if nothing else [])


def test_results_come_back_by_image(tmp_path):
    found = engine.predict_results(prepared(tmp_path), IMAGES, tmp_path / "r.csv")
    assert [found[name].boxes.tolist() for name in IMAGES.image_ids] == [[[row, 2, row + 5, 20]] for row in (3, 9, 30)]
    assert (tmp_path / "r.csv").read_text().startswith(",".join(RESULT_COLUMNS))


def test_weights_that_were_trained_on_an_image_are_told(tmp_path, lines):
    predictor = prepared(tmp_path)
    (tmp_path / "images.txt").write_text("second\n")
    engine.predict_submission([predictor], IMAGES, ["first"], tmp_path / "s.csv")
    assert lines() == []
    engine.predict_submission([predictor], IMAGES, ["second"], tmp_path / "s.csv")
    assert lines() == [f"warning: {predictor.weights} was trained on 1 of these images, such as second"]
