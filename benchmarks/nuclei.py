"""Seeded nuclei for the benchmarks: outlines that touch but never overlap, and a good network's version of them."""

import numpy as np

from common.images.synthetic_layout import Habit, place_nuclei

ROUND = Habit(size=1.0, elongation=1.8, wobble=0.06, clustering=0.35)
SHARE = 0.14  # share of an image covered by nuclei, as in the data set
MISSED = 0.1  # share of the nuclei


def draw_label_image(image_shape: tuple[int, int], count: int, seed: int) -> np.ndarray:
    """Return a label image (H, W) int32 of nuclei."""
    diameter = np.sqrt(SHARE * image_shape[0] * image_shape[1] / count * 4 / np.pi)
    labels, nuclei = place_nuclei(np.random.default_rng(seed), ROUND, image_shape, count, diameter)
    assert len(nuclei) == count, "no room for so many nuclei"
    return labels


def miss_a_little(label_image: np.ndarray, seed: int) -> np.ndarray:
    """Return the label image shifted by a pixel along both axes, without some of the nuclei."""
    rng = np.random.default_rng(seed)
    kept = rng.random(label_image.max() + 1) >= MISSED
    moved = np.zeros_like(label_image)
    moved[1:, 1:] = label_image[:-1, :-1]
    return moved * kept[moved]
