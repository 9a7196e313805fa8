"""Exported models answer as ours; they are read by the programs that they are for."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from common.errors import InputError
from common.network.mask_rcnn.detector import Detector
from common.network.mask_rcnn.export import Inference, export_model
from common.network.mask_rcnn.model import MaskRCNN
from common.network.weights import load_weights, save_weights
from dsb.config import DSBConfig
from tests.scripts import run_here
from tests.tiny import TINY

SHAPES = [(1, 64, 64), (2, 128, 64)]
needs_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow exports")


@pytest.fixture(scope="module")
def model():
    """An untrained model that takes every region for an object."""
    keras.utils.set_random_seed(1)
    model = MaskRCNN(replace(TINY, geometry="library"))
    model.class_head.get_layer("mrcnn_class_logits").bias.assign([0.0, 3.0])
    return model


def batch_of(batch_size, height, width):
    images = np.random.default_rng(height).integers(0, 256, (batch_size, height, width, 3)).astype(np.uint8)
    return {"images": images, "windows": np.array([[0, 0, height, width - 8]] * batch_size, np.float32)}


def answers(model, batch):
    return {name: keras.ops.convert_to_numpy(value) for name, value in Inference(model)(batch).items()}


def check(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-3, err_msg=name)


def test_it_finds_what_the_detector_finds(model):
    batch = batch_of(1, 64, 64) | {"windows": np.array([[0, 0, 64, 64]], np.float32)}
    (found,), answer = Detector(model)(batch["images"]), answers(model, batch)
    count = int(answer["counts"][0])
    assert 3 < count == len(found.boxes)
    np.testing.assert_array_equal(np.round(answer["boxes"][0, :count]), found.boxes)
    np.testing.assert_allclose(answer["mask_probs"][0, :count], found.mask_probs, atol=1e-3)
    assert not answer["boxes"][0, count:].any()


@needs_tensorflow
@pytest.mark.slow
def test_a_saved_model_answers_as_ours(model, tmp_path):
    import tensorflow as tf

    export_model(MaskRCNN(model.config), tmp_path / "model")
    export_model(model, tmp_path / "model")  # takes its place
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    loaded = tf.saved_model.load(tmp_path / "model")
    for shape in SHAPES:
        batch = batch_of(*shape)
        check({name: value.numpy() for name, value in loaded.serve(batch).items()}, answers(model, batch))


@needs_tensorflow
def test_a_saved_model_replaces_nothing_else(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.txt").write_text("mine")
    for path in (Path(), Path("mine.txt")):
        with pytest.raises(InputError, match="holds something other than a SavedModel; choose a new folder"):
            export_model(model, path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@needs_tensorflow
@pytest.mark.slow
def test_an_onnx_file_answers_as_ours(model, tmp_path):
    pytest.importorskip("tf2onnx")
    runtime = pytest.importorskip("onnxruntime")
    export_model(model, tmp_path / "model.onnx")
    session = runtime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    for shape in SHAPES:
        batch = batch_of(*shape)
        check(dict(zip(names, session.run(None, batch), strict=True)), answers(model, batch))


@needs_tensorflow
@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.onnx", "model"])
def test_what_was_trained_in_bfloat16_is_exported_in_float32(name, tmp_path, monkeypatch, capsys):
    config = DSBConfig(**{field: value for field, value in vars(TINY).items() if field != "name"} | {"bfloat16": True})
    config.save(tmp_path / "config.json")
    save_weights(MaskRCNN(config), tmp_path / "last.h5")
    exact = MaskRCNN(replace(config, bfloat16=False))
    load_weights(exact, tmp_path / "last.h5")
    batch = batch_of(2, 64, 128)  # not 64 wide, see `export_model`
    if name == "model":
        import tensorflow as tf

        def answer():
            loaded = tf.saved_model.load(tmp_path / name)
            return {key: value.numpy() for key, value in loaded.serve(batch).items()}
    else:
        pytest.importorskip("tf2onnx")
        runtime = pytest.importorskip("onnxruntime")

        def answer():
            session = runtime.InferenceSession(tmp_path / name, providers=["CPUExecutionProvider"])
            outputs = [output.name for output in session.get_outputs()]
            return dict(zip(outputs, session.run(None, batch), strict=True))

    flags = ["--weights", tmp_path / "last.h5", "--output", tmp_path / name]
    code, output, _ = run_here(monkeypatch, capsys, "export.py", *flags)
    assert (code, output) == (0, f"wrote {tmp_path / name}\n")
    check(answer(), answers(exact, batch))


def test_what_is_lacking_is_one_line(model, tmp_path, monkeypatch):
    if keras.backend.backend() == "tensorflow":

        def refuse(*arguments, **options):
            raise ImportError("No module named 'tf2onnx'")

        monkeypatch.setattr(Inference, "export", refuse)
    with pytest.raises(InputError, match=r"pip install tf2onnx|KERAS_BACKEND=tensorflow"):
        export_model(model, tmp_path / "model.onnx")


def test_the_script_refuses_what_the_library_cannot_build(model, tmp_path, monkeypatch, capsys):
    save_weights(model, tmp_path / "small.h5")
    flags = ["--preset", "small", "--weights", tmp_path / "small.h5", "--output", tmp_path / "mask_rcnn.h5"]
    code, _, errors = run_here(monkeypatch, capsys, "export.py", *flags)
    assert code == 2
    assert "the Mask R-CNN library has no backbone small with norm group" in errors
    assert not (tmp_path / "mask_rcnn.h5").exists()


def test_weights_of_half_the_size_bring_their_config_and_their_images(tmp_path, monkeypatch, capsys):
    config = DSBConfig(**{name: value for name, value in vars(TINY).items() if name != "name"})
    run = tmp_path / "001"
    run.mkdir()
    config.save(run / "config.json")
    save_weights(MaskRCNN(config), run / "last.h5")
    np.savez(run / "last.npz", images=["a", "b"])
    flags = ["--weights", run / "last.h5", "--output", tmp_path / "mine" / "weights.h5", "--half"]
    for _ in range(2):
        code, output, _ = run_here(monkeypatch, capsys, "export.py", *flags)
        assert (code, output) == (0, f"wrote {tmp_path}/mine/weights.h5\n")
    assert (tmp_path / "mine" / "images.txt").read_text() == "a\nb\n"
    assert DSBConfig.load(tmp_path / "mine" / "config.json") == config
    whole, half = (
        (folder / name).stat().st_size for folder, name in ((run, "last.h5"), (tmp_path / "mine", "weights.h5"))
    )
    assert half < 0.7 * whole
    load_weights(MaskRCNN(config), tmp_path / "mine" / "weights.h5")
