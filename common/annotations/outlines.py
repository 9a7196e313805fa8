"""What is odd about the outlines of a set, told once, with a number and an example."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from common.log import logger

Box: TypeAlias = tuple[float, float, float, float]
SLACK = 1.0  # pixels that an outline may reach beyond its image: tools round


@dataclass(frozen=True, slots=True)
class Outline:
    """An object's outline.

    Attributes:
        where: which one it is, for messages.
        box: around it, y1, x1, y2, x2, pixels; None if it has no area.
        image_shape: (height, width), pixels.
        key: equal for two outlines of equal content and class in one image.
    """

    where: str
    box: Box | None
    image_shape: tuple[int, int]
    key: Hashable


def polygon_outline(
    where: str, polygons: Sequence[np.ndarray], image_shape: tuple[int, int], image: Hashable
) -> Outline:
    """Return the outline of an object given as polygons.

    Args:
        where: see `Outline`.
        polygons: (K, 2) float64 each, y and x, pixels.
        image_shape: (height, width), pixels.
        image: tells images, and classes in them, apart.
    """
    spread = [polygon for polygon in polygons if _area(polygon) > 0]
    corners = np.concatenate([np.zeros((0, 2)), *spread])
    box = (*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()) if spread else None
    return Outline(where, box, image_shape, (image, *(polygon.tobytes() for polygon in polygons)))


def report_outlines(outlines: Iterable[Outline], source: str) -> None:
    """Warn of outlines without a pixel, of those that leave their images, and of those that are drawn twice.

    Args:
        outlines: of all objects.
        source: the file, for messages.
    """
    found: dict[str, list[str]] = defaultdict(list)
    known = set()
    for outline in outlines:
        problem = _place(outline) or (_TWICE if outline.key in known else "")
        known.add(outline.key)
        if problem:
            found[problem].append(outline.where)
    for problem, places in found.items():
        logger.warning(f"warning: {source}: {problem}: {len(places)}, such as {places[0]}")


_TWICE = "outlines drawn twice; remove one"
_NOWHERE = "outlines without a pixel in their images, so that nothing is learnt of them; redraw or remove them"
_BEYOND = (
    "outlines that leave their images, and are cut at the border; check that they were drawn on images of this size"
)


def _area(polygon: np.ndarray) -> float:
    y, x = polygon.T
    return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2


def touches_image(box: Box | None, image_shape: tuple[int, int]) -> bool:
    """Return whether an outline can have a pixel in its image.

    Args:
        box: see `Outline`.
        image_shape: (height, width), pixels.
    """
    if box is None:
        return False
    y1, x1, y2, x2 = box
    return y2 > 0 and x2 > 0 and y1 < image_shape[0] and x1 < image_shape[1]


def _place(outline: Outline) -> str:
    if outline.box is None or not touches_image(outline.box, outline.image_shape):
        return _NOWHERE
    (y1, x1, y2, x2), (height, width) = outline.box, outline.image_shape
    return _BEYOND if min(y1, x1, height - y2, width - x2) < -SLACK else ""
