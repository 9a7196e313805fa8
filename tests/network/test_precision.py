"""Which precision is chosen on which machine; the machines are made up."""

from dataclasses import replace
from types import SimpleNamespace

import keras
import pytest

from common.network import precision
from common.network.mask_rcnn.model import MaskRCNN
from common.network.precision import choose_policy, describe_precision
from common.network.weights import weighted_layers
from tests.tiny import TINY

FLAGS = "processor\t: 0\nflags\t\t: fpu sse avx2 {}\nbugs\t\t: spectre_v1\n"
T4, P100, A100 = ("Tesla T4", (7, 5)), ("Tesla P100-PCIE-16GB", (6, 0)), ("NVIDIA A100", (8, 0))
BACKEND = keras.backend.backend()


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Return a function that pretends another machine: words of its CPU's flags, and its GPUs."""

    def pretend(flags="", gpus=()):
        monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "cpuinfo")
        (tmp_path / "cpuinfo").write_text(FLAGS.format(flags))
        if BACKEND == "jax":
            import jax

            devices = [SimpleNamespace(device_kind=n, compute_capability=".".join(map(str, c))) for n, c in gpus]
            monkeypatch.setattr(jax, "default_backend", lambda: "gpu" if gpus else "cpu")
            monkeypatch.setattr(jax, "devices", lambda: devices)
        else:
            import tensorflow as tf

            details = {name: {"device_name": name, "compute_capability": capability} for name, capability in gpus}
            monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: list(details))
            monkeypatch.setattr(tf.config.experimental, "get_device_details", details.__getitem__)

    return pretend


@pytest.mark.parametrize("gpu", [T4, P100])
def test_a_gpu_without_units_gets_float32(machine, gpu):
    machine("avx512_bf16", [gpu])
    assert choose_policy(True) == "float32"
    assert describe_precision(True) == f"float32, as {gpu[0]} has no units for bfloat16"


def test_one_gpu_without_units_is_enough(machine):
    machine(gpus=[A100, T4])
    assert choose_policy(True) == "float32"


@pytest.mark.parametrize("gpu", [A100, ("NVIDIA H100", (9, 0)), ("NVIDIA B200", (10, 0))])
def test_a_gpu_with_units_gets_bfloat16_whatever_the_cpu(machine, gpu):
    machine(gpus=[gpu])
    assert choose_policy(True) == "mixed_bfloat16"
    assert describe_precision(True) == "bfloat16"


@pytest.mark.parametrize("flags", ["avx512f avx512_bf16", "amx_tile amx_bf16"])
def test_a_cpu_with_units_gets_bfloat16(machine, flags):
    machine(flags)
    assert choose_policy(True) == "mixed_bfloat16"


def test_a_cpu_without_units_gets_float32(machine):
    machine("avx512f")
    assert choose_policy(True) == "float32"
    assert describe_precision(True) == "float32, as this CPU has no units for bfloat16"


def test_a_cpu_that_says_nothing_gets_float32(machine, tmp_path):
    machine()
    (tmp_path / "cpuinfo").unlink()
    assert choose_policy(True) == "float32"


def test_whoever_asks_for_float32_gets_it(machine):
    machine("avx512_bf16")
    assert choose_policy(False) == describe_precision(False) == "float32"


def test_gpus_of_other_makers_are_taken_at_their_word():
    assert precision._capability("gfx90a") == ()
    assert precision._capability("7.5") == (7, 5)


@pytest.mark.parametrize(("flags", "dtype"), [("avx512_bf16", "bfloat16"), ("", "float32")])
def test_the_network_convolves_in_what_was_chosen(machine, flags, dtype):
    machine(flags)
    layers = {layer.name: layer for layer in weighted_layers(MaskRCNN(replace(TINY, bfloat16=True)))}
    assert layers["conv1"].compute_dtype == dtype
