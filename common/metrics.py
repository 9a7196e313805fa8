"""The competitions' scores, from crops."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from common.boxes import box_intersections, clip_boxes
from common.errors import InputError
from common.instances import Instances
from common.rle import decode_instances
from common.submission import COLUMNS, read_rows

DSB_THRESHOLDS = np.arange(10) * 0.05 + 0.5


@dataclass(frozen=True, eq=False)
class PictureScore:
    """How well one picture's objects were found.

    Attributes:
        score: mean over the thresholds of tp / (tp + fp + fn), in [0, 1].
        tp: (10,) int64, true objects that a prediction hits at each IoU threshold.
        fp: (10,) int64, predictions less hits.
        fn: (10,) int64, true objects less hits.
        precision: (10,) float64, hits per prediction; without predictions 0, or 1 where nothing was to be found.
        recall: (10,) float64, hits per true object; without true objects 0, or 1 where nothing was predicted.
    """

    score: float
    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    precision: np.ndarray
    recall: np.ndarray


@dataclass(frozen=True, eq=False)
class SubmissionScore:
    """How well a submission did.

    Attributes:
        mean: of all pictures' scores, in [0, 1].
        pictures: a row a picture with the columns image_id, height, width, objects, predicted, score.
        by_size: a row a picture size with the columns height, width, pictures, score.
        by_threshold: a row an IoU threshold with the columns iou, tp, fp, fn, precision, recall: the counts of
            `PictureScore` summed over the pictures, and the rates of these sums.
        missing: ids of pictures that the submission lacks; each scores 0, its objects are not found.
    """

    mean: float
    pictures: pd.DataFrame
    by_size: pd.DataFrame
    by_threshold: pd.DataFrame
    missing: tuple[str, ...]


def mask_ious(true: Instances, predicted: Instances) -> np.ndarray:
    """Return the intersection over union of each true mask with each predicted one.

    Args:
        true: N objects.
        predicted: M objects.

    Returns:
        (N, M) float64 in [0, 1]; 0 for an object without pixels.

    Example:
        >>> halves = Instances.from_masks(np.array([[[1, 1, 0]], [[0, 1, 1]]]))
        >>> mask_ious(halves, halves).round(3).tolist()
        [[1.0, 0.333], [0.333, 1.0]]
    """
    intersections = np.zeros((len(true), len(predicted)))
    boxes, others = true.boxes.tolist(), predicted.boxes.tolist()
    for i, j in np.argwhere(box_intersections(true.boxes, predicted.boxes) > 0).tolist():
        intersections[i, j] = _shared_pixels(boxes[i], true.masks[i], others[j], predicted.masks[j])
    unions = true.areas[:, None] + predicted.areas[None, :] - intersections
    return np.divide(intersections, unions, out=np.zeros_like(intersections), where=intersections > 0)


def score_picture(true: Instances, predicted: Instances, image_shape: tuple[int, int]) -> PictureScore:
    """Score one picture as the 2018 Data Science Bowl does, with what the score is made of.

    A true object counts as hit at a threshold when any prediction's IoU with it is above the threshold.

    Args:
        true: N objects.
        predicted: M objects.
        image_shape: (height, width), in whose pixels both are.

    Raises:
        ValueError: an object lies outside of the picture, as one in the pixels of a scaled view does.

    Source: the 2018 Data Science Bowl's evaluation page.
    """
    for instances in (true, predicted):
        if not np.array_equal(instances.boxes, clip_boxes(instances.boxes, image_shape)):
            raise ValueError(f"an object lies outside of the picture of {image_shape[0]}x{image_shape[1]} pixels")
    count, num_predicted = len(true), len(predicted)
    best = mask_ious(true, predicted).max(axis=1, initial=0)
    tp = (best[:, None] > DSB_THRESHOLDS).sum(axis=0)
    parts = tp / (count + num_predicted - tp) if count or num_predicted else np.ones(len(DSB_THRESHOLDS))
    fp, fn = num_predicted - tp, count - tp
    return PictureScore(float(parts.mean()), tp, fp, fn, *_rates(tp, fp, fn))


def dsb_score(true: Instances, predicted: Instances, image_shape: tuple[int, int]) -> float:
    """Return one picture's score as the 2018 Data Science Bowl computes it.

    Args:
        true: N objects.
        predicted: M objects.
        image_shape: (height, width), in whose pixels both are.

    Returns:
        The mean over the IoU thresholds 0.50, 0.55 ... 0.95 of tp / (tp + fp + fn), in [0, 1]. Nothing to find and
        nothing predicted scores 1.

    Raises:
        ValueError: an object lies outside of the picture.

    Source: the 2018 Data Science Bowl's evaluation page.

    Example:
        >>> pixel = Instances.from_crops(np.array([[0, 0, 1, 1]]), [np.ones((1, 1))])
        >>> dsb_score(pixel, pixel, (1, 1)), dsb_score(pixel, Instances.empty(), (1, 1))
        (1.0, 0.0)
    """
    return score_picture(true, predicted, image_shape).score


def score_submission(
    submission: Path, solution: Path | Mapping[str, tuple[Instances, tuple[int, int]]]
) -> SubmissionScore:
    """Score a submission against the true masks.

    Args:
        submission: CSV with the columns ImageId, EncodedPixels.
        solution: CSV with the columns ImageId, EncodedPixels, Height, Width, Usage, whose pictures with the usage
            'Ignored' don't count; or each picture's objects and (height, width).

    Raises:
        InputError: a file or a column is missing, a picture is unknown, runs are malformed.
    """
    known, ignored = (solution, set()) if isinstance(solution, Mapping) else read_solution(solution)
    texts = _texts_by_picture(read_rows(submission, COLUMNS))
    unknown = [image_id for image_id in texts if image_id not in known and image_id not in ignored]
    if unknown:
        raise InputError(f"{submission}: {unknown[0]} is not in the solution; choose the solution of the same stage")
    pictures, by_threshold = _score_pictures(submission, texts, known)
    by_size = pictures.groupby(["height", "width"], as_index=False).agg(
        pictures=("score", "size"), score=("score", "mean")
    )
    missing = tuple(image_id for image_id in known if image_id not in texts)
    return SubmissionScore(float(pictures["score"].mean()), pictures, by_size, by_threshold, missing)


def _score_pictures(
    submission: Path, texts: dict[str, list[str]], known: Mapping[str, tuple[Instances, tuple[int, int]]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a row a picture and a row a threshold; a picture that the submission lacks scores 0."""
    rows = []
    counts = np.zeros((3, len(DSB_THRESHOLDS)), dtype=np.int64)
    for image_id, (true, (height, width)) in known.items():
        predicted = _decode(submission, image_id, texts.get(image_id, []), (height, width))
        found = score_picture(true, predicted, (height, width))
        score = found.score if image_id in texts else 0.0
        rows.append((image_id, height, width, len(true), len(predicted), score))
        counts += found.tp, found.fp, found.fn
    tp, fp, fn = counts
    precision, recall = _rates(tp, fp, fn)
    return (
        pd.DataFrame(rows, columns=["image_id", "height", "width", "objects", "predicted", "score"]),
        pd.DataFrame({"iou": DSB_THRESHOLDS, "tp": tp, "fp": fp, "fn": fn, "precision": precision, "recall": recall}),
    )


