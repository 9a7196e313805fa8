"""The sections on submissions: how well they meet the ground truth of a set."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from common.errors import InputError
from common.figures.page import Page
from common.figures.scores import (
    draw_by_size,
    draw_confusion,
    draw_precision_recall,
    draw_thresholds,
    draw_worst,
)
from common.images.image_set import ImageSet
from common.masks.instances import Instances
from common.scoring.average_precision import COCO_THRESHOLDS, precision_of
from common.scoring.evaluation import Pair, pair_results
from common.scoring.tally import Tally, tally_pairs
from common.terminal.progress import progress_bar
from competitions.submissions import choose_images, read_submission

MOST_ROWS = 20


def add_scores(
    page: Page, tallies: Mapping[str, Tally], class_names: Sequence[str], load_image: Callable[[str], np.ndarray]
) -> None:
    """Add the sections on submissions to a page.

    Args:
        page: gets the sections.
        tallies: by the submission's name, at least one.
        class_names: of the classes 1, 2, ...
        load_image: from an image's id to the image, (H, W, 3) uint8.
    """
    page.add(
        "Average precision",
        pd.concat({name: _precisions(tally, class_names) for name, tally in tallies.items()}, names=["submission"]),
        "By COCO's rules, all detections of an image counted; NaN without true objects. AP is the mean over IoU 0.50 "
        "to 0.95. Sick: a class with objects and 0; AP75 far below AP50, which means masks in the right place with a "
        "poor outline.",
    )
    page.add(
        "Precision and recall",
        draw_precision_recall(tallies),
        "A good curve stays high to the right; the marks are at the confidence of the figures below. Sick: a curve "
        "that starts low (confident false detections, often a fault of the labels) or ends early (objects that are "
        "never proposed). A submission without scores has its mark alone.",
    )
    if any(tally.is_scored for tally in tallies.values()):
        page.add(
            "Score against confidence",
            draw_thresholds(tallies),
            "What the lowest score that counts is worth at IoU 0.5, with the best F1 and where it is reached; dotted: "
            "the confidence used here. Choose it on held-out images. Sick: an F1 that still rises at either end.",
        )
    page.add(
        "Score by object size",
        draw_by_size(tallies),
        "Each dot stands for an equal share of the objects. Small ones are found less; the curve should flatten from "
        "about 10 pixels on. Sick: a dip at large sizes (no anchors, too few crops that hold a whole object).",
    )
    for name, tally in tallies.items():
        _add_submission(page, name, tally, class_names, load_image)


def _add_submission(
    page: Page, name: str, tally: Tally, class_names: Sequence[str], load_image: Callable[[str], np.ndarray]
) -> None:
    page.add(
        f"Confusion of {name}",
        draw_confusion(tally.confusion, class_names),
        f"Rows are true classes, columns predicted ones, at IoU 0.5 and scores from {tally.confidence:g}. The "
        "diagonal should be dark. Row 'nothing': false detections; column 'missed': objects that were not found.",
    )
    if tally.worst is not None:
        page.add(
            f"Worst image of {name}",
            draw_worst(load_image(tally.worst.image_id), tally.worst),
            f"{tally.worst.image_id} has the lowest score of the images with objects and predictions. Blue has a "
            "partner at IoU 0.5, orange none. In the matrix each row should have one dark field; two in a row are "
            "a split object, two in a column are merged ones.",
        )
    page.add(
        f"Worst images of {name}",
        tally.images.nsmallest(MOST_ROWS, "score").set_index("image_id"),
        f"Mean {tally.images['score'].mean():.4f} over {len(tally.images)} images, by the rule of the 2018 Data "
        "Science Bowl whatever the classes; of one submission the worst images first.",
    )


def tally_submissions(
    paths: Collection[Path], images: ImageSet, num_objects: int, confidence: float, *, only_submitted: bool = False
) -> dict[str, Tally]:
    """Compare the predictions of CSVs with the ground truth of a set, all with the same images.

    Args:
        paths: see `read_submission`.
        images: the set.
        num_objects: how many classes it has, without background.
        confidence: see `Tally`.
        only_submitted: see `choose_images`.

    Returns:
        By the submission's name: the file's without its suffix, or the whole path where these are the same.

    Raises:
        InputError: a set without ground truth; a file that is none, or has an unknown image or class.
    """
    if not images.has_objects:
        raise InputError(f"{images.path}: has no ground truth to compare with; give a set with objects")
    found = {path: read_submission(path, images.shapes) for path in paths}
    images = choose_images(images, {str(path): rows for path, rows in found.items()}, only_submitted=only_submitted)
    is_short = len({path.stem for path in found}) == len(found)
    return {
        path.stem if is_short else str(path): _tally(path, rows, images, num_objects, confidence)
        for path, rows in found.items()
    }


def _tally(path: Path, found: Mapping[str, Instances], images: ImageSet, num_objects: int, confidence: float) -> Tally:
    """Compare the predictions of one CSV.

    Args:
        path: the CSV, for messages.
        found: its objects by image.
        images: those that count.
        num_objects: how many classes it has, without background.
        confidence: see `Tally`.

    Raises:
        InputError: an unknown class.
    """

    def checked(pair: Pair) -> Pair:
        if pair.predicted.class_ids.max(initial=0) > num_objects:
            wrong = pair.predicted.class_ids.max()
            raise InputError(
                f"{path}: {pair.image_id}: class {wrong} of {num_objects}; give the set that was predicted"
            )
        return pair

    pairs = progress_bar(pair_results(images, found), path.name, len(images), unit="image")
    missing = {image_id for image_id in images.image_ids if image_id not in found}
    return tally_pairs(map(checked, pairs), num_objects + 1, confidence, missing)


def _precisions(tally: Tally, class_names: Sequence[str]) -> pd.DataFrame:
    """Return one row per class with objects or predictions: objects, AP, AP50, AP75, R50; the mean last."""
    seen = set(tally.outcome.class_ids.tolist()) | set(tally.outcome.num_true)
    class_ids = [class_id for class_id in range(1, len(class_names) + 1) if class_id in seen]
    whole = precision_of(tally.outcome, class_ids, COCO_THRESHOLDS)
    half, strict = whole.at(0.5), whole.at(0.75)
    columns = {
        "objects": whole.num_true,
        "AP": whole.precision.mean(axis=1),
        "AP50": half.precision[:, 0],
        "AP75": strict.precision[:, 0],
        "R50": half.recall[:, 0],
    }
    table = pd.DataFrame(columns, index=pd.Index([class_names[k - 1] for k in class_ids], name="class"))
    if len(table) > 1:
        table.loc["all"] = table[table["objects"] > 0].mean()
        table.loc["all", "objects"] = whole.num_true.sum()
    return table.astype({"objects": int})
