"""What an image of cells is: fluorescence, brightfield or stained tissue, told by its colours."""

import numpy as np

COLOURED = 5  # mean spread of a pixel's channels from which on an image is stained, 0-255; grey ones have 0
BRIGHT = 128  # median value from which on a grey image has a bright background


def find_modality(image: np.ndarray) -> str:
    """Return "stained" for an image with colours, else "brightfield" or "fluorescence" by its background.

    In stage1_train that are 107, 16 and 541 images, all far from the limits.

    Args:
        image: (H, W, 3) uint8, RGB.

    Example:
        >>> find_modality(np.full((4, 4, 3), 230, np.uint8))
        'brightfield'
    """
    part = image[::2, ::2].astype(np.int16)
    if (part.max(axis=2) - part.min(axis=2)).mean() >= COLOURED:
        return "stained"
    return "brightfield" if np.median(part) >= BRIGHT else "fluorescence"
