"""From images to boxes: one view or several, one file of weights or several."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from common import engine
from common.drawing.gallery import save_gallery
from common.errors import InputError
from common.masks.boxes import clip_boxes
from common.masks.instances import Instances
from common.output.writer import detect_views, fingerprint, image_rng
from common.prediction.box_fusion import fuse_boxes, import_fusion, shrink_boxes
from common.prediction.detections import Detections
from common.prediction.tiles import choose_detector
from common.prediction.views import View, invert_boxes
from common.runs.start import warn_of_trained_images
from rsna.config import RSNAConfig
from rsna.dataset import RadiographSet, filled_boxes, shrink_image
from rsna.submission import COLUMNS, Predictions, check_predictions, format_predictions

if TYPE_CHECKING:
    from common.network.mask_rcnn.detector import Detector

VIEWS = (View(), View(flip_lr=True), View(scale_y=1.25, scale_x=1.25), View(flip_lr=True, scale_y=1.25, scale_x=1.25))
DRAWN_SIDE = 512  # pixels, of the images in a gallery

Found = tuple[np.ndarray, np.ndarray]  # boxes (N, 4) in the stored image's pixels, and scores (N,)
Model = tuple[RSNAConfig, Path]  # a config and its weights


def predict_set(
    models: Sequence[Model], images: RadiographSet, patients: Sequence[str], output: Path, num_workers: int
) -> None:
    """Predict patients into a CSV and check it; killed and started again, it finishes the same file.

    Args:
        models: the first one's config says what becomes of the boxes.
        images: as they are stored.
        patients: every one that is to have a row, in their order.
        output: the CSV.
        num_workers: processes beside this one.

    Raises:
        InputError: boxes are to be fused, and the package for it is missing; the CSV fails its check.
    """
    (config, weights), *others = models
    if others or config.fuse_views:
        import_fusion()

    def prepare(detector: "Detector", config: RSNAConfig) -> tuple[Callable, Callable]:
        detectors = [(detector, config), *((load_detector(*model), model[0]) for model in others)]

        def predict(image_id: str, image: np.ndarray) -> tuple:
            found = [part for each, own in detectors for part in find_boxes(each, own, image_id, image)]
            return found, image.shape[:2], config.fusion_iou, config.fused_confidence, config.shrink

        return predict, prediction_rows

    for _, path in others:
        warn_of_trained_images(path, patients)
    options = [fingerprint(other, path, images) for other, path in others]
    run = (config, weights, images, patients, output, prepare)
    engine.predict(*run, options=options, num_workers=num_workers, columns=COLUMNS)
    shapes = {patient: (int(h), int(w)) for patient, (h, w) in zip(images.image_ids, images.sizes, strict=True)}
    problems = check_predictions(output, patients, shapes)
    if problems:
        raise InputError(f"{output}: {problems[0]} ({len(problems)} problems)")


def load_detector(config: RSNAConfig, weights: Path) -> "Detector":
    """Build a model with its weights, ready to detect."""
    from common.network.mask_rcnn.detector import Detector
    from common.network.mask_rcnn.model import MaskRCNN
    from common.network.weights import load_weights

    model = MaskRCNN(config)
    load_weights(model, weights)
    return Detector(model)


def find_boxes(detector: "Detector", config: RSNAConfig, image_id: str, image: np.ndarray) -> list[Found]:
    """Return what is found in each view of an image, (H, W, 3) uint8."""
    small = shrink_image(image, config.min_dim)
    shape, stored_shape = (small.shape[0], small.shape[1]), (image.shape[0], image.shape[1])
    detect = choose_detector(detector, shape, config)
    views, rng = VIEWS if config.fuse_views else VIEWS[:1], image_rng(config.seed, image_id)
    found = []
    for view, _, seen in detect_views(detect, small, views, config.min_dim, rng):
        part = cast(Detections, seen)  # in one piece, see `RSNAConfig.max_whole_side`
        boxes = invert_boxes(part.boxes, view, shape)
        found.append((scale_boxes(boxes, shape, stored_shape), part.scores))
    return found


def scale_boxes(boxes: np.ndarray, shape: tuple[int, int], other_shape: tuple[int, int]) -> np.ndarray:
    """Bring boxes (N, 4) from an image of one shape, (height, width), to the same image in another one."""
    return boxes * np.tile(np.array(other_shape) / shape, 2)


def join_boxes(
    found: Sequence[Found], image_shape: tuple[int, int], iou_threshold: float, least: float, shrink: float
) -> Predictions:
    """Make the boxes of all views and models one set, shrunken and cut at the image's border.

    Args:
        found: of each view and model; a single one is not fused.
        image_shape: (height, width), pixels.
        iou_threshold: see `fuse_boxes`.
        least: lowest score of a fused box.
        shrink: factor on the sides.
    """
    boxes, scores = found[0]
    if len(found) > 1:
        all_boxes, all_scores = [some for some, _ in found], [some for _, some in found]
        ids = [np.ones(len(some), int) for some in all_scores]
        boxes, scores, _ = fuse_boxes(all_boxes, all_scores, ids, image_shape, iou_threshold=iou_threshold)
        boxes, scores = boxes[scores >= least], scores[scores >= least]
    return Predictions(clip_boxes(shrink_boxes(boxes, shrink), image_shape), scores)


def prediction_rows(
    found: Sequence[Found], image_shape: tuple[int, int], iou_threshold: float, least: float, shrink: float
) -> list[str]:
    """Return the PredictionString of a patient; arguments as of `join_boxes`."""
    joined = join_boxes(found, image_shape, iou_threshold, least, shrink)
    return [format_predictions(joined.boxes, joined.scores)]


def draw_boxes(folder: Path, image_set: RadiographSet, predicted: Mapping[str, Predictions]) -> str:
    """Write each predicted image with its boxes, beside the true ones where any are known; see `save_gallery`."""
    small = replace(image_set, side=DRAWN_SIDE)
    rows = {patient: row for row, patient in enumerate(image_set.image_ids) if patient in predicted}

    def found(patient: str, shape: tuple[int, int]) -> Instances:
        stored_shape = tuple(image_set.stored_sizes[rows[patient]].tolist())
        boxes = scale_boxes(predicted[patient].boxes, stored_shape, shape)
        return filled_boxes(boxes, shape, predicted[patient].scores)

    images = ((patient, small.load_image(row)) for patient, row in rows.items())
    true = (lambda patient, _: small.load_instances(rows[patient])) if image_set.positive.any() else None
    return save_gallery(folder, images, found, true)
