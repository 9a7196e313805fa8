"""Predictors of any competition."""

import pytest

from common.errors import InputError
from common.predictor import MapPredictor, Predictor
from competitions.models import load_predictor
from competitions.sets import COMPETITIONS


def test_weights_that_come_along_load_by_name():
    assert type(load_predictor("small", COMPETITIONS["dsb"], confidence=0.5)) is Predictor
    assert type(load_predictor("lung", COMPETITIONS["lung"])) is MapPredictor


@pytest.mark.parametrize(
    ("weights", "competition", "message"),
    [
        ("small", "lung", "--weights small: finds the objects of another competition; give lung or a file"),
        ("lung", "rsna", "--weights lung: finds the objects of another competition; give a file"),
        ("none.h5", "dsb", "none.h5: no such file"),
    ],
)
def test_other_weights_are_refused(weights, competition, message):
    with pytest.raises(InputError, match=message):
        load_predictor(weights, COMPETITIONS[competition])
