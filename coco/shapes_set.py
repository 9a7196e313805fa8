"""Generated images of squares, circles and triangles in random colours."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.images.image_set import ImageSet, Source
from common.masks.boxes import box_ious
from common.masks.polygons import fill_polygon

MARGIN = 20  # pixels, least distance of a centre from the border, and least size of a shape
MOST_SHAPES = 4
COVERED = 0.3  # a shape whose box has a higher IoU with that of a later one is left out


@dataclass(frozen=True)
class Shape:
    """One shape.

    Attributes:
        class_id: 1 square, 2 circle, 3 triangle.
        y: row of its centre, pixels.
        x: column of its centre, pixels.
        size: distance from the centre to the top, pixels.
        colour: RGB, 0-255.
    """

    class_id: int
    y: int
    x: int
    size: int
    colour: tuple[int, ...]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The square around its centre with sides of twice its size, y1, x1, y2, x2, pixels."""
        return self.y - self.size, self.x - self.size, self.y + self.size, self.x + self.size


@dataclass(frozen=True)
class GeneratedShapes(Source):
    """An endless set of generated images; each depends only on the seed, the part and its number.

    Attributes:
        side: of the images, pixels.
        seed: of all images.
        part: "training" and "validation" share no image.
    """

    side: int
    seed: int
    part: str = "training"

    @property
    def path(self) -> Path:
        """The current folder: there are no files."""
        return Path()

    def image_name(self, row: int) -> str:
        """Return an empty name: there are no files."""
        return ""

    def signature(self, rows: np.ndarray) -> str:
        """Return a text that changes when these images change."""
        return f"{self} {rows.tolist()}"

    def load_image(self, row: int) -> np.ndarray:
        """Return an image, (H, W, 3) uint8."""
        shapes, background = self.plan(row)
        image = np.full((self.side, self.side, 3), background, np.uint8)
        for shape in shapes:
            image[draw(shape, self.side)] = shape.colour
        return image

    def load_label_layers(self, row: int) -> list[np.ndarray]:
        """Return its shapes as one label image: a later shape hides what it covers."""
        label_image = np.zeros((self.side, self.side), np.int32)
        for label, shape in enumerate(self.plan(row)[0], start=1):
            label_image[draw(shape, self.side)] = label
        return [label_image]

    def load_class_ids(self, row: int) -> np.ndarray:
        """Return the classes of its shapes, (count,) int32."""
        return np.array([shape.class_id for shape in self.plan(row)[0]], np.int32)

    def plan(self, row: int) -> tuple[list[Shape], np.ndarray]:
        """Return an image's shapes in painting order, and the background's colour, (3,) int."""
        rng = np.random.default_rng([self.seed, *self.part.encode(), row])
        return plan_shapes(rng, self.side), rng.integers(0, 256, 3)


def generate_shapes(count: int, side: int, seed: int, part: str = "training") -> ImageSet[GeneratedShapes]:
    """Return a set of generated images, drawn on demand.

    Args:
        count: number of images, N.
        side: of the images, pixels.
        seed: of all images.
        part: "training" and "validation" share no image.

    Example:
        >>> generate_shapes(2, 128, 7).image_ids
        ['training-00000', 'training-00001']
    """
    image_ids = [f"{part}-{row:05}" for row in range(count)]
    return ImageSet.of_all(GeneratedShapes(side, seed, part), image_ids, np.full((count, 2), side))


def plan_shapes(rng: np.random.Generator, side: int) -> list[Shape]:
    """Draw one to four shapes, in painting order, without those that later ones cover.

    Args:
        rng: draws number, classes, colours, positions and sizes.
        side: of the image, pixels.

    Source: the Mask R-CNN library's shapes sample.
    """
    shapes = [
        Shape(
            class_id=int(rng.integers(1, 4)),
            colour=tuple(rng.integers(0, 256, 3).tolist()),
            y=int(rng.integers(MARGIN, side - MARGIN)),
            x=int(rng.integers(MARGIN, side - MARGIN)),
            size=int(rng.integers(MARGIN, side // 4 + 1)),
        )
        for _ in range(rng.integers(1, MOST_SHAPES + 1))
    ]
    kept: list[Shape] = []
    for shape in reversed(shapes):
        later = np.array([other.box for other in kept]).reshape(-1, 4)
        if box_ious(np.array([shape.box]), later).max(initial=0) <= COVERED:
            kept.append(shape)
    return kept[::-1]


def draw(shape: Shape, side: int) -> np.ndarray:
    """Return the pixels of a shape in an image, (side, side) bool."""
    y1, x1, y2, x2 = shape.box
    if shape.class_id == 1:
        mask = np.zeros((side, side), bool)
        mask[max(y1, 0) : y2 + 1, max(x1, 0) : x2 + 1] = True
        return mask
    if shape.class_id == 2:
        y, x = np.ogrid[:side, :side]
        return (y - shape.y) ** 2 + (x - shape.x) ** 2 <= shape.size**2
    half_base = shape.size / np.sin(np.pi / 3)
    corners = np.array([[y1, shape.x], [y2, shape.x - half_base], [y2, shape.x + half_base]])
    return fill_polygon(corners + 0.5, (side, side))