def _rates(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return precision and recall; where one has no objects to count, 1 if there are none at all, else 0."""
    nothing = (tp + fp + fn == 0).astype(float)
    precision = np.divide(tp, tp + fp, out=nothing.copy(), where=tp + fp > 0)
    return precision, np.divide(tp, tp + fn, out=nothing, where=tp + fn > 0)


def _shared_pixels(box: list[int], mask: np.ndarray, other_box: list[int], other_mask: np.ndarray) -> int:
    top, left = max(box[0], other_box[0]), max(box[1], other_box[1])
    bottom, right = min(box[2], other_box[2]), min(box[3], other_box[3])
    part = mask[top - box[0] : bottom - box[0], left - box[1] : right - box[1]]
    other_part = other_mask[top - other_box[0] : bottom - other_box[0], left - other_box[1] : right - other_box[1]]
    return int(np.count_nonzero(part & other_part))


def read_solution(path: Path) -> tuple[dict[str, tuple[Instances, tuple[int, int]]], set[str]]:
    """Read a solution in Kaggle's columns.

    Args:
        path: CSV with the columns ImageId, EncodedPixels, Height, Width, Usage.

    Returns:
        Each scored picture's objects and (height, width); the ids of the pictures with the usage 'Ignored'.

    Raises:
        InputError: a file or a column is missing, runs are malformed, or no picture counts.
    """
    table = read_rows(path, ("ImageId", "EncodedPixels", "Height", "Width", "Usage"))
    counted = table[table["Usage"] != "Ignored"]
    texts = _texts_by_picture(counted)
    sizes = zip(counted["ImageId"], counted["Height"], counted["Width"], strict=True)
    try:
        shapes = {image_id: (int(height), int(width)) for image_id, height, width in sizes}
    except ValueError as error:
        raise InputError(f"{path}: heights and widths are whole numbers: {error}") from None
    known = {image_id: (_decode(path, image_id, texts[image_id], shape), shape) for image_id, shape in shapes.items()}
    if not known:
        raise InputError(f"{path}: no picture counts; choose a solution with pictures that are not ignored")
    return known, set(table["ImageId"]) - set(known)


def _texts_by_picture(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the runs of each picture's objects; a row without runs is no object."""
    texts: dict[str, list[str]] = {}
    for image_id, text in zip(table["ImageId"], table["EncodedPixels"], strict=True):
        texts.setdefault(image_id, []).extend([text] if text.strip() else [])
    return texts


def _decode(path: Path, image_id: str, texts: list[str], image_shape: tuple[int, int]) -> Instances:
    try:
        return decode_instances(texts, image_shape)
    except ValueError as error:
        raise InputError(f"{path}: {image_id}: {error}; `check_submission` lists every such row") from None
