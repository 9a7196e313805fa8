"""Colours and contrast: normalised before the network sees an image, augmented in training."""

import cv2
import numpy as np

_LEVELS = np.arange(256, dtype=np.float32)
_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue, by ITU-R BT.601
_GREY_MATRIX = np.tile(_LUMINANCE, (3, 1))

TINTED, GREY, INVERTED, BLURRED, NOISY = 0.4, 0.2, 0.15, 0.15, 0.15  # probability of each change in `recolour`
LEAST_CONTRAST = 50.0  # luminance difference between the two colours of a tinted image


def stretch_contrast(
    image: np.ndarray, *, lowest: float = 0.01, highest: float = 0.998, largest_gain: float = 8.0
) -> np.ndarray:
    """Stretch the values between two quantiles, over all channels together, to 0-255.

    Args:
        image: (H, W, 3) uint8.
        lowest: quantile that becomes 0.
        highest: quantile that becomes 255.
        largest_gain: largest contrast factor, which keeps the noise of an empty image low.

    Returns:
        (H, W, 3) uint8.

    Example:
        >>> stretch_contrast(np.arange(100, 200, dtype=np.uint8).reshape(10, 10, 1).repeat(3, 2))[[0, 4, 9], 9, 0]
        array([ 23, 126, 255], dtype=uint8)
    """
    # NumPy would count in a copy with eight bytes per value, 900 MB for 6144x6144 pixels.
    histogram = cv2.calcHist([image.reshape(len(image), -1)], [0], None, [256], [0, 256])
    counts = np.cumsum(histogram, dtype=np.int64)
    low, high = np.searchsorted(counts, [lowest * image.size, highest * image.size])
    gain = min(255 / max(int(high) - int(low), 1), largest_gain)
    return _look_up(image, (_LEVELS - low) * gain)


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
        image = _look_up(cv2.transform(image, _colour_matrix(rng)), _tone_curve(rng))
    if rng.random() < BLURRED:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.5))
    if rng.random() < NOISY:
        noise = rng.normal(0, rng.uniform(1, 8), image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return image


def shift_channels(image: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Shift each channel, and clip to the image's own minimum and maximum.

    Args:
        image: (H, W, 3) uint8.
        shifts: (3,) float in [-255, 255].

    Returns:
        (H, W, 3) uint8.

    Example:
        >>> shift_channels(np.array([[[10, 20, 30]]], np.uint8), np.array([-5, 5, 5])).tolist()
        [[[10, 25, 30]]]
    """
    shifted = cv2.add(image, np.append(np.rint(shifts), 0))  # OpenCV takes four channels and clips to 0-255
    return np.clip(shifted, image.min(), image.max(), out=shifted)


def _colour_matrix(rng: np.random.Generator) -> np.ndarray:
    """Draw a (3, 3) float32 matrix for RGB: from grey to increased saturation, channels slightly mixed."""
    saturation = 0.0 if rng.random() < GREY else rng.uniform(0.4, 1.6)
    mixed = np.eye(3) + rng.uniform(-0.1, 0.1, (3, 3))
    mixed /= mixed.sum(axis=1, keepdims=True)  # grey stays grey
    return (_GREY_MATRIX + saturation * (mixed - _GREY_MATRIX)).astype(np.float32)


def _tone_curve(rng: np.random.Generator) -> np.ndarray:
    """Draw a curve that maps the values 0 to 255, (256,) float32."""
    curve = (_LEVELS / 255) ** np.exp(rng.uniform(-0.5, 0.5))
    if rng.random() < INVERTED:
        curve = 1 - curve
    contrast, brightness = rng.uniform(0.7, 1.3), rng.uniform(-0.1, 0.1)
    return ((curve - 0.5) * contrast + 0.5 + brightness) * 255


def _colour_ramp(rng: np.random.Generator) -> np.ndarray:
    """Draw a ramp between two colours for the values 0 to 255, (256, 1, 3) uint8."""
    first = last = np.zeros(3)
    while abs(_LUMINANCE @ (last - first)) < LEAST_CONTRAST:
        first, last = rng.uniform(0, 255, (2, 3))
    share = (_LEVELS[:, None, None] / 255) ** np.exp(rng.uniform(-0.5, 0.5))
    return np.rint(first + share * (last - first)).astype(np.uint8)


def _look_up(image: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """Map the values of a uint8 array through a curve, (256,) float, rounded and clipped."""
    return cv2.LUT(image, np.clip(np.rint(curve), 0, 255).astype(np.uint8))
