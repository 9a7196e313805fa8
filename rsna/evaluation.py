"""Reports of the patients in a set and of their scores."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from common.errors import InputError
from common.images.image_set import ImageSet
from common.predictor import Predictor
from common.scoring.evaluation import Report
from rsna.dataset import Radiographs, scale_boxes, true_boxes
from rsna.inference import FoundBoxes, find_boxes
from rsna.score import Score, score_predictions
from rsna.submission import Predictions, check_predictions, read_predictions

NUM_WORST = 10


def describe_patients(parts: Mapping[str, ImageSet[Radiographs]]) -> str:
    """Return a table with the number of patients of each class, and of boxes; one column per part of the data."""
    counts = {name: Counter(part.source.classes[row] for row in part.rows) for name, part in parts.items()}
    table = pd.DataFrame(counts).fillna(0).astype(int).sort_index()
    table.loc["boxes"] = [sum(len(part.source.boxes[row]) for row in part.rows) for part in parts.values()]
    return table.rename_axis("patients").to_string()


def score_predictor(predictor: Predictor, images: ImageSet[Radiographs], shrink: float) -> float:
    """Return the competition's score of single predictions of a set; 0 if no patient counts.

    Args:
        predictor: finds the boxes.
        images: in the size that the network sees.
        shrink: factor on the sides of predicted boxes.
    """
    predicted = {}
    for index, patient in enumerate(images.image_ids):
        shape, stored = images.shape(index), images.source.stored_shape(int(images.rows[index]))
        ((boxes, scores),) = find_boxes(predictor, images.load_image(index))
        predicted[patient] = FoundBoxes([(scale_boxes(boxes, shape, stored), scores)], stored, shrink).join()
    mean = score_report(images, predicted).score
    return mean if mean == mean else 0.0


def score_csv(path: Path, images: ImageSet[Radiographs], patients: Sequence[str]) -> Report:
    """Check a CSV, then score it.

    Args:
        path: the CSV.
        images: labelled.
        patients: exactly those the CSV must have; those not in `images` are not scored.

    Raises:
        InputError: the CSV fails its check.
    """
    shapes = {
        patient: images.source.stored_shape(row) for patient, row in zip(images.image_ids, images.rows, strict=True)
    }
    problems = check_predictions(path, patients, shapes)
    if problems:
        raise InputError(f"{path}: {problems[0]} ({len(problems)} problems); --fold chooses the patients")
    wanted = set(patients)
    return score_report(images.select([patient in wanted for patient in images.image_ids]), read_predictions(path))


def score_report(images: ImageSet[Radiographs], predicted: Mapping[str, Predictions]) -> Report:
    """Score the patients of a set; the report is by class and by threshold, and lists the worst patients.

    Args:
        images: labelled.
        predicted: the boxes of each patient; a missing patient has none.
    """
    score = score_predictions(true_boxes(images), predicted)
    classes = {patient: images.source.classes[row] for patient, row in zip(images.image_ids, images.rows, strict=True)}
    return Report(score.mean, _format(score, classes))


def _format(score: Score, classes: Mapping[str, str]) -> str:
    worst = score.patients.dropna().nsmallest(NUM_WORST, "score")
    tables = (("classes", score.by_class(classes)), ("IoU", score.by_threshold), ("worst patients", worst))
    texts = [f"{title}:\n{table.to_string(index=False, float_format='%.3f')}" for title, table in tables]
    counting = int(score.patients["score"].count())
    left_out = len(score.patients) - counting
    texts.append(f"score {score.mean:.4f} over {counting} patients; {left_out} without boxes or predictions left out")
    return "\n".join(texts)
