"""An exported U-Net answers as ours."""

import keras
import numpy as np
import pytest

from common.network.unet.export import export_model
from common.network.unet.model import UNet
from common.network.unet.segmenter import Segmenter
from common.predictor import MapPredictor
from tests.network.unet.test_model import TINY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow exports"),
]


def test_an_onnx_file_answers_as_ours_at_every_size(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    keras.utils.set_random_seed(2)
    model = UNet(TINY)
    path = tmp_path / "unet.onnx"
    export_model(model, path)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for shape in ((1, 32, 32, 3), (2, 48, 64, 3), (1, 37, 41, 3)):
        images = rng.integers(0, 256, shape).astype(np.uint8)
        (probs,) = session.run(None, {"images": images})
        np.testing.assert_allclose(probs[..., 0], Segmenter(model)(images), atol=1e-4)
    segment = lambda images: [session.run(None, {"images": image[None]})[0][0, :, :, 0] for image in images]  # noqa: E731
    image = rng.integers(0, 256, (50, 70, 3)).astype(np.uint8)
    ours, theirs = MapPredictor.of_model(model), MapPredictor.of_function(TINY, segment)
    np.testing.assert_allclose(theirs.look(image, "scales").probs, ours.look(image, "scales").probs, atol=1e-4)
