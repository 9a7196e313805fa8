"""Keras' backend and global settings, whatever the user's `keras.json` says; imported before anything of Keras."""

import importlib.util
import os
import sys

from common.errors import InputError

VARIABLE = "KERAS_BACKEND"
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX"}  # the first is the default


def prepare_keras() -> None:
    """Import Keras with the backend that `KERAS_BACKEND` names, in 32 bits and with channels last.

    The networks are written and tested for these settings; others would fail, or change what is computed. If Keras was
    imported before, it keeps its backend.

    Raises:
        InputError: a backend that is not supported or not installed, or a `keras.json` that Keras cannot read.
    """
    if "keras" not in sys.modules:
        os.environ[VARIABLE] = choose_backend(os.environ.get(VARIABLE, ""))
    try:
        import keras
    except (AssertionError, ValueError) as error:
        raise InputError(f"Keras does not start: {error}; delete keras.json in ~/.keras or $KERAS_HOME") from None
    if keras.backend.backend() not in BACKENDS:
        raise InputError(f"Keras was imported with the backend {keras.backend.backend()}; {_remedy()}")
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    keras.config.set_epsilon(1e-7)
    keras.config.set_dtype_policy("float32")


def choose_backend(text: str) -> str:
    """Return the backend that a text names, in any case; the default for an empty one.

    Raises:
        InputError: it is not supported, or not installed.
    """
    name = text.strip().lower() or next(iter(BACKENDS))
    if name not in BACKENDS:
        raise InputError(f"{VARIABLE}={text}: not supported; {_remedy()}")
    if importlib.util.find_spec(name) is None:
        raise InputError(f"{BACKENDS[name]} is not installed; {_remedy()}")
    return name


def _remedy() -> str:
    """Return which backends there are to choose from."""
    installed = [name for name in BACKENDS if importlib.util.find_spec(name)]
    if not installed:
        return "install TensorFlow (pip install tensorflow-cpu) or JAX (pip install jax)"
    return f"set {VARIABLE}={' or '.join(installed)}"
