"""Output files: one mask per image, and a table of boxes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from common.images.decoding import save_image
from common.masks.instances import Instances
from common.storage.files import written_aside
from isic.evaluation import paint_lesion

BOX_COLUMNS = ("ImageId", "ClassId", "Score", "X", "Y", "Width", "Height")


def save_masks(
    folder: Path, found: Mapping[str, Instances], image_shapes: Mapping[str, tuple[int, int]], choice: str
) -> None:
    """Write the mask of each image as `<id>_segmentation.png`, in the image's size, 255 on the lesion and 0 elsewhere.

    Args:
        folder: created if missing.
        found: lesions by image id.
        image_shapes: (height, width), pixels, likewise.
        choice: see `paint_lesion`.
    """
    for image_id, lesions in found.items():
        mask = paint_lesion(lesions, image_shapes[image_id], choice)
        save_image(folder / f"{image_id}_segmentation.png", mask.view(np.uint8) * np.uint8(255))


def save_boxes(path: Path, found: Mapping[str, Instances]) -> None:
    """Write one row per lesion: the smallest box around its mask, left, top, width and height in pixels.

    Args:
        path: the CSV.
        found: lesions by image id; an image without lesions has no row.
    """
    lines = [",".join(BOX_COLUMNS)]
    for image_id, lesions in found.items():
        rows = zip(lesions.class_ids.tolist(), lesions.scores.tolist(), lesions.boxes.tolist(), strict=True)
        lines += [
            f"{image_id},{class_id},{score:.9g},{x1},{y1},{x2 - x1},{y2 - y1}"
            for class_id, score, (y1, x1, y2, x2) in rows
        ]
    with written_aside(path) as aside:
        aside.write_text("\n".join(lines) + "\n", encoding="utf-8")
