"""Generated images of squares, circles and triangles in random colours."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from common.masks.boxes import box_ious
from common.masks.instances import Instances
from common.masks.layers import unpack_layers
from common.masks.polygons import fill_polygon

MARGIN = 20  # pixels: centres stay so far from the border, and no shape is smaller
MOST_SHAPES = 4
COVERED = 0.3  # a shape whose box overlaps that of a later one by more is left out


@dataclass(frozen=True)
class Shape:
    """One shape.

    Attributes:
        class_id: 1 square, 2 circle, 3 triangle.
        y: row of its centre, pixels.
        x: column of its centre, pixels.
        size: from the centre to its upper end, pixels.
        colour: RGB, 0-255.
    """

    class_id: int
    y: int
    x: int
    size: int
    colour: tuple[int, ...]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The box of twice its size around its centre, y1, x1, y2, x2, pixels."""
        return self.y - self.size, self.x - self.size, self.y + self.size, self.x + self.size


@dataclass(frozen=True)
class ShapesSet:
    """N generated images; each depends on the seed, the part and its number alone.

    Attributes:
        count: N.
        side: of the images, pixels.
        seed: of all images.
        part: "training" and "validation" have no image in common.
    """

    count: int
    side: int
    seed: int
    part: str = "training"

    def __len__(self) -> int:
        """Return the number of images."""
        return self.count

    @cached_property
    def image_ids(self) -> list[str]:
        """The images' names."""
        return [f"{self.part}-{index:05}" for index in range(self.count)]

    @property
    def sizes(self) -> np.ndarray:
        """(N, 2) int, height and width."""
        return np.full((self.count, 2), self.side)

    def signature(self) -> str:
        """Return a text that changes when the images change."""
        return repr(self)

    def load_image(self, index: int) -> np.ndarray:
        """Return an image, (H, W, 3) uint8."""
        shapes, background = self._plan(index)
        image = np.full((self.side, self.side, 3), background, np.uint8)
        for shape in shapes:
            image[draw(shape, self.side)] = shape.colour
        return image

    def load_label_layers(self, index: int) -> list[np.ndarray]:
        """Return its shapes as one label image: a later shape hides what it covers."""
        label_image = np.zeros((self.side, self.side), np.int32)
        for label, shape in enumerate(self._plan(index)[0], start=1):
            label_image[draw(shape, self.side)] = label
        return [label_image]

    def load_class_ids(self, index: int) -> np.ndarray:
        """Return the classes of its shapes, (count,) int32."""
        return np.array([shape.class_id for shape in self._plan(index)[0]], np.int32)

    def load_instances(self, index: int) -> Instances:
        """Return its shapes, as far as they are seen."""
        return unpack_layers(self.load_label_layers(index), self.load_class_ids(index))

    def _plan(self, index: int) -> tuple[list[Shape], np.ndarray]:
        rng = np.random.default_rng([self.seed, *self.part.encode(), index])
        return plan_shapes(rng, self.side), rng.integers(0, 256, 3)


def plan_shapes(rng: np.random.Generator, side: int) -> list[Shape]:
    """Draw one to four shapes, in the order in which they are painted, without those that later ones cover.

    Args:
        rng: source of number, classes, colours, places and sizes.
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
