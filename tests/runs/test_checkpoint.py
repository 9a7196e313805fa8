"""Checkpoints: round trips, damage, those of version 0.1.0, and what the best epoch was chosen by."""

import math
from dataclasses import replace

import numpy as np
import pytest

from common.errors import InputError
from common.runs.checkpoint import (
    Checkpoint,
    Unfinished,
    compare_measures,
    describe_measure,
    progress_saved,
    read_checkpoint,
    save_checkpoint,
)
from common.settings.config import RunConfig
from common.settings.mask_rcnn import MaskRCNNConfig

ARRAYS = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array([7, 8], np.uint32), np.float32(3)]
SAVED = Checkpoint(4, -0.5, "by", 2.5, ["a", "b"], "signature", RunConfig().to_json(), ARRAYS)
CONFIG = MaskRCNNConfig(score_every=2)


def test_round_trip(tmp_path):
    save_checkpoint(tmp_path, SAVED)
    read = read_checkpoint(tmp_path)
    assert {**vars(read), "arrays": 0} == {**vars(SAVED), "arrays": 0}
    for array, expected in zip(read.arrays, ARRAYS, strict=True):
        np.testing.assert_array_equal(array, expected)
    assert RunConfig.from_json(read.config, tmp_path) == RunConfig()
    assert progress_saved(tmp_path) == (4, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["last.npz"]


def test_round_trip_within_an_epoch(tmp_path):
    unfinished = Unfinished(30, 40, 1.5, {"loss": 1 / 3, "rpn": 0.1 + 0.2})
    save_checkpoint(tmp_path, replace(SAVED, unfinished=unfinished))
    assert read_checkpoint(tmp_path).unfinished == unfinished
    assert progress_saved(tmp_path) == (4, 30)


def test_one_of_version_0_1(tmp_path):
    np.savez(tmp_path / "last.npz", epoch=2, best=-1.0, images=["a"], variable_0=ARRAYS[0])
    read = read_checkpoint(tmp_path)
    assert (read.epoch, read.best, read.images, read.measure, read.config, read.signature) == (2, -1, ["a"], "", "", "")
    assert math.isnan(read.first_loss)
    assert read.unfinished == Unfinished()
    assert compare_measures(read.measure, describe_measure("score", CONFIG, ["a"])) == ""


@pytest.mark.parametrize("size", [0, 10, 300, -1])
def test_whatever_byte_it_is_torn_at(tmp_path, size):
    save_checkpoint(tmp_path, SAVED)
    path = tmp_path / "last.npz"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match=r"last.npz: a damaged checkpoint .*; delete it to begin anew"):
        read_checkpoint(tmp_path)
    assert progress_saved(tmp_path) is None


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_one_of_a_run_that_diverged(tmp_path, value):
    save_checkpoint(tmp_path, replace(SAVED, arrays=[*ARRAYS, np.array([1, value], np.float32)]))
    with pytest.raises(InputError, match=r"last.npz: 1 of its arrays are not finite, .* a lower learning rate"):
        read_checkpoint(tmp_path)


def test_there_is_none(tmp_path):
    with pytest.raises(InputError, match="no run to resume"):
        read_checkpoint(tmp_path)


# What the best epoch was chosen by before and after, and the words for it; none: they compare.
MEASURES = [
    (("score", CONFIG, ["a"]), ("score", replace(CONFIG, score_every=1, seed=4, batch_size=9), ["a"]), ""),
    (("score", CONFIG, ["a", "b"]), ("score", CONFIG, ["b", "a"]), ""),
    (("score", CONFIG, ["a"]), ("score", CONFIG, ["b"]), "with other images"),
    (("score", CONFIG, ["a"]), ("score", replace(CONFIG, score_limit=3), ["a"]), "with other score_limit"),
    (("score", CONFIG, ["a"]), ("score", replace(CONFIG, confidence=0.1), ["a"]), "with other confidence"),
    (("score", CONFIG, ["a"]), ("validation loss", CONFIG, ["a"]), "by score, and is now by validation loss"),
    (("validation loss", CONFIG, ["a"]), ("training loss", CONFIG, []), "is now by training loss"),
    (("validation loss", CONFIG, ["a"]), ("validation loss", replace(CONFIG, confidence=0.1), ["a"]), ""),
    (
        ("validation loss", CONFIG, ["a"]),
        ("validation loss", replace(CONFIG, loss_weights=(1, 1, 1, 1, 2)), ["a"]),
        "with other loss_weights",
    ),
]


@pytest.mark.parametrize(("before", "now", "words"), MEASURES)
def test_what_the_best_epoch_is_chosen_by(before, now, words):
    said = compare_measures(describe_measure(*before), describe_measure(*now))
    assert said.endswith(words)
    assert bool(said) == bool(words)
