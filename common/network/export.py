"""Export of trained models for other programs: a SavedModel or an ONNX file."""

import contextlib
import io
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import keras

from common.errors import InputError
from common.network.onnx_order import settle_order
from common.storage.files import written_aside

_SAVED_MODEL = {"assets", "fingerprint.pb", "saved_model.pb", "variables"}


def write_model(model: keras.Model, signature: Mapping[str, keras.KerasTensor], path: Path) -> None:
    """Write a model that runs without this project.

    Args:
        model: is called with a mapping.
        signature: shape and dtype of each input.
        path: an ONNX file if it ends in .onnx, else the folder of a SavedModel, new or replacing another one.

    Raises:
        InputError: the backend or a package that export needs is missing, or the folder holds something else.
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError("export needs TensorFlow: set KERAS_BACKEND=tensorflow; the weights are the same")
    kind = "onnx" if path.suffix == ".onnx" else "tf_saved_model"
    if kind == "onnx" and path.is_dir():
        raise InputError(f"{path}: a folder; give the name of a file")
    try:
        with (
            written_aside(path) if kind == "onnx" else _saved_model_aside(path) as aside,
            contextlib.redirect_stdout(io.StringIO()),  # the converters' output
        ):
            model.export(aside, format=kind, input_signature=[dict(signature)], verbose=False)
            if kind == "onnx":
                settle_order(aside)
    except ImportError as error:
        raise InputError(f"{path}: {error}; an ONNX file needs `pip install tf2onnx onnx`") from None


@contextlib.contextmanager
def _saved_model_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path` for a SavedModel; on success it replaces `path`."""
    path = path.resolve()
    if path.exists() and not _is_free(path):
        raise InputError(f"{path}: holds something other than a SavedModel; choose a new folder for --output")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
        yield Path(folder) / path.name
        if path.exists():
            path.replace(Path(folder) / "before")
        (Path(folder) / path.name).replace(path)


def _is_free(path: Path) -> bool:
    """Return whether a path is an empty folder, or a SavedModel's, which may be replaced."""
    names = {entry.name for entry in path.iterdir()} if path.is_dir() else {path.name}
    return not names or ("saved_model.pb" in names and names <= _SAVED_MODEL)
