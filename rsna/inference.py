"""From images to boxes, with one or several views and models."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.cluster.spread import Spread
from common.drawing.gallery import save_gallery
from common.engine import predict_rows
from common.errors import InputError
from common.images.image_set import ImageSet
from common.masks.boxes import clip_boxes
from common.masks.instances import Instances
from common.output.rows import RowMaker
from common.prediction.box_fusion import fuse_boxes, import_fusion, shrink_boxes
from common.prediction.detections import Detections
from common.prediction.views import View, invert_boxes
from common.predictor import Predictor
from rsna.config import RSNAConfig
from rsna.dataset import Radiographs, filled_boxes, have_boxes, scale_boxes, with_side
from rsna.submission import COLUMNS, Predictions, check_predictions, format_predictions

VIEWS = (View(), View(flip_lr=True), View(scale_y=1.25, scale_x=1.25), View(flip_lr=True, scale_y=1.25, scale_x=1.25))
DRAWN_SIDE = 512  # pixels, of the images in a gallery

Found = tuple[np.ndarray, np.ndarray]  # boxes (N, 4) in pixels of the stored image, and scores (N,)


@dataclass(frozen=True, eq=False)
class FoundBoxes:
    """The boxes found in an image before they are fused; small enough to send to another process.

    Attributes:
        found: by each view and model; a single one is not fused.
        image_shape: (height, width), pixels.
        shrink: factor on the sides.
        fusion_iou: see `fuse_boxes`.
        fused_confidence: lowest score of a fused box.
        full: whether a model found as many boxes as it may.
    """

    found: Sequence[Found]
    image_shape: tuple[int, int]
    shrink: float
    fusion_iou: float = 1.0
    fused_confidence: float = 0.0
    full: bool = False

    def join(self) -> Predictions:
        """Fuse the boxes of all views and models, shrink them and clip them to the image."""
        boxes, scores = self.found[0]
        if len(self.found) > 1:
            boxes, scores = self._fuse()
        return Predictions(clip_boxes(shrink_boxes(boxes, self.shrink), self.image_shape), scores)

    def _fuse(self) -> Found:
        all_boxes, all_scores = [some for some, _ in self.found], [some for _, some in self.found]
        ids = [np.ones(len(some), int) for some in all_scores]
        boxes, scores, _ = fuse_boxes(all_boxes, all_scores, ids, self.image_shape, iou_threshold=self.fusion_iou)
        kept = scores >= self.fused_confidence
        return boxes[kept], scores[kept]


def predict_set(
    models: Sequence[tuple[RSNAConfig, Path]],
    images: ImageSet[Radiographs],
    patients: Sequence[str],
    output: Path,
    spread: Spread,
) -> bool:
    """Predict patients into a CSV and check it; if killed, the next run resumes.

    Args:
        models: configs and weights; the first config says how boxes are fused.
        images: as stored.
        patients: of the rows, in order.
        output: the CSV.
        spread: over which processes and files.

    Returns:
        Whether the CSV is there, see `predict_rows`.

    Raises:
        InputError: the package for box fusion is missing, or the CSV fails its check.
    """
    config = models[0][0]
    if len(models) > 1 or config.fuse_views:
        import_fusion()
    predictors = [Predictor(*model) for model in models]
    maker = RowMaker(functools.partial(_look, predictors), prediction_rows, COLUMNS)
    if not predict_rows(predictors, images, patients, output, maker, spread=spread):
        return False
    problems = check_predictions(output, patients, images.shapes)
    if problems:
        raise InputError(f"{output}: {problems[0]} ({len(problems)} problems)")
    return True


def _look(predictors: Sequence[Predictor], _: str, image: np.ndarray) -> FoundBoxes:
    """Return the boxes that all models find; the first one's config says how they are fused."""
    first = predictors[0].config
    assert isinstance(first, RSNAConfig)
    found: list[Found] = []
    full = False
    for predictor in predictors:
        config = predictor.config
        assert isinstance(config, RSNAConfig)
        looks = find_boxes(predictor, image, fuse_views=config.fuse_views)
        full |= any(len(scores) >= config.max_detections for _, scores in looks)
        found += looks
    shape = (image.shape[0], image.shape[1])
    return FoundBoxes(found, shape, first.shrink, first.fusion_iou, first.fused_confidence, full)


def find_boxes(predictor: Predictor, image: np.ndarray, *, fuse_views: bool = False) -> list[Found]:
    """Return the boxes found in each distinct view of an image, in its pixels.

    Args:
        predictor: does not tile images, see `RSNAConfig`.
        image: (H, W, 3) uint8.
        fuse_views: predict all of `VIEWS`.
    """
    shape = (image.shape[0], image.shape[1])
    found = []
    for view, _, detections in predictor.look(image, VIEWS if fuse_views else None).looks:
        assert isinstance(detections, Detections)  # in one piece
        found.append((invert_boxes(detections.boxes, view, shape), detections.scores))
    return found


def prediction_rows(found: FoundBoxes) -> list[str]:
    """Return the PredictionString of a patient."""
    joined = found.join()
    return [format_predictions(joined.boxes, joined.scores)]


def draw_boxes(folder: Path, images: ImageSet[Radiographs], predicted: Mapping[str, Predictions]) -> str:
    """Write each predicted image with its boxes, beside the true ones if known; see `save_gallery`."""
    small = with_side(images, DRAWN_SIDE)
    indices = {patient: index for index, patient in enumerate(images.image_ids) if patient in predicted}

    def found(patient: str, shape: tuple[int, int]) -> Instances:
        stored_shape = images.source.stored_shape(int(images.rows[indices[patient]]))
        boxes = scale_boxes(predicted[patient].boxes, stored_shape, shape)
        return filled_boxes(boxes, shape, predicted[patient].scores)

    drawn = ((patient, small.load_image(index)) for patient, index in indices.items())
    true = (lambda patient, _: small.load_instances(indices[patient])) if have_boxes(images).any() else None
    return save_gallery(folder, drawn, found, true)
