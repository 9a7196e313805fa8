"""Layout of synthetic nuclei: outlines that touch, cluster and cross the border, but never overlap."""

from dataclasses import dataclass

import cv2
import numpy as np

MIN_PIXELS = 12  # of a nucleus; few in the real set are smaller
TRIES = 24  # to place a nucleus, shrinking it a little each time


@dataclass(frozen=True)
class Habit:
    """Shape and arrangement of the nuclei of one modality.

    Attributes:
        size: of the nuclei, relative to fluorescence images.
        elongation: largest ratio of a nucleus's axes.
        wobble: deviation of outlines from an ellipse, a fraction of the radius.
        clustering: probability that a nucleus is placed beside an earlier one.
    """

    size: float
    elongation: float
    wobble: float
    clustering: float


@dataclass(frozen=True, eq=False)
class Layout:
    """Positions of nuclei.

    Attributes:
        labels: (H, W) int32 label image.
        nuclei: (N, 5) float64, centre y, x, semi-axes along and across, angle in radians.
        ghosts: (H, W) float32 in [0, 1], out-of-focus nuclei that are not annotated.
    """

    labels: np.ndarray
    nuclei: np.ndarray
    ghosts: np.ndarray


def draw_diameter(rng: np.random.Generator, size: float, image_shape: tuple[int, int], num_nuclei: int) -> float:
    """Draw the image's typical nucleus diameter, pixels: nuclei cover at most about a third of the image."""
    pixels = image_shape[0] * image_shape[1]
    wanted = size * np.exp(rng.uniform(np.log(10), np.log(30))) * (pixels / 65536) ** 0.2
    return float(min(wanted, np.sqrt(0.35 * pixels / max(num_nuclei, 1) * 4 / np.pi)))


def place_nuclei(
    rng: np.random.Generator, habit: Habit, image_shape: tuple[int, int], num_nuclei: int, diameter: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return a label image (H, W) int32 and the nuclei (N, 5); see `Layout`."""
    labels = np.zeros(image_shape, dtype=np.int32)
    nuclei: list[np.ndarray] = []
    common_angle = rng.uniform(0, np.pi)
    for _ in range(num_nuclei):
        for attempt in range(TRIES):
            nucleus = _draw_nucleus(rng, habit, image_shape, diameter * 0.94**attempt, common_angle)
            if nuclei and rng.random() < habit.clustering:
                nucleus = _put_beside(rng, nucleus, nuclei[rng.integers(len(nuclei))])
            if _paint(labels, draw_outline(rng, nucleus, habit.wobble), len(nuclei) + 1):
                nuclei.append(nucleus)
                break
    return labels, np.array(nuclei).reshape(-1, 5)


def _draw_nucleus(
    rng: np.random.Generator, habit: Habit, image_shape: tuple[int, int], diameter: float, common_angle: float
) -> np.ndarray:
    """Draw a nucleus anywhere: centre y, x, semi-axes along and across, angle, (5,) float64."""
    radius = diameter / 2 * np.exp(rng.normal(0, 0.2))
    stretch = np.sqrt(rng.uniform(1, habit.elongation))
    y, x = rng.uniform(-0.3 * radius, np.array(image_shape) + 0.3 * radius)
    return np.array([y, x, radius * stretch, radius / stretch, common_angle + rng.normal(0, 0.6)])


def _put_beside(rng: np.random.Generator, nucleus: np.ndarray, neighbour: np.ndarray) -> np.ndarray:
    """Return the nucleus moved beside its neighbour and aligned with it: long ones form rows, round ones clumps."""
    angle = neighbour[4] + rng.normal(0, 0.25)
    roundness = neighbour[3] / neighbour[2]
    towards = neighbour[4] + rng.choice([-0.5, 0.5]) * np.pi + rng.normal(0, 0.2 + 2 * roundness**2)
    distance = (neighbour[3] + nucleus[3]) * rng.uniform(0.95, 1.35) / max(roundness, abs(np.sin(towards - angle)))
    centre = neighbour[:2] + distance * np.array([np.sin(towards), np.cos(towards)])
    return np.array([*centre, nucleus[2], nucleus[3], angle])


def draw_outline(rng: np.random.Generator, nucleus: np.ndarray, wobble: float) -> np.ndarray:
    """Return the corners (40, 2) float64, x, y, of an ellipse with a wobbly outline."""
    y, x, along, across, angle = nucleus
    turns = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    waves = np.arange(2, 6)
    heights = rng.normal(0, wobble / waves)
    radii = 1 + heights @ np.cos(waves[:, None] * turns + rng.uniform(0, 2 * np.pi, (4, 1)))
    u, v = along * radii * np.cos(turns), across * radii * np.sin(turns)
    return np.stack([x + u * np.cos(angle) - v * np.sin(angle), y + u * np.sin(angle) + v * np.cos(angle)], axis=1)


def fill_outline(corners: np.ndarray, image_shape: tuple[int, int]) -> tuple[tuple[slice, slice], np.ndarray]:
    """Return the window of the image that a polygon touches, and the polygon's pixels in it, uint8 0 or 1."""
    x1, y1 = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    x2, y2 = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, image_shape[::-1])
    filled = np.zeros((max(y2 - y1, 0), max(x2 - x1, 0)), dtype=np.uint8)
    if filled.size:
        cv2.fillPoly(filled, [np.round((corners - [x1, y1]) * 16).astype(np.int32)], 1, shift=4)
    return (slice(y1, y1 + filled.shape[0]), slice(x1, x1 + filled.shape[1])), filled


def _paint(labels: np.ndarray, corners: np.ndarray, label: int) -> bool:
    """Paint a nucleus on free pixels, unless too little of it would be visible or it would fall apart."""
    window, filled = fill_outline(corners, labels.shape)
    free = filled * (labels[window] == 0)
    seen = np.count_nonzero(free)
    if seen < max(MIN_PIXELS, 0.85 * np.count_nonzero(filled)) or cv2.connectedComponents(free)[0] != 2:
        return False
    labels[window][free > 0] = label
    return True
