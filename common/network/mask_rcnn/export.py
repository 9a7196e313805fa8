"""Export of a Mask R-CNN for other programs, from pixels to masks."""

from collections.abc import Mapping
from pathlib import Path

import keras

from common.network.export import write_model
from common.network.mask_rcnn.model import MaskRCNN


class Inference(keras.Model):
    """Images to detections, by name.

    Takes images (B, H, W, 3) uint8 with sides that are multiples of 64, and windows (B, 4) float32, the part of each
    that is not padding. Returns boxes (B, D, 4) float32, half-open pixels of the padded image; scores (B, D) float32,
    descending; class_ids (B, D) int32, 1-based; counts (B,) int32, the rows in use per image; and mask_probs
    (B, D, S, S) float32, spread over mask_boxes (B, D, 4) float32, which are at least as large as the boxes
    and may reach into the padding. Dropping unsure masks, as `Detector` does, is left to the caller.
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
    """Write a model that runs without this project, from pixels to masks; see `write_model` and `Inference`.

    An ONNX file needs images wider than 64 pixels: ONNX Runtime 1.31 copies instead of cropping where the mask head's
    crop, 28 cells wide, is as wide as the features.

    Args:
        model: with its weights.
        path: see `write_model`.

    Raises:
        InputError: see `write_model`.
    """
    signature = {
        "images": keras.KerasTensor((None, None, None, 3), dtype="uint8", name="images"),
        "windows": keras.KerasTensor((None, 4), dtype="float32", name="windows"),
    }
    write_model(Inference(model), signature, path)
