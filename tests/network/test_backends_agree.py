"""The same weights find the same objects in the same image on TensorFlow and on JAX."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from common.images.synthetic import generate_sample
from common.masks.boxes import box_ious
from common.network.mask_rcnn.detector import Detector
from common.network.mask_rcnn.model import MaskRCNN
from common.network.weights import load_weights, save_weights
from common.prediction.detections import Detections
from common.settings.mask_rcnn import MaskRCNNConfig
from dsb.config import DSBConfig
from tests.scripts import DSB
from tests.tiny import TINY

SHIPPED = DSB / "weights" / "small"
GEOMETRIES = ("aligned", "library")
SHAPES = ((64, 128), (100, 70))  # of images; the second has padding
SPREAD = {"rpn_class_raw": 30, "rpn_bbox_pred": 5, "mrcnn_class_logits": 30, "mrcnn_bbox_fc": 30, "mrcnn_mask": 300}
FOUND = ("boxes", "scores", "class_ids", "mask_boxes", "mask_probs")

pytestmark = pytest.mark.slow


def write_weights(folder: str) -> None:
    """Write random weights for each geometry; on TensorFlow, as either backend draws others from a seed.

    Beside them the weights that come along, for float32: what bfloat16 rounds differs between any two programs.
    """
    assert keras.backend.backend() == "tensorflow"
    for geometry in GEOMETRIES:
        keras.utils.set_random_seed(5)
        config = replace(TINY, geometry=geometry, detection_nms_threshold=0.5)
        model = MaskRCNN(config)
        for part in (model.rpn, model.class_head, model.mask_head):
            for layer in part.layers:
                if layer.name in SPREAD:
                    layer.kernel.assign(layer.kernel * SPREAD[layer.name])
        config.save(Path(folder) / f"{geometry}.json")
        save_weights(model, Path(folder) / f"{geometry}.h5")
    replace(DSBConfig.load(SHIPPED / "config.json"), bfloat16=False).save(Path(folder) / "small.json")
    (Path(folder) / "small.h5").write_bytes((SHIPPED / "weights.h5").read_bytes())


def save_found(folder: str) -> None:
    """Detect with all weights in a folder and write what was found; this runs on either backend."""
    for name in (*GEOMETRIES, "small"):
        for number, found in enumerate(find(Path(folder), name)):
            arrays = {field: getattr(found, field) for field in FOUND}
            np.savez(Path(folder) / f"{name}_{number}.npz", **arrays)


def find(folder: Path, name: str) -> list[Detections]:
    """Return what weights find: random ones in noise, those that come along in an image of nuclei."""
    model = MaskRCNN((DSBConfig if name == "small" else MaskRCNNConfig).load(folder / f"{name}.json"))
    load_weights(model, folder / f"{name}.h5")
    rng = np.random.default_rng(4)
    if name == "small":
        return Detector(model)([generate_sample(rng, "fluorescence", (256, 256), 30).image])
    return Detector(model)([rng.integers(0, 256, (*shape, 3)).astype(np.uint8) for shape in SHAPES])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Random weights whose answers differ from region to region, and what the other backend finds with them."""
    other = "jax" if keras.backend.backend() == "tensorflow" else "tensorflow"
    pytest.importorskip(other, reason=f"{other} is not installed")
    folder = tmp_path_factory.mktemp("weights")
    code = f"from tests.network.test_backends_agree import save_found, write_weights; save_found({str(folder)!r})"
    if other == "jax":
        write_weights(str(folder))
    else:
        code = code.replace("; ", f"; write_weights({str(folder)!r}); ")
    environment = os.environ | {"KERAS_BACKEND": other}
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.parametrize("name", [*GEOMETRIES, "small"])
def test_both_backends_find_the_same(folder, name):
    for number, ours in enumerate(find(folder, name)):
        with np.load(folder / f"{name}_{number}.npz") as arrays:
            theirs = replace(ours, **{field: arrays[field] for field in FOUND})
        assert len(ours.boxes) == len(theirs.boxes) >= TINY.max_detections
        assert np.ptp(ours.scores) > 0.01 and np.ptp(ours.mask_probs) > 0.5, "answers that hardly differ test nothing"
        order = box_ious(ours.boxes, theirs.boxes).argmax(axis=1)  # almost equal scores may change places
        assert sorted(order) == list(range(len(order)))
        np.testing.assert_allclose(ours.boxes, theirs.boxes[order], atol=0.01)
        np.testing.assert_allclose(ours.scores, theirs.scores[order], atol=1e-4)
        np.testing.assert_array_equal(ours.class_ids, theirs.class_ids[order])
        np.testing.assert_allclose(ours.mask_probs, theirs.mask_probs[order], atol=2e-3)
        masks, other_masks = (found.paint(0.5).to_masks(found.image_shape) for found in (ours, theirs))
        assert masks.any() and (masks != other_masks[order]).mean() < 1e-4
