"""An image as its file stores it, and what the file says about it."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class StoredImage:
    """An image as its file stores it: neither turned, inverted nor coloured; alpha is left out.

    Attributes:
        pixels: (H, W), or (H, W, C) for C channels, RGB if there are three; of the file's own dtype. Grey of fewer than
            8 bits is spread over 0 to 255; the indices of a palette are as they are.
        palette: (256, 3) uint8, RGB, of the colours that `pixels` are indices of; None: they are no indices.
        min_is_white: whether the lowest value is white and the highest black, in a grey image.
        orientation: 1 to 8, as EXIF and TIFF number them; 1: the first row is at the top, the first column at the left.
        is_lossy: whether the compression may have changed values, as JPEG's does.
    """

    pixels: np.ndarray
    palette: np.ndarray | None = None
    min_is_white: bool = False
    orientation: int = 1
    is_lossy: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width), pixels, as stored."""
        height, width = self.pixels.shape[:2]
        return height, width
