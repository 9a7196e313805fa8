"""The weights that come with the project segment lungs that they were not trained on."""

import numpy as np
import pytest

from common.predictor import MapPredictor
from common.scoring.dice import score_mask
from lung.dataset import load_labelled, split

pytestmark = pytest.mark.slow


def test_they_reach_their_score_on_the_held_out_radiographs(data_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    predictor = MapPredictor.load("lung")
    images = load_labelled(data_folder / "lung" / "lung.zip", 64)
    _, held_out = split(images, "0", seed=2018)
    named = (predictor.weights.parent / "images.txt").read_text().splitlines()
    assert len(held_out) == 13 and not set(named) & set(held_out.image_ids)
    masks = [predictor.predict(held_out.load_image(index)) for index in range(13)]
    truths = [held_out.load_label_layers(index)[0] > 0 for index in range(13)]
    assert np.mean([score_mask(*pair).dice for pair in zip(truths, masks, strict=True)]) > 0.955
