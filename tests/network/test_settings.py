"""Keras' settings in the user's home, and the names of backends, in new processes: Keras reads them once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from common.errors import InputError
from common.network import settings
from common.network.settings import choose_backend, prepare_keras

ROOT = Path(__file__).resolve().parents[2]
OURS = ["float32", "channels_last", 1e-7, "float32"]
PREPARE = """
import json, sys
from common.errors import run_main
from common.network.settings import prepare_keras
def main():
    prepare_keras()
    import keras
    layer = keras.layers.Conv2D(2, 3)
    layer.build((None, 8, 8, 3))
    assert layer.kernel.shape == (3, 3, 3, 2)
    print(json.dumps([keras.backend.backend(), keras.config.floatx(), keras.config.image_data_format(),
                      keras.config.epsilon(), keras.config.dtype_policy().name]))
run_main(main)
"""
USERS = {"backend": "theano", "floatx": "float16", "image_data_format": "channels_first", "epsilon": 1e-3}


def prepare_in_new_process(home, backend):
    environment = os.environ | {"KERAS_HOME": str(home), "KERAS_BACKEND": backend or ""}
    if backend is None:
        del environment["KERAS_BACKEND"]
    command = [sys.executable, "-c", PREPARE]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("users", "backend", "expected"),
    [(USERS, None, "tensorflow"), (USERS | {"backend": "torch"}, "", "tensorflow"), (USERS, " JAX", "jax")],
)
def test_the_users_settings_have_no_effect(tmp_path, users, backend, expected):
    pytest.importorskip(expected)
    (tmp_path / "keras.json").write_text(json.dumps(users))
    done = prepare_in_new_process(tmp_path, backend)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [expected, *OURS]


def test_settings_that_keras_cannot_read_are_one_line(tmp_path):
    (tmp_path / "keras.json").write_text(json.dumps(USERS | {"floatx": "float128"}))
    done = prepare_in_new_process(tmp_path, None)
    assert done.returncode == 2
    assert "delete keras.json" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["torch", "theano", "tensorfow", "numpy", "openvino", "tf"])
def test_other_backends_are_refused_by_name(name):
    with pytest.raises(InputError, match=f"KERAS_BACKEND={name}: not supported; set KERAS_BACKEND=.*tensorflow"):
        choose_backend(name)


@pytest.mark.parametrize("name", ["tensorflow", "TensorFlow", " TENSORFLOW ", ""])
def test_names_in_any_case(name):
    assert choose_backend(name) == "tensorflow"


@pytest.mark.parametrize(("name", "there"), [("jax", "tensorflow"), ("", "jax")])
def test_a_backend_that_is_not_installed(monkeypatch, name, there):
    monkeypatch.setattr(settings.importlib.util, "find_spec", lambda module: module == there or None)
    with pytest.raises(InputError, match=f"is not installed; set KERAS_BACKEND={there}$"):
        choose_backend(name)
    monkeypatch.setattr(settings.importlib.util, "find_spec", lambda module: None)
    with pytest.raises(InputError, match="is not installed; install TensorFlow"):
        choose_backend(name)


def test_keras_that_was_imported_with_another_backend(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(InputError, match="imported with the backend torch; set KERAS_BACKEND="):
        prepare_keras()
