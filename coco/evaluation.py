"""Average precision of masks: the score in training and the table of a prediction."""

import math
from collections.abc import Iterable, Sequence

from common.images.image_set import ImageSet
from common.predictor import Predictor
from common.scoring.average_precision import average_precision, image_average_precision
from common.scoring.comparison import compare_masks
from common.scoring.evaluation import Pair, Report, pair_predictions


def mask_report(pairs: Iterable[Pair], class_names: Sequence[str], threshold: float | None = None) -> Report:
    """Score masks by COCO's rules: average precision by class, and the mean over the classes.

    Args:
        pairs: one per image; consumed one at a time.
        class_names: of the classes 1, 2, ...
        threshold: IoU of the score, one of COCO's; None for their mean.
    """
    comparisons = [compare_masks(pair.true, pair.predicted, pair.crowd) for pair in pairs]
    result = average_precision(comparisons, range(1, len(class_names) + 1))
    by_image = [precision for precision in map(image_average_precision, comparisons) if not math.isnan(precision)]
    own = sum(by_image) / len(by_image) if by_image else math.nan
    score, where = (result.mean, "") if threshold is None else (result.at(threshold).mean, f" at IoU {threshold:g}")
    name = "mAP" if len(class_names) > 1 else "AP"
    lines = (
        result.table(class_names),
        f"mean of per-image average precision at IoU 0.5, all classes together: {own:.4f}",
        f"{name}{where}: {score:.4f} over {len(comparisons)} images",
    )
    return Report(score, "\n".join(lines))


def score_masks(predictor: Predictor, images: ImageSet, threshold: float | None = None) -> float:
    """Predict images and return the score of `mask_report`."""
    pairs = pair_predictions(images, predictor.predict)
    return mask_report(pairs, predictor.config.class_names, threshold).score
