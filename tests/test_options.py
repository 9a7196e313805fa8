"""No option is without effect: each one that is offered is read where it is to matter."""

import ast
import dataclasses
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from coco.config import BalloonConfig, CocoConfig, ShapesConfig
from common.batches.augment import Rescaling
from common.network.mask_rcnn.model import MaskRCNN
from common.network.training.optimizer import build_optimizer, learning_rate_at
from common.network.unet.model import UNet
from common.predictor import MapPredictor, Predictor
from common.settings.config import RunConfig
from common.settings.mask_rcnn import MaskRCNNConfig
from common.settings.unet import UNetConfig
from dsb.config import DSBConfig
from isic.config import LesionConfig
from lung.config import LungConfig
from rsna.config import RSNAConfig
from tests.image_sets import array_set
from tests.tiny import TINY, disc_labels
from wbc.config import WBCConfig

ROOT = Path(__file__).resolve().parents[1]
COMPETITIONS = (DSBConfig, RSNAConfig, LesionConfig, WBCConfig, CocoConfig, BalloonConfig, ShapesConfig, LungConfig)
NETWORKS = (MaskRCNNConfig, UNetConfig)
# Of training itself, not of what this file runs: the loop in `common/network/training/fit.py`, which its own tests run.
OF_THE_LOOP = {"name", "devices", "steps_per_epoch", "validation_steps", "score_every", "score_limit"}
OF_THE_LOOP |= {"log_hyperparameters", "overlay_limit", "histogram_every"}


def is_of_configs(path):
    return path.parent.name == "settings" or "config" in path.stem


def attributes_read(folder):
    """Return the names of all attributes that a folder's code reads, but for those of configs themselves."""
    paths = [
        path for path in (ROOT / folder).rglob("*.py") if "config" not in path.stem and path.parent.name != "settings"
    ]
    nodes = [node for path in paths for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return names | {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


@pytest.mark.parametrize("config_class", COMPETITIONS, ids=lambda one: one.__name__)
def test_every_option_of_a_competition_is_read_somewhere(config_class):
    folder = config_class.__module__.split(".")[0]
    rescaling = {spec.name for spec in dataclasses.fields(Rescaling)}  # read by their names
    read = attributes_read("common") | attributes_read(folder) | rescaling
    assert {spec.name for spec in config_class.options()} <= read


def test_options_of_a_competition_are_read_by_it_or_by_the_network():
    for config_class in COMPETITIONS:
        (network,) = (one for one in NETWORKS if issubclass(config_class, one))
        own = {spec.name for spec in config_class.options()} - {spec.name for spec in dataclasses.fields(network)}
        assert own <= attributes_read(config_class.__module__.split(".")[0]), config_class


@pytest.fixture
def read(monkeypatch):
    """Return the set of options that other files than those of configs read from now on."""
    names = {spec.name for network in NETWORKS for spec in dataclasses.fields(network)}
    seen = set()
    plain = RunConfig.__getattribute__

    def recorded(self, name):
        file = Path(sys._getframe(1).f_code.co_filename)
        if (
            name in names
            and file.parent.name != "settings"
            and "config" not in file.stem
            and file.stem != "dataclasses"
        ):
            seen.add(name)
        return plain(self, name)

    monkeypatch.setattr(RunConfig, "__getattribute__", recorded, raising=False)
    return seen


def options(use, network=MaskRCNNConfig):
    return {spec.name for spec in network.options(use)}


CONFIG = dataclasses.replace(TINY, augment=True, balanced=True, crop_draws=2, recolour=0.5, warmup_steps=2)


@pytest.mark.slow
def test_training_reads_every_option_of_training(read):
    labels = [disc_labels(64, [(20, 20, 12)]), disc_labels(64, [(30, 30, 9)])]
    images = array_set([np.repeat(80 * (one > 0)[..., None], 3, axis=2).astype(np.uint8) for one in labels], labels)
    config = dataclasses.replace(CONFIG, optimizer="sgd")
    for optimizer in ("sgd", "adamw"):
        build_optimizer(dataclasses.replace(config, optimizer=optimizer, weight_decay=0.01))
    learning_rate_at(config, 3, 2)
    model = MaskRCNN(config)
    batches = model.batches(images, training=True)
    model.compile(optimizer=build_optimizer(config), run_eagerly=True)
    model.train_on_batch(batches.batch_at(0))
    assert batches.steps_per_epoch
    only = {spec.name for spec in MaskRCNNConfig.options("training") if spec.metadata["only"] == "training"}
    assert only - read - OF_THE_LOOP == set()


@pytest.mark.slow
def test_prediction_reads_every_option_of_prediction_and_none_of_training(read):
    config = dataclasses.replace(TINY, max_whole_side=64, tile_size=64, tile_overlap=16, separate=True, seed=3)
    keras.utils.set_random_seed(1)
    predictor = Predictor.of_model(MaskRCNN(config))
    read.clear()
    MaskRCNN(config)
    image = np.random.default_rng(0).integers(0, 255, (64, 90, 3)).astype(np.uint8)
    predictor.predict(image)
    predictor.predict(image[:, :64], "votes")
    left_to_scripts = {"name", "views"}
    assert options("prediction") - read - left_to_scripts == set()
    only_training = options("training") - options("prediction")
    assert read & only_training <= {"seed"}  # the network's own generator, which prediction does not use


UNET = UNetConfig(image_size=32, channels=(16,), norm="group", batch_size=1, balanced=True)


@pytest.mark.slow
def test_a_unet_reads_every_option(read):
    labels = disc_labels(32, [(16, 16, 9)])
    image = np.repeat(80 * (labels > 0)[..., None], 3, axis=2).astype(np.uint8)
    config = dataclasses.replace(UNET, optimizer="sgd", weight_decay=0.01)
    model = UNet(config)
    batches = model.batches(array_set([image], [labels]), training=True)
    model.compile(optimizer=build_optimizer(config), run_eagerly=True)
    model.train_on_batch(batches.batch_at(0))
    learning_rate_at(config, 3, 2)
    assert batches.steps_per_epoch
    only = {spec.name for spec in UNetConfig.options("training") if spec.metadata["only"] == "training"}
    assert only - read - OF_THE_LOOP == {"loss_weights"} - read
    read.clear()
    MapPredictor.of_model(UNet(UNET)).predict(image)
    assert options("prediction", UNetConfig) - read <= {"name", "class_names"}
    assert read & (options("training", UNetConfig) - options("prediction", UNetConfig)) == set()
