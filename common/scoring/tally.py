"""What a submission found and missed, from one pass over its images: what figures and tables of scores are made of."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from common.scoring.average_precision import COCO_THRESHOLDS
from common.scoring.comparison import Comparison, compare_masks
from common.scoring.confusion import confusion_matrix
from common.scoring.dsb import dsb_score
from common.scoring.evaluation import Pair
from common.scoring.matching import ANY_AREA, Outcome, find_pairs, join_objects, match_objects

IN_CROWD = 0.5  # share of a prediction that lies in a crowd
MOST_DETECTIONS = 10_000  # of a class in an image: all; COCO's rule takes 100


@dataclass(frozen=True, eq=False)
class Tally:
    """The outcome of a submission of L images.

    Crowds are COCO's: regions where predictions of their class are neither right nor wrong. In `outcome`, that is
    decided for each IoU; all other fields are without crowds and without the predictions that lie in one and meet no
    other object.

    Attributes:
        confidence: lowest score of the predictions that count in all fields but `outcome`.
        outcome: of all predictions at `COCO_THRESHOLDS`.
        true: a row per true object: class_id, area in pixels, iou (largest with a prediction of its class).
        predicted: a row per prediction: class_id, area, score, iou (largest with a true object of its class).
        confusion: (K, K) int64, see `confusion_matrix`.
        images: L rows: image_id, true and predicted (objects), score (as in the 2018 Data Science Bowl, whatever the
            classes).
        worst: the image with the lowest score, of those with objects and predictions if there are any; None if all
            images are empty.
    """

    confidence: float
    outcome: Outcome
    true: pd.DataFrame
    predicted: pd.DataFrame
    confusion: np.ndarray
    images: pd.DataFrame
    worst: Pair | None

    @property
    def is_scored(self) -> bool:
        """Whether predictions have scores that differ, without which no threshold can be chosen."""
        return len(np.unique(self.outcome.scores)) > 1


def tally_pairs(
    pairs: Iterable[Pair], num_classes: int, confidence: float = 0.5, missing: Collection[str] = ()
) -> Tally:
    """Compare the true and predicted objects of images; memory holds one image's masks, and those of the worst.

    Args:
        pairs: one per image; consumed one at a time.
        num_classes: K, background included.
        confidence: see `Tally`.
        missing: ids of images that the submission has no row for; each scores 0, whatever its objects.
    """
    found, true, predicted, images = [], [], [], []
    confusion = np.zeros((num_classes, num_classes), np.int64)
    worst, lowest = None, (True, np.inf)
    for pair in pairs:
        comparison = compare_masks(pair.true, pair.predicted, pair.crowd)
        found.append(find_pairs(comparison, COCO_THRESHOLDS[0], ANY_AREA))
        kept = _without_crowds(pair, comparison)
        kept = replace(kept, predicted=kept.predicted.select(kept.predicted.scores >= confidence))
        score = 0.0 if pair.image_id in missing else dsb_score(kept.true, kept.predicted, kept.image_shape)
        comparison = compare_masks(kept.true, kept.predicted)
        confusion += confusion_matrix([comparison], num_classes, lowest_score=confidence)
        of_true, of_predicted = _best(comparison)
        true.append(of_true)
        predicted.append(of_predicted)
        images.append((pair.image_id, len(kept.true), len(kept.predicted), score))
        rank = (not (len(kept.true) and len(kept.predicted)), score)
        if rank < lowest and len(kept.true) + len(kept.predicted):
            worst, lowest = kept, rank
    outcome = match_objects(join_objects(found), COCO_THRESHOLDS, MOST_DETECTIONS)
    by_image = pd.DataFrame(images, columns=["image_id", "true", "predicted", "score"])
    return Tally(confidence, outcome, _joined(true), _joined(predicted), confusion, by_image, worst)


def _without_crowds(pair: Pair, comparison: Comparison) -> Pair:
    """Return a pair without its crowds, and without the predictions that lie in one and meet no other object."""
    if not pair.crowd.any():
        return pair
    same = comparison.true_class_ids[:, None] == comparison.predicted_class_ids
    met = same & (comparison.ious >= IN_CROWD)
    inside = met[pair.crowd].any(axis=0) & ~met[~pair.crowd].any(axis=0)
    true = pair.true.select(~pair.crowd)
    return replace(pair, true=true, predicted=pair.predicted.select(~inside), crowd=np.zeros(len(true), bool))


def _best(comparison: Comparison) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the true objects and the predictions of an image, each with its largest IoU within its class."""
    same = comparison.true_class_ids[:, None] == comparison.predicted_class_ids
    ious = np.where(same, comparison.ious, 0.0)
    true = {"class_id": comparison.true_class_ids, "area": comparison.true_areas, "iou": ious.max(axis=1, initial=0)}
    predicted = {
        "class_id": comparison.predicted_class_ids,
        "area": comparison.predicted_areas,
        "score": comparison.scores,
        "iou": ious.max(axis=0, initial=0),
    }
    return pd.DataFrame(true), pd.DataFrame(predicted)


def _joined(tables: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
