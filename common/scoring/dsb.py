"""The 2018 Data Science Bowl's score."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import InputError
from common.masks.boxes import clip_boxes
from common.masks.instances import Instances
from common.masks.rle import parse_runs
from common.masks.runs import Runs, fill_runs, find_runs, shared_run_pixels
from common.output.submission import COLUMNS, as_written, read_rows

DSB_THRESHOLDS = np.arange(10) * 0.05 + 0.5


@dataclass(frozen=True, eq=False)
class ImageScore:
    """One image's score.

    Attributes:
        score: mean over the thresholds of tp / (tp + fp + fn), in [0, 1].
        tp: (10,) int64, true objects that a prediction hits at each IoU threshold.
        fp: (10,) int64, predictions minus hits.
        fn: (10,) int64, true objects minus hits.
        precision: (10,) float64, hits per prediction; without predictions 0, or 1 if there was nothing to find.
        recall: (10,) float64, hits per true object; without true objects 0, or 1 if nothing was predicted.
    """

    score: float
    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    precision: np.ndarray
    recall: np.ndarray


@dataclass(frozen=True, eq=False)
class SubmissionScore:
    """A submission's score.

    Attributes:
        mean: of all images' scores, in [0, 1].
        images: one row per image, columns image_id, height, width, objects, predicted, score.
        by_size: one row per image size, columns height, width, images, score.
        by_threshold: one row per IoU threshold, columns iou, tp, fp, fn, precision, recall: the counts of `ImageScore`
            summed over the images, and the rates of these sums.
        missing: ids of images missing from the submission; each scores 0, its objects are false negatives.
    """

    mean: float
    images: pd.DataFrame
    by_size: pd.DataFrame
    by_threshold: pd.DataFrame
    missing: tuple[str, ...]


def score_image(true: Instances, predicted: Instances, image_shape: tuple[int, int]) -> ImageScore:
    """Score one image as the 2018 Data Science Bowl does, with the counts behind the score.

    A true object counts as hit at a threshold if any prediction's IoU with it is above the threshold.

    Args:
        true: N objects, in image pixels.
        predicted: M objects, likewise.
        image_shape: (height, width).

    Raises:
        ValueError: an object lies outside the image, as in the pixels of a scaled view.

    Source: the 2018 Data Science Bowl's evaluation page.
    """
    tp = _count_hits(_find_checked_runs(true, image_shape), _find_checked_runs(predicted, image_shape))
    fp, fn = len(predicted) - tp, len(true) - tp
    return ImageScore(float(_scores(tp, len(true), len(predicted))), tp, fp, fn, *_rates(tp, fp, fn))


def dsb_score(true: Instances, predicted: Instances, image_shape: tuple[int, int]) -> float:
    """Return one image's score as the 2018 Data Science Bowl computes it.

    Args:
        true: N objects, in image pixels.
        predicted: M objects, likewise.
        image_shape: (height, width).

    Returns:
        The mean over the IoU thresholds 0.50, 0.55 ... 0.95 of tp / (tp + fp + fn), in [0, 1]; 1 if there is nothing to
        find and nothing is predicted.

    Raises:
        ValueError: an object lies outside the image.

    Source: the 2018 Data Science Bowl's evaluation page.

    Example:
        >>> pixel = Instances.from_crops(np.array([[0, 0, 1, 1]]), [np.ones((1, 1))])
        >>> dsb_score(pixel, pixel, (1, 1)), dsb_score(pixel, Instances.empty(), (1, 1))
        (1.0, 0.0)
    """
    return score_image(true, predicted, image_shape).score


def score_submission(
    submission: Path, solution: Path | Mapping[str, tuple[Instances, tuple[int, int]]], left_out: Collection[str] = ()
) -> SubmissionScore:
    """Score a submission against the true masks.

    Args:
        submission: CSV with the columns ImageId, EncodedPixels.
        solution: CSV with the columns ImageId, EncodedPixels, Height, Width, Usage, whose 'Ignored' images do not
            count; or each image's objects and (height, width).
        left_out: further images that do not count.

    Raises:
        InputError: a file or a column is missing, an image is unknown, or runs are malformed.
    """
    known, ignored = _find_solution_runs(solution) if isinstance(solution, Mapping) else _read_solution_runs(solution)
    ignored |= set(left_out)
    known = {image_id: true for image_id, true in known.items() if image_id not in ignored}
    texts = _texts_by_image(read_rows(submission, COLUMNS))
    unknown = [image_id for image_id in texts if image_id not in known and image_id not in ignored]
    if unknown:
        hint = as_written(unknown[0], known) or "; choose the solution of the same stage"
        raise InputError(f"{submission}: {unknown[0]} is not in the solution{hint}")
    images, by_threshold = _score_images(submission, texts, known)
    scores = images.groupby(["height", "width"])["score"]
    by_size = pd.DataFrame({"images": scores.size(), "score": scores.mean()}).reset_index()
    missing = tuple(image_id for image_id in known if image_id not in texts)
    return SubmissionScore(float(images["score"].mean()), images, by_size, by_threshold, missing)


def _score_images(
    submission: Path, texts: dict[str, list[str]], known: dict[str, tuple[Runs, tuple[int, int]]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row per image and one per threshold; an image missing from the submission scores 0."""
    hits, rows = [], []
    for image_id, (true, shape) in known.items():
        predicted = _parse(submission, image_id, texts.get(image_id, []), shape)
        hits.append(_count_hits(true, predicted))
        rows.append((image_id, *shape, true.num_masks, predicted.num_masks))
    images = pd.DataFrame(rows, columns=["image_id", "height", "width", "objects", "predicted"])
    tp = np.reshape(hits, (-1, len(DSB_THRESHOLDS)))
    count, num_predicted = images[["objects", "predicted"]].to_numpy(np.int64).T[:, :, None]
    submitted = [image_id in texts for image_id in known]
    images["score"] = np.where(submitted, _scores(tp, count, num_predicted), 0.0)
    tp, fp, fn = (part.sum(axis=0) for part in (tp, num_predicted - tp, count - tp))
    precision, recall = _rates(tp, fp, fn)
    by_threshold = {"iou": DSB_THRESHOLDS, "tp": tp, "fp": fp, "fn": fn, "precision": precision, "recall": recall}
    return images, pd.DataFrame(by_threshold)


