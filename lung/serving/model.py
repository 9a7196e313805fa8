"""The network as an ONNX file, run by ONNX Runtime, as a predictor."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common.errors import InputError
from common.predictor import MapPredictor
from lung.config import LungConfig
from lung.serving.images import read_object

PACKAGED = Path(__file__).resolve().parents[2] / "model" / "lung.onnx"
MOST_BYTES = 2**30  # of a model


def load_predictor(path: Path) -> MapPredictor:
    """Return a predictor of what `lung/export.py` wrote.

    Args:
        path: the ONNX file, with the config beside it as .json.

    Raises:
        InputError: no such files.
    """
    import onnxruntime

    if not path.is_file():
        raise InputError(f"{path}: no such file; lung/export.py writes it")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    # Lambda gives shares of processors: a thread that spins while it waits uses up what the others need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def segment(images: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [session.run(None, {"images": image[None]})[0][0, :, :, 0] for image in images]

    return MapPredictor.of_function(LungConfig.load(path.with_suffix(".json")), segment)


def load_from_s3(bucket: str, key: str) -> MapPredictor:
    """Return a predictor of an ONNX file in S3; see `load_predictor`.

    Raises:
        InputError: no such objects.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lung.onnx"
        for suffix in (".onnx", ".json"):
            name = str(Path(key).with_suffix(suffix))
            content = read_object(bucket, name, MOST_BYTES)
            if content is None:
                raise InputError(f"LUNG_MODEL_KEY={key}: {name} is not in the bucket; upload what lung/export.py wrote")
            path.with_suffix(suffix).write_bytes(content)
        return load_predictor(path)
