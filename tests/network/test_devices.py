"""Two devices with half of each batch do what one does with all of it."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from common.errors import InputError
from common.network.devices import batch_uniform, count_shares, find_devices, share, sum_over_devices
from common.network.network import prepare_backend
from common.network.norm import BatchNorm, build_norm
from common.network.training.optimizer import build_optimizer
from common.settings.config import RunConfig
from common.settings.unet import UNetConfig

ROOT = Path(__file__).resolve().parents[2]
# In float32 rounding alone, but a unit near 0 may be rectified on one side only, and its part of a gradient is lost. In
# bfloat16, rounding moves proposals, so that other regions are trained on.
LARGEST_ERROR = {"float32": {"loss": 2e-5, "gradient": 2e-3, "weight": 1e-4, "prediction": 1e-3}}
LARGEST_ERROR["bfloat16"] = {"loss": 2e-2, "gradient": 2e-2, "weight": 1e-3, "prediction": 2e-2}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Train in a process of its own, once for each network and precision; return the folder of what came out."""
    folders = {}

    def train(kind, precision):
        if (kind, precision) not in folders:
            folders[kind, precision] = folder = tmp_path_factory.mktemp(f"{kind}_{precision}")
            command = [sys.executable, "-m", "tests.network.two_devices", kind, precision, str(folder)]
            programs = f"--xla_dump_to={folder / 'programs'} --xla_dump_hlo_module_re=.*train_step.*"
            environment = os.environ | {"KERAS_BACKEND": keras.backend.backend(), "XLA_FLAGS": programs}
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        return folders[kind, precision]

    return train


def read(path):
    with np.load(path) as arrays:
        return dict(arrays)


def error_of(found, expected):
    """Return the distance between two sets of arrays, relative to the second one's length."""
    difference, length = (
        np.sqrt(sum(np.square(array, dtype=np.float64).sum() for array in arrays))
        for arrays in ([a - b for a, b in zip(found, expected, strict=True)], expected)
    )
    return difference / length


def assert_equal_to_rounding(found, expected, precision):
    assert found.keys() == expected.keys()
    for kind, largest in LARGEST_ERROR[precision].items():
        names = [name for name in found if name.startswith(kind)]
        groups = [[name] for name in names] if kind == "loss" else [names] * bool(names)
        for group in groups:
            error = error_of([found[name] for name in group], [expected[name] for name in group])
            assert error < largest, f"{group[0]}: {error:.2g}"


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["unet", "mask_rcnn"])
def test_steps_on_two_devices_are_those_on_one(trained, kind, precision):
    one, two = (read(trained(kind, precision) / f"steps_{count}.npz") for count in (1, 2))
    assert_equal_to_rounding(two, one, precision)
    for name in (name for name in one if name.startswith("state")):
        np.testing.assert_array_equal(one[name], two[name])


@pytest.mark.slow
def test_a_run_resumes_on_another_number_of_devices(trained):
    """Five images in batches of two; three held out, so that the last batch holds one of them twice."""
    folder = trained("unet", "float32")
    assert_equal_to_rounding(read(folder / "run_changing.npz"), read(folder / "run_one.npz"), "float32")


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "jax", reason="TensorFlow sends what it is told to")
def test_only_gradients_and_sums_of_losses_go_from_device_to_device(trained):
    """XLA writes down the programs it compiles; those for two devices name what they send."""
    folder = trained("mask_rcnn", "float32") / "programs"
    programs = [path.read_text() for path in folder.rglob("*after_optimizations.txt")]
    (shared,) = (program for program in programs if "num_partitions=2" in program)
    assert set(re.findall(r" (all-[a-z-]+|collective-[a-z-]+|reduce-scatter)\(", shared)) == {"all-reduce"}


def test_one_device_costs_nothing():
    """Every function returns the very object it was given."""
    devices, batch = find_devices(1), {"images": np.zeros((3, 2, 2, 3), np.uint8)}
    assert devices.split(batch) is batch and len(devices.names) == count_shares() == 1
    with devices.scope():
        assert keras.distribution.distribution() is None
    value, values = keras.ops.ones(2), [keras.ops.ones(1)]
    assert share(value) is value and sum_over_devices(values) is values
    assert type(build_optimizer(RunConfig())) is keras.optimizers.SGD
    assert type(build_norm("batch", 16, "norm")) is BatchNorm
    assert not build_norm("batch", 16, "norm").synchronized


def test_random_numbers_of_one_device_are_those_of_keras():
    ours, theirs = (keras.random.SeedGenerator(7) for _ in range(2))
    expected = keras.random.uniform((3, 5), seed=theirs)
    np.testing.assert_array_equal(np.array(batch_uniform((3, 5), ours)), np.array(expected))


def test_more_devices_than_there_are_is_one_line():
    with pytest.raises(InputError, match=r"--devices 99: (TensorFlow|JAX) sees 1 here, .pu:0; choose at most as many"):
        prepare_backend(replace(UNetConfig(), devices=99, batch_size=99))


def test_a_batch_that_does_not_divide_is_one_line():
    with pytest.raises(InputError, match="--batch-size 3: not a multiple of --devices 2, which share it evenly"):
        RunConfig(batch_size=3, devices=2)
    assert RunConfig(batch_size=4, devices=2).devices == 2
