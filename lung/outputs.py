"""Output files: a mask per radiograph in its own size, panels for the eye, and a table of scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from common.drawing.panels import mask_panels, panel_sheet
from common.images.decoding import encode_png, save_image
from common.images.image_set import ImageSet
from common.masks.instances import Instances
from common.scoring.dice import MaskScore
from common.storage.files import written_aside
from lung.evaluation import paint

NUM_OVERVIEW = 6
OVERVIEW = "overview.png"


def save_masks(folder: Path, found: Mapping[str, Instances], image_shapes: Mapping[str, tuple[int, int]]) -> None:
    """Write the mask of each radiograph as `<id>_mask.png`, in its own size, 255 on the lungs and 0 elsewhere.

    Args:
        folder: created if missing.
        found: lungs by image id.
        image_shapes: (height, width), pixels, likewise.
    """
    for image_id, lungs in found.items():
        mask = paint(lungs, image_shapes[image_id])
        with written_aside(folder / f"{image_id}_mask.png") as aside:
            aside.write_bytes(encode_png(mask.view(np.uint8) * np.uint8(255)))


def save_panels(
    folder: Path, images: ImageSet, found: Mapping[str, Instances], first: Sequence[str], *, truth: bool
) -> None:
    """Write `<id>_panels.png` for each radiograph: itself, truth, prediction, both laid over; and an overview.

    Args:
        folder: created if missing.
        images: the set.
        found: lungs by image id.
        first: ids of the radiographs on the overview, as many as fit.
        truth: draw the set's own masks, too.
    """
    rows = {}
    for index, image_id in enumerate(images.image_ids):
        predicted = paint(found[image_id], images.shape(index))
        true = images.load_label_layers(index)[0] > 0 if truth else None
        panels = mask_panels(images.load_image(index), predicted, true)
        save_image(folder / f"{image_id}_panels.png", panel_sheet([panels]))
        if image_id in first[:NUM_OVERVIEW]:
            rows[image_id] = panels
    save_image(folder / OVERVIEW, panel_sheet([rows[image_id] for image_id in first[:NUM_OVERVIEW]]))


def save_scores(path: Path, scores: Mapping[str, MaskScore]) -> None:
    """Write the scores of each radiograph, in the given order.

    Args:
        path: the CSV.
        scores: by image id.
    """
    rows = [f"{image_id},{one.dice:.6f},{one.jaccard:.6f},{one.accuracy:.6f}" for image_id, one in scores.items()]
    with written_aside(path) as aside:
        aside.write_text("\n".join(["ImageId,Dice,Jaccard,Accuracy", *rows]) + "\n", encoding="utf-8")
