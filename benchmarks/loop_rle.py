"""The RLE loop of Kaggle kernels: the other side of two benchmarks."""

from typing import Any

import numpy as np


def loop_rle(mask: np.ndarray) -> str:
    """Encode a whole mask (H, W) as run lengths, pixel by pixel."""
    runs: list[Any] = []
    previous: Any = -2
    for pixel in np.flatnonzero(mask.T.flatten() == 1):
        if pixel > previous + 1:
            runs += (pixel + 1, 0)
        runs[-1] += 1
        previous = pixel
    return " ".join(str(number) for number in runs)
