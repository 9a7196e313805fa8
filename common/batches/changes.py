"""Composable random augmentations for images with a fixed orientation.

A change takes an image, (H, W, 3) uint8, its label layers, (H, W) int32 each, and a generator, and returns new ones of
the same shapes and dtypes. Images are interpolated bilinearly, labels by nearest neighbour; pixels from outside are 0.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

Changed: TypeAlias = tuple[np.ndarray, list[np.ndarray]]
Change: TypeAlias = Callable[[np.ndarray, Sequence[np.ndarray], np.random.Generator], Changed]

GRID = 4  # points per side of the grid that `Displace` moves
_SHARPEN = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], np.float32)


@dataclass(frozen=True)
class Flip:
    """Flips with a probability of `share`, along an axis: 1 is left-right, 0 up-down."""

    share: float = 0.5
    axis: int = 1

    def __call__(self, image: np.ndarray, layers: Sequence[np.ndarray], rng: np.random.Generator) -> Changed:
        """Flip, or leave unchanged."""
        if rng.random() >= self.share:
            return image, list(layers)
        return cv2.flip(image, self.axis), [cv2.flip(layer, self.axis) for layer in layers]


@dataclass(frozen=True)
class Affine:
    """Scales, shears, rotates and shifts about the centre.

    Attributes:
        scale: largest difference of the factor on both axes from 1.
        shift_y: largest shift either way, share of the height.
        shift_x: likewise, of the width.
        rotation: largest angle either way, degrees.
        shear: largest angle either way by which verticals lean, degrees.
    """

    scale: float = 0.0
    shift_y: float = 0.0
    shift_x: float = 0.0
    rotation: float = 0.0
    shear: float = 0.0

    def __call__(self, image: np.ndarray, layers: Sequence[np.ndarray], rng: np.random.Generator) -> Changed:
        """Draw the matrix, and warp."""
        height, width = image.shape[:2]
        matrix = self.draw_matrix((height, width), rng)
        labels = [cv2.warpAffine(layer, matrix, (width, height), flags=cv2.INTER_NEAREST) for layer in layers]
        return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR), labels

    def draw_matrix(self, image_shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Return the matrix, (2, 3) float64, from x, y to x, y.

        Args:
            image_shape: (height, width), pixels.
            rng: source of scale, rotation, shear, and the shifts along y and x, drawn in this order.
        """
        limits = np.array([self.scale, self.rotation, self.shear, self.shift_y, self.shift_x])
        scale, rotation, shear, shift_y, shift_x = rng.uniform(-limits, limits)
        angle, lean = np.deg2rad([rotation, shear])
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])  # counter-clockwise
        linear = (1 + scale) * turn @ np.array([[1, np.tan(lean)], [0, 1]])
        size = np.array(image_shape[::-1])
        centre = (size - 1) / 2
        return np.column_stack([linear, centre - linear @ centre + [shift_x, shift_y] * size])


@dataclass(frozen=True)
class Displace:
    """Moves the points of a coarse grid, and all pixels between them accordingly, as breathing does to a chest.

    Attributes:
        least: smallest standard deviation of the points' shifts, share of height and width.
        most: largest.
    """

    least: float
    most: float

    def __call__(self, image: np.ndarray, layers: Sequence[np.ndarray], rng: np.random.Generator) -> Changed:
        """Draw the shifts, and sample every pixel at its source."""
        height, width = image.shape[:2]
        shifts = rng.normal(0, rng.uniform(self.least, self.most), (GRID, GRID, 2)) * [width, height]
        smooth = cv2.resize(shifts.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
        x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        x, y = x + smooth[..., 0], y + smooth[..., 1]
        rows, columns = np.rint(y).astype(int), np.rint(x).astype(int)
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        rows, columns = rows.clip(0, height - 1), columns.clip(0, width - 1)
        labels = [np.where(inside, layer[rows, columns], layer.dtype.type(0)) for layer in layers]
        return cv2.remap(image, x, y, cv2.INTER_LINEAR), labels


@dataclass(frozen=True)
class Brighten:
    """Multiplies the values by a factor that differs from 1 by at most `most`."""

    most: float

    def __call__(self, image: np.ndarray, layers: Sequence[np.ndarray], rng: np.random.Generator) -> Changed:
        """Multiply, and clip at 255."""
        return _scale_values(image, rng.uniform(1 - self.most, 1 + self.most), 0.0), list(layers)


@dataclass(frozen=True)
class Contrast:
    """Multiplies the values' distances from middle grey by a factor that differs from 1 by at most `most`."""

    most: float

    def __call__(self, image: np.ndarray, layers: Sequence[np.ndarray], rng: np.random.Generator) -> Changed:
        """Stretch or compress, and clip to 0-255."""
        return _scale_values(image, rng.uniform(1 - self.most, 1 + self.most), 127.5), list(layers)


@dataclass(frozen=True)
class Sharpen:
    """Adds up to `most` times a pixel's difference from its eight neighbours."""

    most: float

    def __call__(self, image: np.ndarray, layers: Sequence[np.ndarray], rng: np.random.Generator) -> Changed:
        """Add, and clip to 0-255."""
        kernel = rng.uniform(0, self.most) * _SHARPEN
        kernel[1, 1] += 1
        return cv2.filter2D(image, -1, kernel), list(layers)


@dataclass(frozen=True)
class SomeOf:
    """Applies `least` to `most` of several changes, all numbers equally likely, in random order."""

    changes: Sequence[Change]
    least: int
    most: int

    def __call__(self, image: np.ndarray, layers: Sequence[np.ndarray], rng: np.random.Generator) -> Changed:
        """Draw the changes, and apply them in turn."""
        count = int(rng.integers(self.least, self.most + 1))
        changed = image, list(layers)
        for i in rng.permutation(len(self.changes))[:count].tolist():
            changed = self.changes[i](*changed, rng)
        return changed


@dataclass(frozen=True)
class AllOf:
    """Applies several changes in turn."""

    changes: Sequence[Change]

    def __call__(self, image: np.ndarray, layers: Sequence[np.ndarray], rng: np.random.Generator) -> Changed:
        """Apply them."""
        changed = image, list(layers)
        for change in self.changes:
            changed = change(*changed, rng)
        return changed


def _scale_values(image: np.ndarray, factor: float, fixed: float) -> np.ndarray:
    """Scale the values about `fixed`, rounded and clipped to 0-255."""
    return cv2.addWeighted(image, factor, image, 0, fixed * (1 - factor))
