"""What a trained network says of an image: its objects, and those of each view with their votes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from common.drawing.draw import draw_instances
from common.images.decoding import encode_png, encode_tiff
from common.masks.instances import Instances
from common.masks.resize import resize_image
from common.masks.rle import encode_instances
from common.output.results import RESULT_COLUMNS
from common.prediction.postprocess import count_votes
from common.prediction.views import VIEW_SETS, View, apply_view
from common.predictor import MapPredictor, Predictor
from rsna.config import RSNAConfig
from rsna.dataset import filled_boxes
from rsna.inference import FoundBoxes, find_boxes
from rsna.submission import COLUMNS as BOX_COLUMNS
from rsna.submission import format_predictions
from viewer.objects import count_objects

VIEW_NAMES = {"majority": "8 to 14 views, merged by majority", "votes": "15 views, merged by votes"}
MAP_NAMES = {"none": "one view", "flip": "two views, one mirrored", "scales": "six views at three scales"}


@dataclass(frozen=True, eq=False)
class Views:
    """What the views of an image show.

    Attributes:
        pictures: (h, w, 3) uint8 by title: each view with its objects.
        votes: (H, W) float32, how many views see an object at each pixel; or the mean probability of a map.
        most: the highest possible vote.
        merged: the objects of all views together; None where they are not merged.
    """

    pictures: Mapping[str, np.ndarray]
    votes: np.ndarray
    most: float
    merged: Instances | None


def find_objects(predictor: Predictor | MapPredictor, image: np.ndarray) -> Instances:
    """Return the objects of an image, (H, W, 3) uint8; boxes as filled rectangles."""
    if isinstance(predictor.config, RSNAConfig) and isinstance(predictor, Predictor):
        shape = (image.shape[0], image.shape[1])
        found = FoundBoxes(find_boxes(predictor, image), shape, predictor.config.shrink).join()
        return filled_boxes(found.boxes, shape, found.scores.astype(np.float32))
    return predictor.look(image).instances()


def find_views(predictor: Predictor | MapPredictor, image: np.ndarray, name: str) -> Views:
    """Return what the views of an image show.

    Args:
        predictor: the network.
        image: (H, W, 3) uint8.
        name: of the views, a key of `VIEW_NAMES`; for a network that makes maps, of `MAP_NAMES`.
    """
    if isinstance(predictor, MapPredictor):
        return _find_map_views(predictor, image, name)
    prediction = predictor.look(image, VIEW_SETS[name])
    shape, rng = prediction.image_shape, np.random.default_rng(0)
    pictures = {}
    for look in prediction.looks:
        seen = look.detections.paint(prediction.masking.threshold)
        drawn = draw_instances(apply_view(image, look.view, rng), seen)
        pictures[f"{describe_view(look.view)}: {count_objects(len(seen))}"] = drawn
    single = len(predictor.config.class_names) == 1
    merged = replace(prediction, merging=name).instances() if single else None  # type: ignore[arg-type]
    votes = count_votes(prediction.looks, shape, prediction.masking).astype(np.float32)
    return Views(pictures, votes, float(sum(len(look.places) for look in prediction.looks)), merged)


def describe_view(view: View) -> str:
    """Return in words what a view changes.

    Example:
        >>> describe_view(View(flip_lr=True, turns=1, scale_y=0.5, scale_x=0.5)), describe_view(View())
        ('mirrored left-right, turned 90°, scaled 0.5 × 0.5', 'as it is')
    """
    parts = ["mirrored up-down"] * view.flip_ud + ["mirrored left-right"] * view.flip_lr
    parts += [f"turned {90 * view.turns}°"] if view.turns else []
    parts += [f"scaled {view.scale_y:g} × {view.scale_x:g}"] if (view.scale_y, view.scale_x) != (1, 1) else []
    return ", ".join(parts) or "as it is"


def files_to_download(name: str, image: np.ndarray, objects: Instances, *, boxes: bool) -> dict[str, tuple[str, bytes]]:
    """Return the files that an image's objects are given out as, each with its name.

    Args:
        name: of the image's file.
        image: (H, W, 3) uint8.
        objects: N objects.
        boxes: whether they are boxes, whose CSV is another one.

    Returns:
        Under "labels" a label image, under "csv" a CSV, under "overlay" the image with its objects drawn in.
    """
    stem, shape = safe_stem(name), (image.shape[0], image.shape[1])
    labels = objects.to_label_image(shape)
    labels = labels.astype(np.uint16 if len(objects) < 2**16 else np.uint32)
    if boxes:
        text = f"{','.join(BOX_COLUMNS)}\n{stem},{format_predictions(objects.boxes.astype(float), objects.scores)}\n"
    else:
        columns = (objects.class_ids.tolist(), objects.scores.tolist(), encode_instances(objects, shape))
        rows = [f"{stem},{class_id},{score:.9g},{runs}" for class_id, score, runs in zip(*columns, strict=True)]
        text = "\n".join([",".join(RESULT_COLUMNS), *(rows or [f"{stem},,,"]), ""])
    overlay = draw_instances(image, objects, boxes=boxes, alpha=0.25)
    return {
        "labels": (f"{stem}_labels.tif", encode_tiff(labels)),
        "csv": (f"{stem}.csv", text.encode()),
        "overlay": (f"{stem}_overlay.png", encode_png(overlay)),
    }


def safe_stem(name: str) -> str:
    """Return a file's name without its suffix, with plain characters only.

    Example:
        >>> safe_stem("../<b>my image.tif"), safe_stem(".png")
        ('_b_my_image', 'image')
    """
    stem = Path(name.replace("\\", "/")).name
    return re.sub(r"[^\w-]+", "_", stem.rpartition(".")[0])[:80] or "image"


def _find_map_views(predictor: MapPredictor, image: np.ndarray, name: str) -> Views:
    """Return the masks of fewer and more views, and the mean probabilities of the chosen ones."""
    pictures = {}
    for views, title in MAP_NAMES.items():
        objects = predictor.look(image, views).instances()  # type: ignore[arg-type]
        pictures[title] = draw_instances(image, objects, alpha=0.25)
    prediction = predictor.look(image, name)  # type: ignore[arg-type]
    return Views(pictures, resize_image(prediction.probs, prediction.image_shape), 1.0, prediction.instances())
