"""Synthetic nuclei in Kaggle's layout: like the Data Science Bowl's set, but without a download."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from common.errors import InputError
from common.images.synthetic_layout import Habit, Layout, draw_diameter, place_nuclei
from common.images.synthetic_render import (
    render_brightfield,
    render_fluorescence,
    render_purple_tissue,
    render_stain_on_white,
)
from common.masks.instances import Instances, Sample

# (height, width): number of such images in the competition's training set.
REAL_SIZES = {
    (256, 256): 334,
    (256, 320): 111,
    (520, 696): 90,
    (360, 360): 90,
    (1024, 1024): 16,
    (512, 640): 13,
    (603, 1272): 6,
    (260, 347): 3,
    (1040, 1388): 1,
}
MAX_NUCLEI = 375  # most in an image of the real set
MIN_SIDE = 32  # of an image, pixels
_KINDS = {
    "fluorescence": (Habit(size=1.0, elongation=1.8, wobble=0.06, clustering=0.35), render_fluorescence),
    "purple_tissue": (Habit(size=1.4, elongation=3.5, wobble=0.10, clustering=0.55), render_purple_tissue),
    "stain_on_white": (Habit(size=1.3, elongation=1.6, wobble=0.14, clustering=0.50), render_stain_on_white),
    "brightfield": (Habit(size=0.7, elongation=1.5, wobble=0.06, clustering=0.15), render_brightfield),
}
MODALITIES = tuple(_KINDS)
# Shares of the modalities. In the real set each size has its microscope; other sizes get some of each for the demo.
_MODALITY_SHARES = {(256, 320): (0.04, 0.6, 0.36, 0.0), (1024, 1024): (0.0, 0.0, 0.0, 1.0)}
_USUAL_SHARES = (0.85, 0.05, 0.05, 0.05)


def generate_sample(
    rng: np.random.Generator, modality: str, image_shape: tuple[int, int], num_nuclei: int, image_id: str = "generated"
) -> Sample:
    """Draw an image of nuclei that touch, cluster and cross the border, but never overlap.

    Args:
        rng: the only source of randomness.
        modality: one of `MODALITIES`.
        image_shape: (height, width), pixels, each at least 32.
        num_nuclei: nuclei to place, at least 0; fewer only if there is no room left.
        image_id: the sample's id.

    Returns:
        Image (H, W, 3) uint8 and its nuclei, each a connected region of at least 12 pixels.

    Raises:
        InputError: an unknown modality, too small an image or a negative number.

    Example:
        >>> sample = generate_sample(np.random.default_rng(0), "fluorescence", (64, 96), 5)
        >>> sample.image.shape, len(sample.instances)
        ((64, 96, 3), 5)
    """
    if modality not in _KINDS:
        raise InputError(f"modality {modality!r}: choose one of {', '.join(MODALITIES)}")
    if min(image_shape) < MIN_SIDE or num_nuclei < 0:
        raise InputError(f"image {image_shape} with {num_nuclei} nuclei: needs sides >= {MIN_SIDE} and nuclei >= 0")
    habit, render = _KINDS[modality]
    diameter = draw_diameter(rng, habit.size, image_shape, num_nuclei)
    labels, nuclei = place_nuclei(rng, habit, image_shape, num_nuclei, diameter)
    num_ghosts = int(rng.integers(0, 2 + num_nuclei // 6))
    blurred, _ = place_nuclei(rng, habit, image_shape, num_ghosts, 1.2 * diameter)
    ghosts = cv2.GaussianBlur((blurred > 0).astype(np.float32), (0, 0), 1 + diameter / 6)
    image = render(rng, Layout(labels, nuclei, ghosts))
    return Sample(image_id, image, Instances.from_label_image(labels))


def generate_indexed(
    seed: int,
    index: int,
    sizes: Sequence[tuple[int, int]] = tuple(REAL_SIZES),
    modalities: Sequence[str] | None = None,
) -> Sample:
    """Draw image `index` of the endless set with this seed; it depends on nothing else.

    Args:
        seed: of the set, at least 0.
        index: of the image, at least 0.
        sizes: (height, width) to choose from; those of the real set with its frequencies.
        modalities: to choose from, each as often; by default all, as often as in the real set.

    Returns:
        Image and nuclei; the id has 64 hexadecimal digits, like Kaggle's.
    """
    rng = np.random.default_rng([seed, index])
    weights = np.array([REAL_SIZES.get(size, 50) for size in sizes], dtype=np.float64)
    image_shape = sizes[rng.choice(len(sizes), p=weights / weights.sum())]
    shares = None if modalities else _MODALITY_SHARES.get(image_shape, _USUAL_SHARES)
    modalities = modalities or MODALITIES
    modality = modalities[rng.choice(len(modalities), p=shares)]
    enlarged = image_shape[0] * image_shape[1] / 65536
    most = min(MAX_NUCLEI, max(1, round(101 * enlarged**0.75)))
    num_nuclei = int(np.clip(round(rng.lognormal(np.log(22 * enlarged**0.7), 0.8)), 1, most))
    return generate_sample(rng, modality, image_shape, num_nuclei, _hexadecimal(f"{seed}/{index}"))


def write_dataset(
    folder: Path,
    num_images: int,
    seed: int,
    *,
    sizes: Sequence[tuple[int, int]] = tuple(REAL_SIZES),
    modalities: Sequence[str] | None = None,
    first: int = 0,
) -> None:
    """Write images `first` to `first + num_images - 1` of a synthetic set with their masks, in Kaggle's layout.

    Args:
        folder: gets `<id>/images/<id>.png` and `<id>/masks/<mask>.png`.
        num_images: images to write, at least 0.
        seed: of the set, at least 0.
        sizes: (height, width) to choose from.
        modalities: see `generate_indexed`.
        first: index of the first image.
    """
    for index in range(first, first + num_images):
        sample = generate_indexed(seed, index, sizes, modalities)
        write_image(folder, sample)
        write_masks(folder, sample)


def write_image(folder: Path, sample: Sample) -> None:
    """Write a sample's image, 8-bit RGBA, to `<folder>/<id>/images/<id>.png`."""
    path = folder / sample.image_id / "images" / f"{sample.image_id}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_png(path, cv2.cvtColor(sample.image, cv2.COLOR_RGB2BGRA))


def write_masks(folder: Path, sample: Sample) -> None:
    """Write a sample's nuclei, one 0/255 image each, to `<folder>/<id>/masks/`."""
    masks = folder / sample.image_id / "masks"
    masks.mkdir(parents=True, exist_ok=True)
    whole = np.zeros(sample.image.shape[:2], dtype=np.uint8)
    for i, ((y1, x1, y2, x2), crop) in enumerate(zip(sample.instances.boxes, sample.instances.masks, strict=True)):
        whole[y1:y2, x1:x2] = 255 * crop
        _write_png(masks / f"{_hexadecimal(f'{sample.image_id}/{i}')}.png", whole)
        whole[y1:y2, x1:x2] = 0


def _hexadecimal(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _write_png(path: Path, pixels: np.ndarray) -> None:
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
