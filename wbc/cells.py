"""From an image's mask to its cells: padding to the image's size, and connected components."""

import cv2
import numpy as np

LARGEST_DIFFERENCE = 8  # pixels, between the heights or widths of mask and image; LISC's masks are 8 smaller


def fit_mask(mask: np.ndarray, image_shape: tuple[int, int]) -> np.ndarray:
    """Pad or crop a mask evenly to its image's size.

    Of an odd difference, the bottom or right side gets the larger part.

    Args:
        mask: (h, w) bool, centred on the image.
        image_shape: (height, width) of the image, pixels.

    Returns:
        (height, width) bool.

    Raises:
        ValueError: the sizes differ by more than `LARGEST_DIFFERENCE`.

    Example:
        >>> fit_mask(np.ones((1, 4), bool), (3, 2)).astype(int).tolist()
        [[0, 0], [1, 1], [0, 0]]
    """
    differences = [side - own for side, own in zip(image_shape, mask.shape, strict=True)]
    if max(map(abs, differences)) > LARGEST_DIFFERENCE:
        raise ValueError(
            f"a mask of {mask.shape[0]} x {mask.shape[1]} pixels for an image of {image_shape[0]} x {image_shape[1]}"
        )
    pads = [(max(d, 0) // 2, max(d, 0) - max(d, 0) // 2) for d in differences]
    tops = [max(-d, 0) // 2 for d in differences]
    padded = np.pad(mask, pads)
    return padded[tops[0] : tops[0] + image_shape[0], tops[1] : tops[1] + image_shape[1]]


def label_cells(mask: np.ndarray) -> np.ndarray:
    """Label the cells of a mask: connected components, with diagonal neighbours.

    Args:
        mask: (H, W) bool.

    Returns:
        (H, W) int32, 0 = background, labels 1 to N.

    Example:
        >>> label_cells(np.array([[1, 0, 0, 1], [0, 1, 0, 1]], bool)).tolist()
        [[1, 0, 0, 2], [0, 1, 0, 2]]
    """
    return cv2.connectedComponents(mask.view(np.uint8), connectivity=8)[1]
