"""What every competition's scripts do: training starts and is scored, sets are predicted into files."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from common import engine
from common.errors import InputError
from common.network.mask_rcnn.model import MaskRCNN
from common.network.weights import save_weights
from common.output.results import RESULT_COLUMNS
from common.output.rows import RowMaker
from common.predictor import Predictor
from common.runs.start import Start
from tests.image_sets import Limited, array_set, grid_image, predictor_of
from tests.test_predictor import box_image, find_bright
from tests.tiny import TINY

IMAGES = array_set([box_image(box=(row, 2, row + 5, 20)) for row in (3, 9, 30)], image_ids=["first", "second", "third"])


@pytest.fixture
def handed_on(monkeypatch):
    """What training hands to the loop, in place of training."""
    calls = []
    monkeypatch.setattr("common.network.fit.fit", lambda *arguments, **options: calls.append((*arguments, options)))
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
    assert beginning.seen == (("first", "other") if same_experiment else ())
    warning = f"warning: {begun}/last.h5 was trained on 1 images with the names of held-out ones, such as first"
    assert any(line.startswith(warning) for line in lines()) != same_experiment


def test_training_is_scored_by_a_predictor_on_always_the_same_images(tmp_path, handed_on):
    scored = []

    def score(predictor, images):
        assert isinstance(predictor, Predictor)
        scored.append(list(images.image_ids))
        return 0.5

    config = replace(TINY, score_limit=2)
    engine.train(config, IMAGES, IMAGES, Start(tmp_path, "none"), score=score)
    (*_, options) = handed_on[0]
    assert (options["score"](), options["score"]()) == (0.5, 0.5)
    assert scored[0] == scored[1] and len(scored[0]) == 2


@pytest.mark.parametrize("held_out", [None, IMAGES.select([])])
def test_nothing_held_back_is_neither_watched_nor_scored(tmp_path, handed_on, held_out):
    engine.train(TINY, IMAGES, held_out, Start(tmp_path, "none"), score=lambda predictor, images: 1.0)
    _, _, watched, *_, options = handed_on[0]
    assert watched is None and options["score"] is None


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
    return predictor


def test_a_submission_has_a_row_an_object_in_the_order_of_the_ids(tmp_path):
    ids = ["third", "nowhere", "first"]
    for views in (None, "votes"):
        engine.predict_submission(prepared(tmp_path), IMAGES, ids, tmp_path / "s.csv", views=views)
        rows = [row.split(",") for row in (tmp_path / "s.csv").read_text().splitlines()]
        assert rows[0] == ["ImageId", "EncodedPixels"]
        assert [name for name, _ in rows[1:]] == ids
        assert rows[2][1] == "" and all(rows[1][1].split())


def test_full_images_are_told_in_one_line_and_nothing_else_is(tmp_path, lines):
    dense = [grid_image(100, 100, step)[0] for step in (30, 40)]
    images = array_set([dense[0], box_image(), dense[1]], image_ids=IMAGES.image_ids)
    predictor, told = prepared(tmp_path), "warning: 2 images, such as first: each may hold more objects than --max-det"
    predictor._detector = Limited(5)
    engine.predict_results(predictor, images, tmp_path / "r.csv")
    assert [line[: len(told)] for line in lines()] == [told]
    engine.predict_submission(predictor, images, images.image_ids, tmp_path / "s.csv", views="majority")
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
    engine.predict_submission(predictor, IMAGES, ["first"], tmp_path / "s.csv")
    assert lines() == []
    engine.predict_submission(predictor, IMAGES, ["second"], tmp_path / "s.csv")
    assert lines() == [f"warning: {predictor.weights} was trained on 1 of these images, such as second"]
