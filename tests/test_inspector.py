"""What an inspector shows is what its predictor does."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from common.inspector import Inspector, MapInspector
from common.masks.instances import Instances
from common.network.mask_rcnn.model import MaskRCNN
from common.network.unet.model import UNet
from common.network.weights import save_weights
from common.predictor import MapPredictor, Predictor
from common.settings.unet import UNetConfig
from tests.tiny import TINY

SHAPE = (80, 100)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights of an untrained network that takes every region for an object."""
    keras.utils.set_random_seed(1)
    model = MaskRCNN(TINY)
    model.class_head.get_layer("mrcnn_class_logits").bias.assign([0.0, 3.0])
    path = tmp_path_factory.mktemp("weights") / "weights.weights.h5"
    save_weights(model, path)
    return path


def noise(shape=SHAPE):
    return np.random.default_rng(0).integers(60, 180, (*shape, 3)).astype(np.uint8)


@pytest.mark.parametrize("changes", [{"stretch_contrast": True, "separate": True}, {"downscale": True}], ids=str)
def test_the_steps_are_those_of_the_prediction(weights, changes):
    predictor = Predictor(replace(TINY, look_again=False, **changes), weights)
    inspector = Inspector(predictor)
    image, _ = inspector.show(noise(), Instances.empty())
    assert image.shape[:2] == ((64, 80) if "downscale" in changes else SHAPE)
    steps = inspector.steps(image)
    expected = predictor.look(image)
    np.testing.assert_array_equal(steps.detections.boxes, expected.looks[0].detections.boxes)
    found, predicted = inspector.predict(steps), expected.instances()
    assert len(found) > 0
    np.testing.assert_array_equal(found.to_label_image(SHAPE), predicted.to_label_image(SHAPE))


def test_an_image_in_tiles_is_shown_by_its_middle_one(weights):
    config = replace(TINY, max_whole_side=64, tile_size=64, tile_overlap=16)
    image = noise((64, 164))
    true = Instances.from_crops(np.array([[10, 40, 20, 60], [0, 0, 9, 9]]), [np.ones((10, 20)), np.ones((9, 9))])
    shown, objects = Inspector(Predictor(config, weights)).show(image, true)
    np.testing.assert_array_equal(shown, image[:, 50:114])
    assert objects.boxes.tolist() == [[10, 0, 20, 10]]


def test_objects_shrink_with_their_image(weights):
    inspector = Inspector(Predictor(replace(TINY, downscale=True), weights))
    true = Instances.from_crops(np.array([[0, 0, 64, 64]]), [np.ones((64, 64))])
    shown, objects = inspector.show(noise((128, 256)), true)
    assert shown.shape == (64, 128, 3) and objects.boxes.tolist() == [[0, 0, 32, 32]]


@pytest.mark.parametrize(("names", "merging"), [(("cell",), "votes"), (("cell", "nucleus"), None)])
def test_views_are_merged_where_there_is_one_class(weights, tmp_path, names, merging):
    predictor = Predictor(replace(TINY, class_names=names), weights)
    if len(names) > 1:
        model = MaskRCNN(predictor.config)
        save_weights(model, tmp_path / "two.h5")
        predictor = Predictor(predictor.config, tmp_path / "two.h5")
    prediction = Inspector(predictor).looks(noise())
    assert prediction.merging == merging
    assert sorted(place for look in prediction.looks for place in look.places) == list(range(15))


def test_a_unet_is_looked_into_at_its_size(tmp_path):
    config = UNetConfig(image_size=32, channels=(8,))
    save_weights(UNet(config), tmp_path / "unet.h5")
    predictor = MapPredictor(config, tmp_path / "unet.h5")
    inspector = MapInspector(predictor)
    names, features = zip(*inspector.activations(noise(), ["up1_relu2"]), strict=True)
    assert names == ("up1_relu2",) and features[0].shape == (32, 32, 8)
    np.testing.assert_array_equal(inspector.predictor.look(noise()).probs, predictor.look(noise()).probs)
