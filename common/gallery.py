"""Pictures with their objects drawn in, as files, and an overview of the first ones."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from common.instances import Instances
from common.pictures import save_picture
from common.visualize import draw_comparison, draw_instances, make_overview

NUM_OVERVIEW = 6
DRAWN_SCORE = 0.5  # lowest one for the eye, where the average precision wants unsure objects, too


def save_gallery(
    folder: Path,
    pictures: Iterable[tuple[str, np.ndarray]],
    predicted: Callable[[str, tuple[int, int]], Instances],
    true: Callable[[str, tuple[int, int]], Instances] | None = None,
    *,
    lowest_score: float = 0.0,
) -> None:
    """Write each picture with its objects as `<id>.png`, beside the truth where it is known, and `overview.png`.

    Args:
        folder: is made where it is missing.
        pictures: ids and pictures, (H, W, 3) uint8; taken one at a time.
        predicted: from an id and (height, width) to the picture's objects.
        true: likewise.
        lowest_score: of a predicted object that is drawn.
    """
    overview: list[list[np.ndarray]] = []
    for image_id, image in pictures:
        shape = (image.shape[0], image.shape[1])
        found = predicted(image_id, shape)
        found = found.select(found.scores >= lowest_score)
        drawn = [image, draw_instances(image, found)]
        if true:
            objects = true(image_id, shape)
            drawn = [image, draw_instances(image, objects), draw_comparison(image, objects, found)]
        save_picture(folder / f"{image_id}.png", np.hstack(drawn))
        if len(overview) < NUM_OVERVIEW:
            overview.append(drawn)
    captions = ("input", "truth", "prediction: green truth, yellow hit, red miss") if true else ("input", "prediction")
    save_picture(folder / "overview.png", make_overview(overview, captions))
