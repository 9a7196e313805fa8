import keras
import numpy as np
import pytest

from common.network.unet.model import UNet
from common.network.unet.segmenter import Segmenter, load_segmenter
from common.network.weights import save_weights
from common.predictor import MapPredictor
from tests.network.unet.test_model import CHESTS, TINY


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    return UNet(TINY)


def images():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*shape, 3)).astype(np.uint8) for shape in ((32, 32), (48, 48), (32, 32), (33, 30))]


def test_maps_are_the_sigmoid_of_the_logits_in_the_order_of_the_images(model):
    found = Segmenter(model)(images())
    for image, probs in zip(images(), found, strict=True):
        logits = keras.ops.convert_to_numpy(model.body(image[None]))[0, :, :, 0]
        assert probs.dtype == np.float32 and probs.shape == image.shape[:2]
        np.testing.assert_allclose(probs, 1 / (1 + np.exp(-logits)), atol=1e-5)
    assert Segmenter(model)([]) == []


def test_large_batches_are_cut(model, monkeypatch):
    segmenter = Segmenter(model)
    whole = segmenter(images())
    monkeypatch.setattr("common.network.unet.segmenter.BATCH_PIXELS", 1)
    for one, other in zip(whole, segmenter(images()), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_predictor_loads_the_weights_and_the_config_beside_them(model, tmp_path):
    TINY.save(tmp_path / "config.json")
    save_weights(model, tmp_path / "w.h5")
    predictor = MapPredictor.load(tmp_path / "w.h5", mask_threshold=0.6)
    assert predictor.config.mask_threshold == 0.6
    image = CHESTS[0][0]
    expected = load_segmenter(TINY, tmp_path / "w.h5")
    probs = predictor.look(image).probs
    np.testing.assert_array_equal(probs, MapPredictor.of_function(TINY, expected).look(image).probs)
    mask = predictor.predict(image, "scales")
    assert mask.shape == image.shape[:2] and mask.dtype == bool
