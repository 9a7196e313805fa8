"""Export of a U-Net for other programs, from pixels to probabilities."""

from pathlib import Path

import keras

from common.network.export import write_model
from common.network.unet.model import UNet
from common.network.unet.segmenter import Probabilities


def export_model(model: UNet, path: Path) -> None:
    """Write a model that runs without this project: images (B, H, W, 3) uint8 to probabilities (B, H, W, 1) float32.

    Args:
        model: with its weights; in float32, which all programs support.
        path: see `write_model`.

    Raises:
        InputError: see `write_model`.
    """
    signature = {"images": keras.KerasTensor((None, None, None, 3), dtype="uint8", name="images")}
    write_model(Probabilities(model), signature, path)
