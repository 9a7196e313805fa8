"""Contrast and channels of an image."""

import cv2
import numpy as np

LEVELS = np.arange(256, dtype=np.float32)  # of 8 bits
MOST_SPECKS = 0.01  # fraction of an image's values; more are no camera fault


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
    return look_up(image, (LEVELS - low) * gain)


def median_colour(image: np.ndarray) -> np.ndarray:
    """Return the median of each channel, (3,) uint8; of an even number of values, the lower middle one.

    Args:
        image: (H, W, 3) uint8.

    Example:
        >>> median_colour(np.array([[[1, 10, 0], [2, 30, 0], [3, 20, 9]]], np.uint8)).tolist()
        [2, 20, 0]
    """
    counts = [np.cumsum(cv2.calcHist([image], [channel], None, [256], [0, 256])) for channel in range(3)]
    return np.array([np.searchsorted(some, some[-1] / 2) for some in counts], np.uint8)


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


def look_up(image: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """Map the values of a uint8 array through a curve, (256,) float, rounded and clipped."""
    return cv2.LUT(image, np.clip(np.rint(curve), 0, 255).astype(np.uint8))


def scale_to_8_bits(image: np.ndarray) -> np.ndarray:
    """Convert an image to 8 bits.

    A 16-bit image that reaches the upper half of its range is divided by 257, so that 65535 becomes 255. Any other
    (12 bits in 16, float) is stretched from its own minimum and maximum, over all channels together, to 0 and 255; a
    constant one becomes 0. Where a few specks of one or two pixels, such as hot and dead ones, more than double that
    range, the range after a 3x3 median is used instead.

    Args:
        image: (H, W) or (H, W, 3), integers or finite floats of any size.

    Returns:
        The same shape, uint8.

    Example:
        >>> scale_to_8_bits(np.array([[0, 257, 65535]], np.uint16)).tolist()
        [[0, 1, 255]]
        >>> scale_to_8_bits(np.array([[100, 2000, 4095]], np.uint16)).tolist()
        [[0, 121, 255]]
    """
    bottom = float(image.min())
    values = _above_lowest(image)
    low, high = 0.0, float(values.max())
    medians = cv2.medianBlur(values.astype(np.float32), 3)
    lowest, highest = float(medians.min()), float(medians.max())
    del medians
    if 0 < 2 * (highest - lowest) < high:
        specks = np.count_nonzero(values < lowest) + np.count_nonzero(values > highest)
        if specks <= MOST_SPECKS * values.size:
            low, high = lowest, highest
    if image.dtype.kind == "u" and image.dtype.itemsize == 2 and bottom + high >= 2**15:  # of either byte order
        low, high = -bottom, 65535.0 - bottom
    values -= low
    values *= 255 / (high - low) if high > low else 0
    return np.rint(values, out=values).clip(0, 255, out=values).astype(np.uint8)


def _above_lowest(image: np.ndarray) -> np.ndarray:
    """Return how far each value is above the lowest, float; exact for integers of 64 bits, too."""
    if image.dtype.kind == "f":
        image = image.astype(np.promote_types(image.dtype, np.float32))
        return image - image.min()
    native = image.astype(image.dtype.newbyteorder("="), copy=False)
    differences = native - native.min()  # wraps around where signs differ, and is right without them
    return differences.view(f"u{native.itemsize}").astype(np.float64)
