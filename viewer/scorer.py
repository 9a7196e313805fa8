"""Compares all images in the background, and counts what is known so far."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from common.errors import InputError
from common.log import logger
from viewer.matches import Matches, Tally
from viewer.study import Study

UPDATES = 10  # of counts and list while images are compared: each takes a moment, and sorts the list anew


@dataclass(frozen=True, eq=False)
class Entry:
    """What is known of an image.

    Attributes:
        kind: see `Study.kind`.
        num_true: true objects; None if they are not known.
        num_found: predicted objects by submission.
        matches: by submission; empty without ground truth.
        problem: why the image or its objects cannot be read; empty if they can.
    """

    kind: str = ""
    num_true: int | None = None
    num_found: Mapping[str, int] = field(default_factory=dict)
    matches: Mapping[str, Matches] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, eq=False)
class Counts:
    """Objects and scores of those images that are compared, n of them, for one submission.

    Attributes:
        images: (n,) int, their numbers.
        hits: (n,) int.
        false: (n,) int.
        missed: (n,) int.
        scores: (n,) float; NaN for an image that does not count.
    """

    images: np.ndarray
    hits: np.ndarray
    false: np.ndarray
    missed: np.ndarray
    scores: np.ndarray

    @property
    def mean(self) -> float:
        """Mean score of the images that count; NaN if there are none."""
        return float(np.nanmean(self.scores)) if not np.isnan(self.scores).all() else float("nan")


class Scorer:
    """Reads and compares every image once, in a thread of its own.

    Args:
        study: what is shown.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.entries: list[Entry | None] = [None] * len(study.images)
        self.done = 0
        self._tallies: dict[str, tuple[int, np.ndarray, Tally]] = {}
        self._thread = threading.Thread(target=self._run, daemon=True, name="scorer")

    def start(self) -> None:
        """Begin in the background."""
        self._thread.start()

    def finish(self) -> None:
        """Wait until all images are compared."""
        self._thread.join()

    def entry(self, index: int) -> Entry:
        """Return what is known of an image, which is read now if it is not."""
        entry = self.entries[index]
        if entry is None:
            entry = self.entries[index] = self._read(index)
        return entry

    def count(self, name: str, row: int, confidence: float) -> Counts:
        """Count a submission's objects in the images compared so far.

        Args:
            name: of the submission.
            row: position of the IoU in `THRESHOLDS`.
            confidence: lowest score of a prediction that counts.
        """
        images, tally = self._tally(name)
        return Counts(images, *tally.count(row, confidence), tally.image_scores(self.study.rule, confidence))

    def _tally(self, name: str) -> tuple[np.ndarray, Tally]:
        done, total = self.done, len(self.entries)
        kept = self._tallies.get(name)
        if kept is None or not kept[0] or (kept[0] != done and (done == total or done - kept[0] >= total / UPDATES)):
            known = [(index, entry.matches[name]) for index, entry in self._known() if name in entry.matches]
            images = np.array([index for index, _ in known], int)
            kept = self._tallies[name] = (done, images, Tally.of([matches for _, matches in known]))
        return kept[1], kept[2]

    def _known(self) -> list[tuple[int, Entry]]:
        return [(index, entry) for index, entry in enumerate(self.entries) if entry is not None]

    def _run(self) -> None:
        for index in range(len(self.entries)):
            self.entry(index)
            self.done = index + 1

    def _read(self, index: int) -> Entry:
        study = self.study
        try:
            image, truth = study.images.load_image(index), study.load_truth(index)
            found = {name: len(study.load_found(index, name)) for name in study.submissions}
            matches = {name: study.match(index, name, truth) for name in study.submissions} if truth else {}
            return Entry(study.kind(index, image, truth), len(truth[0]) if truth else None, found, matches)
        except InputError as error:
            return Entry(problem=str(error))
        except Exception as error:  # the thread goes on with the other images
            logger.exception(f"{study.images.image_ids[index]}: {error}")
            return Entry(problem=f"{study.images.image_ids[index]}: {type(error).__name__}: {error}")