def _count_hits(true: Runs, predicted: Runs) -> np.ndarray:
    """Return how many true masks are hit at each threshold, (10,) int64.

    Overlapping masks may match several; hits are bounded by the number of masks that match on either side.
    """
    best, best_of_predicted = np.zeros(true.num_masks), np.zeros(predicted.num_masks)
    first, second, ious = _run_ious(true, predicted)
    np.maximum.at(best, first, ious)
    np.maximum.at(best_of_predicted, second, ious)
    return np.minimum(*((part[:, None] > DSB_THRESHOLDS).sum(axis=0) for part in (best, best_of_predicted)))


def _scores(tp: np.ndarray, count: np.ndarray | int, num_predicted: np.ndarray | int) -> np.ndarray:
    """Return the scores (...) of images from numbers of true and predicted objects, (..., 1), and hits, (..., 10)."""
    either = count + num_predicted - tp
    return np.divide(tp, either, out=np.ones(tp.shape), where=either > 0).mean(axis=-1)


def _rates(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return precision and recall; where a denominator is 0, 1 if there are no objects at all, else 0."""
    nothing = (tp + fp + fn == 0).astype(float)
    precision = np.divide(tp, tp + fp, out=nothing.copy(), where=tp + fp > 0)
    return precision, np.divide(tp, tp + fn, out=nothing, where=tp + fn > 0)


def _run_ious(true: Runs, predicted: Runs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return indices of true and predicted masks that share pixels, (K,) int64 each, and their IoU, (K,) float64."""
    first, second, shared = shared_run_pixels(true, predicted)
    return first, second, shared / (true.areas[first] + predicted.areas[second] - shared)


def _find_checked_runs(instances: Instances, image_shape: tuple[int, int]) -> Runs:
    """Return the runs of objects.

    Raises:
        ValueError: one lies outside the image.
    """
    if not np.array_equal(instances.boxes, clip_boxes(instances.boxes, image_shape)):
        raise ValueError(f"an object lies outside the image of {image_shape[0]}x{image_shape[1]} pixels")
    return find_runs(instances, image_shape[0])


def read_solution(path: Path) -> tuple[dict[str, tuple[Instances, tuple[int, int]]], set[str]]:
    """Read a solution in Kaggle's columns.

    Args:
        path: CSV with the columns ImageId, EncodedPixels, Height, Width, Usage.

    Returns:
        Each scored image's objects and (height, width); the ids of 'Ignored' images.

    Raises:
        InputError: a file or a column is missing, runs are malformed, or no image counts.
    """
    known, ignored = _read_solution_runs(path)
    return {image_id: (fill_runs(runs, shape[0]), shape) for image_id, (runs, shape) in known.items()}, ignored


def _find_solution_runs(
    solution: Mapping[str, tuple[Instances, tuple[int, int]]],
) -> tuple[dict[str, tuple[Runs, tuple[int, int]]], set[str]]:
    """Return each image's runs and (height, width), and the empty set of ignored ids."""
    return {name: (_find_checked_runs(objects, shape), shape) for name, (objects, shape) in solution.items()}, set()


def _read_solution_runs(path: Path) -> tuple[dict[str, tuple[Runs, tuple[int, int]]], set[str]]:
    """Return the runs and (height, width) of each image that counts, and the ids of the others."""
    table = read_rows(path, ("ImageId", "EncodedPixels", "Height", "Width", "Usage"))
    counted = table[table["Usage"] != "Ignored"]
    texts = _texts_by_image(counted)
    sizes = dict.fromkeys(zip(*(counted[column].tolist() for column in ("ImageId", "Height", "Width")), strict=True))
    try:
        shapes = {image_id: (_whole(height), _whole(width)) for image_id, height, width in sizes}
    except ValueError as error:
        raise InputError(f"{path}: heights and widths must be integers: {error}") from None
    if len(shapes) < len(sizes):
        twice = next(name for name, times in Counter(image_id for image_id, *_ in sizes).items() if times > 1)
        raise InputError(f"{path}: {twice} has rows of two sizes; correct Height and Width")
    repeated = counted[counted[["ImageId", "EncodedPixels"]].duplicated()]
    if len(repeated):
        where = f"line {repeated.index[0]}: {repeated['ImageId'].iloc[0]}"
        raise InputError(
            f"{path}: {where}: the same object is in an earlier row; remove one ({len(repeated)} such rows)"
        )
    if not shapes:
        raise InputError(f"{path}: all images are ignored; choose a solution with images that count")
    known = {image_id: (_parse(path, image_id, texts[image_id], shape), shape) for image_id, shape in shapes.items()}
    return known, set(table["ImageId"].tolist()) - set(known)


def _whole(text: str) -> int:
    """Return a whole number, which programs also write as 256.0."""
    number = float(text)
    if not number.is_integer():
        raise ValueError(f"{text!r}")
    return int(number)


def _texts_by_image(table: pd.DataFrame) -> dict[str, list[str]]:
    """Return the runs of each image's objects; a row without runs is not an object."""
    texts: dict[str, list[str]] = {}
    for image_id, text in zip(table["ImageId"].tolist(), table["EncodedPixels"].tolist(), strict=True):
        of_image = texts.setdefault(image_id, [])
        if text and not text.isspace():
            of_image.append(text)
    return texts


def _parse(path: Path, image_id: str, texts: list[str], image_shape: tuple[int, int]) -> Runs:
    try:
        return parse_runs(texts, image_shape[0] * image_shape[1])
    except ValueError as error:
        raise InputError(f"{path}: {image_id}: {error}; `check_submission` lists every such row") from None
