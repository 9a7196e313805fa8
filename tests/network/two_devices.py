"""The same training on one device and on two, in a process of its own: `test_devices.py` runs it and compares.

The machine's CPU becomes two devices, which both backends must be told before they start.
"""

import os
import sys
from dataclasses import replace
from pathlib import Path

os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"

import keras
import numpy as np

from common.images.synthetic import generate_sample
from common.network.devices import find_devices
from common.network.mask_rcnn.detector import Detector
from common.network.network import build_network, prepare_backend
from common.network.training.beginning import Beginning
from common.network.training.fit import fit
from common.network.training.optimizer import build_optimizer
from common.network.training.watch import Watch
from common.network.unet.segmenter import Segmenter
from common.runs.log import read_epochs
from common.settings.config import Stage
from common.settings.unet import UNetConfig
from tests.image_sets import array_set
from tests.tiny import TINY

# A low limit on the gradients' norm, so that it matters whether one clips before or after adding up.
OPTIONS = {"optimizer": "sgd", "weight_decay": 0.1, "gradient_clip": 0.5, "batch_size": 4, "validation_steps": 0}
UNET = UNetConfig(image_size=64, channels=(16, 16), norm="batch", seed=3, **OPTIONS)
NETWORKS = {"mask_rcnn": replace(TINY, norm="group", **OPTIONS), "unet": UNET}
STEPS = 3


def split_cpu():
    """Make two devices of the CPU."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        halves = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], halves)


def draw_images():
    """Return seven images with many objects, one or none, so that the halves of a batch differ."""
    rng = np.random.default_rng(5)
    samples = [generate_sample(rng, "fluorescence", (64, 64), count) for count in (6, 4, 1, 3, 7, 2, 5)]
    labels = [sample.instances.to_label_image((64, 64)) * (number != 3) for number, sample in enumerate(samples)]
    return array_set([sample.image for sample in samples], labels)


def step(config, images):
    """Return losses, gradients, weights and a prediction, with a few training steps and one of validation."""
    line = prepare_backend(config)
    assert line.count("cpu:") == config.devices, line
    devices, model = find_devices(config.devices), build_network(config)
    with devices.scope():
        optimizer = build_optimizer(config)
        model.compile(optimizer=optimizer, jit_compile=keras.backend.backend() != "tensorflow")
        optimizer.build(model.trainable_variables)
    optimizer.learning_rate = 0.02
    arrays, losses = {}, []
    loader = model.batches(images, training=True)
    for number in range(STEPS + 1):
        run = model.train_on_batch if number < STEPS else model.test_on_batch
        model.reset_metrics()
        with devices.scope():
            losses.append(run(devices.split(loader.batch_at(number)), return_dict=True))
        if number == 0:
            momenta = [each for each in optimizer.variables if "momentum" in each.path]
            arrays = {f"gradient {i}": keras.ops.convert_to_numpy(each).copy() for i, each in enumerate(momenta)}
    arrays |= {f"weight {each.path}": keras.ops.convert_to_numpy(each) for each in model.weights}
    arrays |= {f"loss {name}": np.array([float(each[name]) for each in losses]) for name in losses[0]}
    arrays |= {f"state {i}": keras.ops.convert_to_numpy(state) for i, state in enumerate(model.random_states)}
    return arrays | {"prediction": predict(model, images.load_image(0))}


def predict(model, image):
    """Return what the network makes of an image: a map, or the scores of what it finds."""
    if isinstance(model.config, UNetConfig):
        return Segmenter(model)([image])[0]
    return Detector(model)([image])[0].scores


def train(config, images, folder, stops):
    """Return log and weights of a run by the training loop, stopped after epochs and resumed on other devices.

    Args:
        stops: the last epoch on so many devices, in order.
    """
    for epoch, count in stops:
        config = replace(config, schedule=(Stage(epoch, 0.02),), devices=count, batch_size=2, score_every=1)
        prepare_backend(config)
        model = build_network(config)
        training, held_out = images.first(5), images.select(np.arange(len(images)) >= 4)
        loaders = model.batches(training, training=True), model.batches(held_out, training=False)
        score = lambda model=model: float(predict(model, images.load_image(6)).mean())  # noqa: E731
        fit(model, *loaders, folder, Beginning(resumes=folder.exists()), watch=Watch(score=score))
    rows = read_epochs(folder / "log.csv")
    log = {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name != "seconds"}
    weights = {f"weight {each.path}": keras.ops.convert_to_numpy(each) for each in model.weights}
    return weights | {f"loss {name}": values for name, values in log.items()}


def main(kind, precision, folder):
    """Write `<way>.npz` for each way to train a network."""
    split_cpu()
    images, config = draw_images(), replace(NETWORKS[kind], bfloat16=precision == "bfloat16")
    for count in (1, 2):
        np.savez(folder / f"steps_{count}.npz", **step(replace(config, devices=count), images))
    if kind == "unet":
        for name, stops in (("one", [(3, 1)]), ("changing", [(1, 2), (2, 1), (3, 2)])):
            np.savez(folder / f"run_{name}.npz", **train(config, images, folder / name, stops))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
