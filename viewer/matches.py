"""Which predictions hit which true objects, kept as small tables, so that other thresholds need no image again."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from common.scoring.comparison import Comparison
from common.scoring.matching import ANY_AREA, find_pairs, take_greedily

THRESHOLDS = np.arange(1, 20) / 20  # of IoU, all that can be chosen: 0.05, 0.10 ... 0.95
HIT, FALSE, IGNORED = 1, 0, -1


@dataclass(frozen=True)
class Rule:
    """How a competition scores an image.

    Attributes:
        text: says it to the reader.
        thresholds: of IoU, a part of `THRESHOLDS`, over which tp / (tp + fp + fn) is averaged.
        strict: a hit needs an IoU above the threshold, rather than at least it.
        empty: score of an image where there is nothing to find and nothing is predicted; NaN: it does not count.
        dice: the score is the Dice coefficient instead, of the one object that each image has.
    """

    text: str
    thresholds: Sequence[float] = tuple(THRESHOLDS[9:].tolist())
    strict: bool = False
    empty: float = 1.0
    dice: bool = False

    @property
    def rows(self) -> np.ndarray:
        """Positions of its thresholds in `THRESHOLDS`."""
        return np.array([nearest_threshold(threshold) for threshold in self.thresholds])


DSB_RULE = Rule("mean of tp / (tp + fp + fn) over IoU above 0.50, 0.55 ... 0.95", strict=True)
RULES: Mapping[str, Rule] = {
    "dsb": DSB_RULE,
    "rsna": Rule(
        "mean of tp / (tp + fp + fn) over IoU above 0.40, 0.45 ... 0.75; images without any box do not count",
        tuple(THRESHOLDS[7:15].tolist()),
        strict=True,
        empty=float("nan"),
    ),
    "lung": Rule("Dice coefficient", dice=True),
}
USUAL_RULE = Rule("mean of tp / (tp + fp + fn) over IoU of at least 0.50, 0.55 ... 0.95, within each class")


@dataclass(frozen=True, eq=False)
class Matches:
    """The N true and M predicted objects of an image, compared once for all thresholds.

    In descending order of score, each prediction takes the free true object of its class with the highest IoU. What a
    prediction takes does not depend on those with a lower score, so a limit on the score leaves the others as they are.

    Attributes:
        scores: (M,) float32, of the predictions.
        taken: (K, M) int32, the true object that each takes at each of `THRESHOLDS`; -1 for none.
        best: (M,) int32, the true object with the highest IoU, whatever its class; -1 for none.
        ious: (M,) float32, that IoU.
        best_of_true: (N,) int32, the prediction with the highest IoU; -1 for none.
        ious_of_true: (N,) float32, that IoU.
        crowd: (N,) bool, true regions of many objects, which count neither as found nor as missed.
        is_missing: whether the submission has no row for the image, which then scores 0.
    """

    scores: np.ndarray
    taken: np.ndarray
    best: np.ndarray
    ious: np.ndarray
    best_of_true: np.ndarray
    ious_of_true: np.ndarray
    crowd: np.ndarray
    is_missing: bool = False

    @classmethod
    def of(cls, comparison: Comparison, *, strict: bool, is_missing: bool = False) -> "Matches":
        """Match the predictions of an image.

        Args:
            comparison: of its objects.
            strict: see `Rule`.
            is_missing: see `Matches`.
        """
        thresholds = np.nextafter(THRESHOLDS, 2) if strict else THRESHOLDS
        pairs = find_pairs(comparison, float(thresholds[0]), ANY_AREA)
        best, ious = _best(comparison.ious.T)
        best_of_true, ious_of_true = _best(comparison.ious)
        taken = take_greedily(pairs, thresholds).astype(np.int32)
        scores = comparison.scores.astype(np.float32)
        return cls(scores, taken, best, ious, best_of_true, ious_of_true, comparison.crowd, is_missing)

    @functools.cached_property
    def outcomes(self) -> np.ndarray:
        """(K, M) int8, `HIT`, `FALSE` or `IGNORED`."""
        crowd = np.append(self.crowd, False)[self.taken]
        return np.where(crowd, IGNORED, np.where(self.taken >= 0, HIT, FALSE)).astype(np.int8)

    def found(self, row: int, confidence: float) -> np.ndarray:
        """Return which true objects are hit, (N,) bool, at `THRESHOLDS[row]` by scores of at least `confidence`."""
        found = np.zeros(len(self.crowd), bool)
        taken = self.taken[row, self.scores >= confidence]
        found[taken[taken >= 0]] = True
        return found


@dataclass(frozen=True, eq=False)
class Tally:
    """The outcomes of all predictions of n images, in one row.

    Attributes:
        images: (P,) int, the image of each prediction, 0 to n - 1.
        scores: (P,) float32.
        outcomes: (K, P) int8, see `Matches`.
        ious: (P,) float32, highest IoU with a true object.
        num_true: (n,) int, true objects that count.
        missing: (n,) bool, images that the submission has no row for.
    """

    images: np.ndarray
    scores: np.ndarray
    outcomes: np.ndarray
    ious: np.ndarray
    num_true: np.ndarray
    missing: np.ndarray

    @classmethod
    def of(cls, matches: Sequence[Matches]) -> "Tally":
        """Join the matches of n images."""
        images = np.repeat(np.arange(len(matches)), [len(one.scores) for one in matches])
        outcomes = [np.zeros((len(THRESHOLDS), 0), np.int8), *(one.outcomes for one in matches)]
        nothing = [np.zeros(0, np.float32)]
        return cls(
            images,
            np.concatenate(nothing + [one.scores for one in matches]),
            np.concatenate(outcomes, axis=1),
            np.concatenate(nothing + [one.ious for one in matches]),
            np.array([np.count_nonzero(~one.crowd) for one in matches], int),
            np.array([one.is_missing for one in matches], bool),
        )

    def count(self, row: int, confidence: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return hits, false and missed objects of each image, (n,) int each.

        Args:
            row: position of the IoU in `THRESHOLDS`.
            confidence: lowest score of a prediction that counts.
        """
        kept = self.scores >= confidence
        hits, false = (
            np.bincount(self.images[kept & (self.outcomes[row] == outcome)], minlength=len(self.num_true))
            for outcome in (HIT, FALSE)
        )
        return hits, false, self.num_true - hits

    def image_scores(self, rule: Rule, confidence: float) -> np.ndarray:
        """Return the score of each image, (n,) float64; NaN for one that does not count."""
        scores = self._scores_of_rows(rule, confidence)
        return np.where(self.missing & ~np.isnan(scores), 0.0, scores)

    def _scores_of_rows(self, rule: Rule, confidence: float) -> np.ndarray:
        if rule.dice:
            kept = self.scores >= confidence
            best = np.zeros(len(self.num_true))
            np.maximum.at(best, self.images[kept], self.ious[kept])
            nothing = (self.num_true == 0) & (np.bincount(self.images[kept], minlength=len(best)) == 0)
            return np.where(nothing, rule.empty, 2 * best / (1 + best))
        parts = []
        for row in rule.rows:
            hits, false, missed = self.count(row, confidence)
            either = hits + false + missed
            parts.append(np.divide(hits, either, out=np.full(len(hits), rule.empty), where=either > 0))
        return np.mean(parts, axis=0)


def nearest_threshold(value: float) -> int:
    """Return the position in `THRESHOLDS` of the value nearest to this one.

    Example:
        >>> nearest_threshold(0.5)
        9
    """
    return int(np.abs(THRESHOLDS - value).argmin())


def _best(ious: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the column of each row's highest value, (N,) int32, -1 where that is 0, and the value, (N,) float32."""
    if not ious.shape[1]:
        return np.full(len(ious), -1, np.int32), np.zeros(len(ious), np.float32)
    highest = ious.max(axis=1)
    return np.where(highest > 0, ious.argmax(axis=1), -1).astype(np.int32), highest.astype(np.float32)
