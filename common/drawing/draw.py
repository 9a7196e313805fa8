"""Objects drawn over an image, each in a colour of its own; overview sheets."""

import colorsys
from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from common.masks.instances import Instances

WHITE = (255, 255, 255)
CAPTION_HEIGHT = 18  # pixels
GAP = 4  # between tiles, pixels
MOST_WIDTHS = 8  # largest ratio of a tile's width to its height; flatter images are squeezed
_GOLDEN = 0.618034  # hue step between neighbours, in turns: nearby indices look different


def draw_instances(
    image: np.ndarray, instances: Instances, *, boxes: bool = False, scores: bool = False, alpha: float = 0.0
) -> np.ndarray:
    """Draw objects over an image: a contour one pixel wide, which leaves the object visible, and optionally a fill.

    Args:
        image: (H, W, 3) uint8, RGB; not modified.
        instances: N objects; an earlier one covers a later one.
        boxes: whether to draw their boxes.
        scores: whether to write their scores, in percent.
        alpha: opacity of the fill, 0-1; 0 for none.

    Returns:
        (H, W, 3) uint8.

    Example:
        >>> white = np.full((4, 4, 3), 255, np.uint8)
        >>> one = Instances.from_masks(np.eye(4, dtype=bool)[None])
        >>> bool((draw_instances(white, one) != white).any(axis=2).sum() == 4)
        True
    """
    drawn = image.copy()
    for i in reversed(range(len(instances))):
        y1, x1, y2, x2 = instances.boxes[i].tolist()
        colour, mask = instance_colour(i), instances.masks[i]
        if not mask.size:
            continue
        window = drawn[y1:y2, x1:x2]
        if alpha:
            window[mask] = np.rint((1 - alpha) * window[mask] + alpha * np.array(colour)).astype(np.uint8)
        window[inner_contour(mask)] = colour
        if boxes:
            cv2.rectangle(drawn, (x1, y1), (x2 - 1, y2 - 1), colour, 1)
        if scores:
            text = f"{100 * instances.scores[i]:.0f}"
            cv2.putText(drawn, text, (x1, max(y1 - 2, 8)), cv2.FONT_HERSHEY_SIMPLEX, 0.3, WHITE, 1, cv2.LINE_AA)
    return drawn


def make_overview(
    rows: Iterable[Sequence[np.ndarray]], captions: Sequence[str], *, tile_height: int = 256
) -> np.ndarray:
    """Lay rows of images out on one sheet, a caption above each column.

    Args:
        rows: images (H, W, 3) uint8, one per caption in each row.
        captions: of the columns.
        tile_height: height of every image on the sheet, pixels; the aspect ratio is kept.

    Returns:
        (H, W, 3) uint8.

    Raises:
        ValueError: a row does not have one image per caption.

    Example:
        >>> image = np.zeros((10, 20, 3), np.uint8)
        >>> make_overview([(image, image)], ("input", "truth"), tile_height=50).shape
        (72, 208, 3)
    """
    tiles = [[_scale(image, tile_height) for image in row] for row in rows]
    if any(len(row) != len(captions) for row in tiles):
        raise ValueError(f"every row needs {len(captions)} images, one per caption")
    widths = [max((row[j].shape[1] for row in tiles), default=tile_height) for j in range(len(captions))]
    lefts = np.cumsum([0, *(width + GAP for width in widths)]).tolist()
    step = tile_height + GAP
    sheet = np.zeros((CAPTION_HEIGHT + step * len(tiles), max(lefts[-1], 1), 3), dtype=np.uint8)
    for caption, left in zip(captions, lefts, strict=False):
        cv2.putText(sheet, caption, (left + 3, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, WHITE, 1, cv2.LINE_AA)
    for i, row in enumerate(tiles):
        for tile, left in zip(row, lefts, strict=False):
            top = CAPTION_HEIGHT + step * i
            sheet[top : top + tile_height, left : left + tile.shape[1]] = tile
    return sheet


def instance_colour(index: int) -> tuple[int, int, int]:
    """Return the colour of the object at `index`, RGB 0-255: deterministic, and unlike its neighbours'.

    Example:
        >>> instance_colour(0) != instance_colour(1)
        True
    """
    red, green, blue = colorsys.hsv_to_rgb(index * _GOLDEN % 1, 0.65 + 0.35 * (index % 2), 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def inner_contour(mask: np.ndarray) -> np.ndarray:
    """Return the pixels of a mask (H, W) bool that touch the background or the array's edge.

    Example:
        >>> int(inner_contour(np.ones((3, 3), dtype=bool)).sum())
        8
    """
    if not mask.size:
        return mask
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    inside = cv2.erode(mask.astype(np.uint8), cross, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return mask & (inside == 0)


def _scale(image: np.ndarray, height: int) -> np.ndarray:
    width = min(max(1, round(image.shape[1] * height / image.shape[0])), MOST_WIDTHS * height)
    shrinks = height < image.shape[0]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
