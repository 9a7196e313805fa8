"""Export of a trained model for other programs: a SavedModel or an ONNX file, from pixels to masks."""

import contextlib
import io
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import keras

from common.errors import InputError
from common.files import written_aside
from common.network.mask_rcnn.model import MaskRCNN

_SAVED_MODEL = {"assets", "fingerprint.pb", "saved_model.pb", "variables"}


class Inference(keras.Model):
    """Images to detections, by name.

    Takes images (B, H, W, 3) uint8 with sides that are multiples of 64, and windows (B, 4) float32, the part of each
    that is not padding. Returns boxes (B, D, 4) float32, half-open pixels of the padded image; scores (B, D) float32,
    descending; class_ids (B, D) int32, 1-based; counts (B,) int32, the rows in use per image; full (B,) bool,
    whether an image may hold more objects, to be found in smaller tiles; and mask_probs (B, D, S, S) float32, spread
    over mask_boxes (B, D, 4) float32, which are at least as large as the boxes and may reach into the padding. Dropping
    unsure masks, as `Detector` does, is left to the caller.
    """

    def __init__(self, model: MaskRCNN) -> None:
        super().__init__(name="inference")
        self.model = model
        self.built = True

    def call(self, inputs: Mapping) -> dict:
        """Return the detections."""
        atlas, found = self.model.find(inputs["images"], inputs["windows"])
        half_open = {name: self.model.half_open(found[name]) for name in ("boxes", "mask_boxes")}
        return found | half_open | {"mask_probs": self.model.segment(atlas, found["mask_boxes"], found["class_ids"])}


def export_model(model: MaskRCNN, path: Path) -> None:
    """Write a model that runs without this project.

    An ONNX file needs images wider than 64 pixels: ONNX Runtime 1.31 copies instead of cropping where the mask head's
    crop, 28 cells wide, is as wide as the features.

    Args:
        model: with its weights.
        path: an ONNX file if it ends in .onnx, else the folder of a SavedModel, new or replacing another one.

    Raises:
        InputError: the backend or a package that export needs is missing, or the folder holds something else.
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError("export needs TensorFlow: set KERAS_BACKEND=tensorflow; the weights are the same")
    signature = {
        "images": keras.KerasTensor((None, None, None, 3), dtype="uint8", name="images"),
        "windows": keras.KerasTensor((None, 4), dtype="float32", name="windows"),
    }
    kind = "onnx" if path.suffix == ".onnx" else "tf_saved_model"
    if kind == "onnx" and path.is_dir():
        raise InputError(f"{path}: a folder; give the name of a file")
    try:
        with (
            written_aside(path) if kind == "onnx" else _saved_model_aside(path) as aside,
            contextlib.redirect_stdout(io.StringIO()),  # the converters' output
        ):
            Inference(model).export(aside, format=kind, input_signature=[signature], verbose=False)
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
