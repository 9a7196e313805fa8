"""Contours for reports: readable on dark and bright images and by the colour-blind, neighbours told apart."""

from collections.abc import Sequence

import cv2
import numpy as np

from common.masks.boxes import touching_pairs
from common.masks.instances import Instances
from common.masks.resize import resize_image
from common.scoring.comparison import compare_masks

Colour = tuple[int, int, int]

# The bright ones of Okabe and Ito's colours, which the colour-blind tell apart; a black rim keeps them off white.
ORANGE, SKY, YELLOW, PINK, GREEN = (230, 159, 0), (86, 180, 233), (240, 228, 66), (204, 121, 167), (0, 190, 140)
PALETTE: tuple[Colour, ...] = (ORANGE, SKY, YELLOW, PINK, GREEN)
NEAR = 2  # pixels between boxes of neighbours
_BITS = 3  # of a fraction of a pixel


def draw_contours(
    image: np.ndarray,
    instances: Instances,
    *,
    height: int | None = None,
    colours: Sequence[Colour] | None = None,
    line: int = 1,
    rim: int = 1,
) -> np.ndarray:
    """Draw the contours of objects, rimmed in black, on an image scaled for the eye.

    Args:
        image: (H, W, 3) uint8, RGB; not modified.
        instances: N objects inside the image.
        height: of the result, pixels; its width keeps the aspect ratio. None: the image's own.
        colours: of the N objects; by default `tell_apart`.
        line: width of the coloured line, pixels of the result.
        rim: width of the black line on either side of it, pixels of the result.

    Returns:
        (height, width, 3) uint8.

    Example:
        >>> square = Instances.from_crops(np.array([[1, 1, 3, 3]]), [np.ones((2, 2))])
        >>> draw_contours(np.full((5, 5, 3), 255, np.uint8), square, colours=[(9, 9, 9)])[1, 1].tolist()
        [9, 9, 9]
    """
    scale = 1.0 if height is None else height / image.shape[0]
    shape = (max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale)))
    drawn = resize_image(image, shape).copy()
    lines = [_outlines(*one, scale) for one in zip(instances.masks, instances.boxes.tolist(), strict=True)]
    colours = tell_apart(instances.boxes) if colours is None else colours
    for of_object in lines if rim else ():
        cv2.polylines(drawn, of_object, True, (0, 0, 0), line + 2 * rim, cv2.LINE_AA, _BITS)
    for of_object, colour in zip(lines, colours, strict=True):
        # A smooth line of one pixel would be a faint one.
        cv2.polylines(drawn, of_object, True, colour, line, cv2.LINE_8 if line == 1 else cv2.LINE_AA, _BITS)
    return drawn


def draw_comparison(
    image: np.ndarray, true: Instances, predicted: Instances, *, threshold: float = 0.5, height: int | None = None
) -> np.ndarray:
    """Draw contours: the truth green, predictions that match an object yellow, others orange.

    Args:
        image: (H, W, 3) uint8, RGB; not modified.
        true: the true objects.
        predicted: the predicted objects, drawn over the true ones.
        threshold: a prediction matches an object at an IoU above this, 0-1.
        height: see `draw_contours`; at the image's own, contours have no rim, which would hide small objects.

    Returns:
        (height, width, 3) uint8.
    """
    met = compare_masks(true, predicted).ious.max(axis=0, initial=0) > threshold
    colours = [GREEN] * len(true) + [YELLOW if meets else ORANGE for meets in met]
    both = Instances.from_crops(np.concatenate([true.boxes, predicted.boxes]), [*true.masks, *predicted.masks])
    return draw_contours(image, both, height=height, colours=colours, rim=0 if height is None else 1)


def tell_apart(boxes: np.ndarray) -> list[Colour]:
    """Return a colour of `PALETTE` for each object, unlike those of its neighbours as far as the palette reaches.

    Args:
        boxes: (N, 4) int, y1, x1, y2, x2, pixels.

    Example:
        >>> first, second = tell_apart(np.array([[0, 0, 2, 2], [0, 3, 2, 5]]))
        >>> first != second
        True
    """
    grown = np.asarray(boxes) + np.array([-NEAR, -NEAR, NEAR, NEAR])
    neighbours: list[list[int]] = [[] for _ in range(len(grown))]
    for first, second in zip(*(side.tolist() for side in touching_pairs(grown)), strict=True):
        neighbours[second].append(first)  # the lower index, whose colour is known by then
    chosen: list[int] = []
    for index in range(len(grown)):
        taken = {chosen[other] for other in neighbours[index]}
        wheel = [(index + turn) % len(PALETTE) for turn in range(len(PALETTE))]
        chosen.append(next((number for number in wheel if number not in taken), wheel[0]))
    return [PALETTE[number] for number in chosen]


def _outlines(mask: np.ndarray, box: Sequence[int], scale: float) -> list[np.ndarray]:
    """Return the outer and inner outlines of a mask crop as (K, 1, 2) int32, x and y in fractions of a pixel."""
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    corner = np.array([box[1], box[0]])
    return [np.rint(((points + corner + 0.5) * scale - 0.5) * 2**_BITS).astype(np.int32) for points in found]
