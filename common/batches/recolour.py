"""Augmentation of colours: tints, inversion, saturation, contrast, blur, noise."""

import cv2
import numpy as np

from common.images.colours import LEVELS, look_up

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue, by ITU-R BT.601
_GREY_MATRIX = np.tile(_LUMINANCE, (3, 1))

TINTED, GREY, INVERTED, BLURRED, NOISY = 0.4, 0.2, 0.15, 0.15, 0.15  # probability of each change in `recolour`
LEAST_CONTRAST = 50.0  # luminance difference between the two colours of a tinted image


def recolour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Tint, or change saturation, hue, contrast and brightness and sometimes invert; occasionally blur or add noise.

    Tinting, inversion and grey help to generalise across microscopes: a fluorescence image mapped to a random colour
    ramp resembles stained tissue.

    Args:
        image: (H, W, 3) uint8, RGB.
        rng: draws every change.

    Returns:
        (H, W, 3) uint8.
    """
    if rng.random() < TINTED:
        image = cv2.LUT(cv2.transform(image, _GREY_MATRIX), _colour_ramp(rng))
    else:
        image = look_up(cv2.transform(image, _colour_matrix(rng)), _tone_curve(rng))
    if rng.random() < BLURRED:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.5))
    if rng.random() < NOISY:
        noise = rng.normal(0, rng.uniform(1, 8), image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return image


def _colour_matrix(rng: np.random.Generator) -> np.ndarray:
    """Draw a (3, 3) float32 matrix for RGB: from grey to increased saturation, channels slightly mixed."""
    saturation = 0.0 if rng.random() < GREY else rng.uniform(0.4, 1.6)
    mixed = np.eye(3) + rng.uniform(-0.1, 0.1, (3, 3))
    mixed /= mixed.sum(axis=1, keepdims=True)  # grey stays grey
    return (_GREY_MATRIX + saturation * (mixed - _GREY_MATRIX)).astype(np.float32)


def _tone_curve(rng: np.random.Generator) -> np.ndarray:
    """Draw a curve that maps the values 0 to 255, (256,) float32."""
    curve = (LEVELS / 255) ** np.exp(rng.uniform(-0.5, 0.5))
    if rng.random() < INVERTED:
        curve = 1 - curve
    contrast, brightness = rng.uniform(0.7, 1.3), rng.uniform(-0.1, 0.1)
    return ((curve - 0.5) * contrast + 0.5 + brightness) * 255


def _colour_ramp(rng: np.random.Generator) -> np.ndarray:
    """Draw a ramp between two colours for the values 0 to 255, (256, 1, 3) uint8."""
    first = last = np.zeros(3)
    while abs(_LUMINANCE @ (last - first)) < LEAST_CONTRAST:
        first, last = rng.uniform(0, 255, (2, 3))
    share = (LEVELS[:, None, None] / 255) ** np.exp(rng.uniform(-0.5, 0.5))
    return np.rint(first + share * (last - first)).astype(np.uint8)
