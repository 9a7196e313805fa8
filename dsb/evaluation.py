"""The ground truth of a set, and a submission's score against it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from common.errors import InputError
from common.images.image_set import ImageSet
from common.images.stored import Choice
from common.images.usable import Reader, read_in_threads
from common.log import logger
from common.masks.instances import Instances
from common.output.submission import is_csv
from common.scoring.dsb import SubmissionScore, dsb_score, read_solution, score_submission
from common.scoring.evaluation import Pair, Report
from dsb.dataset import load_dataset
from dsb.modality import find_modality

Truth: TypeAlias = Mapping[str, tuple[Instances, tuple[int, int]]]  # each image's objects and (height, width)

NUM_WORST = 10


def mean_score(pairs: Iterable[Pair]) -> float:
    """Return the competition's precision, averaged over images; pairs are taken one at a time."""
    return float(np.mean([dsb_score(pair.true, pair.predicted, pair.image_shape) for pair in pairs]))


def load_truth(
    solution: Path,
    image_ids: Sequence[str] | None,
    *,
    skip_bad: bool = False,
    choice: Choice | None = None,
    reader: Reader = read_in_threads,
) -> tuple[Truth, set[str]]:
    """Return the true objects and the (height, width) of images, and the ids of those that are not scored.

    Args:
        solution: CSV in Kaggle's columns, also packed, or a folder or zip with masks.
        image_ids: images to score; None: all.
        skip_bad: report unusable images of a folder or zip, and leave them out.
        choice: see `load_dataset`.
        reader: see `load_dataset`.

    Raises:
        InputError: some of them are missing from the solution.
    """
    if is_csv(solution):
        return _read_csv(solution, image_ids)
    dataset = load_dataset(solution, skip_bad=skip_bad, choice=choice, reader=reader)
    left_out = set(dataset.left_out)
    wanted = set(dataset.image_ids if image_ids is None else image_ids) - left_out
    _refuse_unknown(solution, wanted - set(dataset.image_ids))
    chosen = dataset.select([image_id in wanted for image_id in dataset.image_ids])
    truth = {
        image_id: (chosen.load_instances(index), chosen.shape(index)) for index, image_id in enumerate(chosen.image_ids)
    }
    return truth, left_out


def score_report(
    submission: Path, truth: Truth, unscored: Collection[str] = (), images: ImageSet | None = None
) -> tuple[Report, SubmissionScore]:
    """Score a submission, and report it by kind, size and threshold with its worst images.

    Args:
        submission: the CSV.
        truth: each image's objects and (height, width).
        unscored: ids of images that the submission may have but that do not count.
        images: the set, for the table of kinds; None: no such table.
    """
    result = score_submission(submission, truth, unscored)
    worst = result.images.nsmallest(NUM_WORST, "score")
    kinds = {"kinds": _by_modality(result, images)} if images is not None else {}
    tables = kinds | {"sizes": result.by_size, "IoU": result.by_threshold, "worst images": worst}
    texts = [f"{title}:\n{table.to_string(index=False, float_format='%.3f')}" for title, table in tables.items()]
    if result.missing:
        texts.append(f"{len(result.missing)} images are missing and count as 0: {result.missing[0]} ...")
    texts.append(f"score {result.mean:.4f} over {len(result.images)} images")
    return Report(result.mean, "\n".join(texts)), result


def _read_csv(solution: Path, image_ids: Sequence[str] | None) -> tuple[Truth, set[str]]:
    truth, unscored = read_solution(solution)
    if image_ids is None:
        return truth, unscored
    _refuse_unknown(solution, set(image_ids) - truth.keys() - unscored)
    if more := len(truth.keys() - set(image_ids)):
        logger.info(f"{solution}: {more} of its {len(truth)} images are not among those to predict, and are not scored")
    return {image_id: truth[image_id] for image_id in image_ids if image_id in truth}, unscored


def _refuse_unknown(solution: Path, image_ids: set[str]) -> None:
    if image_ids:
        raise InputError(
            f"{solution}: {len(image_ids)} of the images are missing, such as {min(image_ids)}; give its solution"
        )


def _by_modality(result: SubmissionScore, images: ImageSet) -> pd.DataFrame:
    """Return the number of images and the mean score of each kind."""
    rows = {image_id: row for row, image_id in enumerate(images.image_ids)}
    scored = result.images[result.images["image_id"].isin(rows.keys())]
    kinds = [find_modality(images.load_image(rows[image_id])) for image_id in scored["image_id"]]
    by_kind = scored.assign(kind=kinds).groupby("kind")["score"]
    return by_kind.agg(images="size", score="mean").reset_index()
