"""The connected parts of a mask."""

import cv2
import numpy as np


def largest_components(mask: np.ndarray, count: int) -> np.ndarray:
    """Keep only the largest connected parts of a mask; pixels that touch at a corner are connected.

    Args:
        mask: (H, W) bool.
        count: parts to keep, at least 0; of equally large ones, those whose first row comes first.

    Returns:
        (H, W) bool.

    Example:
        >>> largest_components(np.array([[1, 0, 1, 1, 0, 1, 1]], bool), 2).astype(int).tolist()
        [[0, 0, 1, 1, 0, 1, 1]]
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]  # without the background
    kept = np.zeros(len(areas) + 1, bool)
    kept[1 + np.argsort(-areas, kind="stable")[:count]] = True
    return kept[labels]
