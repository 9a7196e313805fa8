"""What a set holds, and how well its patients were predicted, as text."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import pandas as pd

from common.engine import Found
from common.errors import InputError
from common.masks.boxes import clip_boxes
from common.prediction.box_fusion import shrink_boxes
from common.prediction.detections import Detections
from rsna.dataset import RadiographSet
from rsna.inference import scale_boxes
from rsna.score import Score, score_predictions
from rsna.submission import Predictions, check_predictions, read_predictions

NUM_WORST = 10


def describe_patients(parts: Mapping[str, RadiographSet]) -> str:
    """Return a table of the classes of patients, a column a part of the data, and of the boxes."""
    counts = {name: Counter(part.classes) for name, part in parts.items()}
    table = pd.DataFrame(counts).fillna(0).astype(int).sort_index()
    table.loc["boxes"] = [sum(map(len, part.boxes)) for part in parts.values()]
    return table.rename_axis("patients").to_string()


def rate_detections(found: Found, images: RadiographSet, shrink: float) -> float:
    """Return the competition's score of what was found in some images of a set; 0 where nobody counts."""
    true, predicted = {}, {}
    for index, seen in found:
        detections = cast(Detections, seen)
        height, width = images.stored_sizes[index].tolist()
        boxes = scale_boxes(detections.boxes, detections.image_shape, (height, width))
        boxes = clip_boxes(shrink_boxes(boxes, shrink), (height, width))
        patient = images.image_ids[index]
        true[patient], predicted[patient] = images.boxes[index], Predictions(boxes, detections.scores)
    mean = score_predictions(true, predicted).mean
    return mean if mean == mean else 0.0


def report_score(path: Path, images: RadiographSet, patients: Sequence[str]) -> str:
    """Return the score of a CSV by class of patients and by threshold, its worst patients, and the score itself.

    Args:
        path: the CSV.
        images: labelled.
        patients: those of `images` that the CSV must have, and nobody else.

    Raises:
        InputError: the CSV fails its check.
    """
    problems = check_predictions(path, patients)
    if problems:
        raise InputError(f"{path}: {problems[0]} ({len(problems)} problems); --fold and --limit choose the patients")
    wanted = set(patients)
    chosen = {patient: row for row, patient in enumerate(images.image_ids) if patient in wanted}
    score = score_predictions({patient: images.boxes[row] for patient, row in chosen.items()}, read_predictions(path))
    return _format(score, {patient: images.classes[row] for patient, row in chosen.items()})


def _format(score: Score, classes: Mapping[str, str]) -> str:
    worst = score.patients.dropna().nsmallest(NUM_WORST, "score")
    tables = (("classes", score.by_class(classes)), ("IoU", score.by_threshold), ("worst patients", worst))
    texts = [f"{title}:\n{table.to_string(index=False, float_format='%.3f')}" for title, table in tables]
    counting = int(score.patients["score"].count())
    left_out = len(score.patients) - counting
    texts.append(f"score {score.mean:.4f} over {counting} patients; {left_out} without boxes or predictions left out")
    return "\n".join(texts)
