"""What a run looks at between epochs besides its losses, and how often."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Watch:
    """What is asked of the current weights.

    Attributes:
        score: scores them, higher is better.
        draw: yields held-out images with what they find there: a name and (H, W, 3) uint8. Called in the epochs that
            are scored, as a network that detects for the first time compiles for seconds.
    """

    score: Callable[[], float] | None = None
    draw: Callable[[], Iterable[tuple[str, np.ndarray]]] | None = None


NOTHING = Watch()


def is_due(epoch: int, every: int, epochs: int) -> bool:
    """Return whether something that is done every few epochs, and after the last, is done after this one.

    Args:
        epoch: number of epochs done.
        every: epochs between; 0: never.
        epochs: of the whole run.

    Example:
        >>> [epoch for epoch in range(1, 8) if is_due(epoch, 3, 7)]
        [3, 6, 7]
    """
    return every > 0 and (epoch % every == 0 or epoch == epochs)
