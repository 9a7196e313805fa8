"""Files of images with their objects drawn in, and an overview of the first ones."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from common.drawing.contours import draw_comparison
from common.drawing.draw import draw_instances, make_overview
from common.images.decoding import save_image
from common.images.image_set import ImageSet
from common.log import logger
from common.masks.instances import Instances

NUM_OVERVIEW = 6
DRAWN_SCORE = 0.5  # lowest score that is drawn; average precision uses all detections


def draw_results(
    folder: Path,
    images: ImageSet,
    found: Mapping[str, Instances],
    *,
    truth: bool = True,
    kind: str = "objects",
    lowest_score: float = DRAWN_SCORE,
) -> None:
    """Draw the predicted objects of a set, see `save_gallery`, and log it.

    Args:
        folder: created if missing.
        images: the set.
        found: the objects of each image by its id.
        truth: whether to draw the set's own objects beside them.
        kind: what the objects are, for the message.
        lowest_score: of drawn objects.
    """
    rows = {image_id: row for row, image_id in enumerate(images.image_ids)}
    overview = save_gallery(
        folder,
        ((image_id, images.load_image(row)) for image_id, row in rows.items()),
        lambda image_id, _: found[image_id],
        (lambda image_id, _: images.load_instances(rows[image_id])) if truth else None,
        lowest_score=lowest_score,
    )
    of_score = f" with a score of at least {lowest_score:g}" if lowest_score else ""
    logger.info(f"wrote {folder}: {overview}, and each image with its {kind}{of_score}")


def save_gallery(
    folder: Path,
    images: Iterable[tuple[str, np.ndarray]],
    predicted: Callable[[str, tuple[int, int]], Instances],
    true: Callable[[str, tuple[int, int]], Instances] | None = None,
    *,
    lowest_score: float = 0.0,
) -> str:
    """Write each image with its objects as `<id>.png`, beside the ground truth if given, and an overview.

    Args:
        folder: created if missing.
        images: ids and images, (H, W, 3) uint8; consumed one at a time.
        predicted: from an id and (height, width) to the image's objects.
        true: likewise.
        lowest_score: of drawn predictions.

    Returns:
        The overview's name, `overview.png` unless an image has that name.
    """
    overview: list[list[np.ndarray]] = []
    name = "overview.png"
    for image_id, image in images:
        shape = (image.shape[0], image.shape[1])
        found = predicted(image_id, shape)
        found = found.select(found.scores >= lowest_score)
        drawn = [image, draw_instances(image, found)]
        if true:
            objects = true(image_id, shape)
            drawn = [image, draw_instances(image, objects), draw_comparison(image, objects, found)]
        save_image(folder / f"{image_id}.png", np.hstack(drawn))
        if f"{image_id}.png" == name:
            name = f"all_{name}"
        if len(overview) < NUM_OVERVIEW:
            overview.append(drawn)
    compared = ("input", "truth", "prediction: green truth, yellow hit, orange false")
    save_image(folder / name, make_overview(overview, compared if true else ("input", "prediction")))
    return name
