"""A mask beside its image: the image, the truth, the prediction, and both laid over the image."""

from collections.abc import Sequence

import cv2
import numpy as np

from common.drawing.contours import GREEN, ORANGE, YELLOW
from common.drawing.draw import inner_contour, make_overview
from common.masks.resize import resize_image, resize_mask

PANEL_HEIGHT = 384  # pixels
_TINT = 0.35  # of pixels on which the masks differ


def mask_panels(image: np.ndarray, predicted: np.ndarray, true: np.ndarray | None = None) -> list[np.ndarray]:
    """Return the panels of an image, scaled to `PANEL_HEIGHT` so that contours are visible.

    The last one is the image with the contours of the truth in green and of the prediction in yellow, and with the
    pixels in orange on which they differ.

    Args:
        image: (H, W, 3) uint8, RGB.
        predicted: (H, W) bool.
        true: (H, W) bool, if known.

    Returns:
        Three panels, or four with the truth, each (h, w, 3) uint8.
    """
    height, width = image.shape[:2]
    shape = PANEL_HEIGHT, max(1, round(width * PANEL_HEIGHT / height))
    image, predicted = resize_image(image, shape), resize_mask(predicted, shape)
    masks = [predicted] if true is None else [resize_mask(true, shape), predicted]
    drawn = image.copy()
    differs = masks[0] ^ masks[-1]
    drawn[differs] = np.rint((1 - _TINT) * drawn[differs] + _TINT * np.array(ORANGE)).astype(np.uint8)
    for mask, colour in zip(masks, (GREEN, YELLOW)[-len(masks) :], strict=True):
        drawn[inner_contour(mask)] = colour
    return [image, *(cv2.cvtColor(mask.view(np.uint8) * np.uint8(255), cv2.COLOR_GRAY2RGB) for mask in masks), drawn]


def panel_sheet(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Lay out the panels of several images, all with the truth or all without, a row each, with captions.

    Returns:
        (H, W, 3) uint8.
    """
    truth = len(rows[0]) == 4
    captions = ("image", "truth", "prediction", "green: truth, yellow: prediction")
    return make_overview(rows, captions if truth else ("image", "prediction", "both"), tile_height=PANEL_HEIGHT)
