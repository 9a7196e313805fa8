"""Scores of lungs: Dice, Jaccard index and pixel accuracy by radiograph, and their means."""

from collections.abc import Iterable, Mapping

import numpy as np

from common.masks.instances import Instances
from common.scoring.dice import MaskScore, score_mask
from common.scoring.evaluation import Pair, Report

NUM_WORST = 10  # in the printed table


def paint(instances: Instances, image_shape: tuple[int, int]) -> np.ndarray:
    """Return the union of objects as a mask, (H, W) bool."""
    mask = np.zeros(image_shape, bool)
    for (y1, x1, y2, x2), part in zip(instances.boxes.tolist(), instances.masks, strict=True):
        mask[y1:y2, x1:x2] |= part
    return mask


def score_pairs(pairs: Iterable[Pair]) -> dict[str, MaskScore]:
    """Return the scores of each radiograph by its id, the worst Dice first."""
    scores = {
        pair.image_id: score_mask(*(paint(one, pair.image_shape) for one in (pair.true, pair.predicted)))
        for pair in pairs
    }
    return dict(sorted(scores.items(), key=lambda item: item[1].dice))


def score_report(scores: Mapping[str, MaskScore]) -> Report:
    """Return the mean Dice, and a table of the worst radiographs and the means."""
    lines = [f"{'worst':>24}    dice  jaccard  accuracy"]
    lines += [_line(image_id, score) for image_id, score in list(scores.items())[:NUM_WORST]]
    means = MaskScore(*np.mean([(one.dice, one.jaccard, one.accuracy) for one in scores.values()], axis=0).tolist())
    lines += [_line("mean", means), f"mean Dice {means.dice:.4f} over {len(scores)} radiographs"]
    return Report(means.dice, "\n".join(lines))


def _line(name: str, score: MaskScore) -> str:
    return f"{name:>24}  {score.dice:.4f}   {score.jaccard:.4f}    {score.accuracy:.4f}"
