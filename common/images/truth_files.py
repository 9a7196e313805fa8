"""Masks and label images in files: what an annotator drew, as arrays; label images as files can hold them."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from common.errors import InputError
from common.images.decoding import decode_stored
from common.images.stored import StoredImage, invert
from common.images.usable import Oddities, find_oddities

SOFT_EDGE = 8  # pixels; neither soft edges nor the blocks of JPEG reach farther
TOLERANCE = 1 / 8  # of a mask's range, from either end: what lossy compression makes of a value
MOST_SOFT = 0.5  # of a mask's pixels; more are a photograph's
FEW_VALUES = 16  # a file with so many at most may hold labels or classes
LEAST_RANGE = 32  # of a lossy mask, 0-255; less is noise


@dataclass(frozen=True, eq=False)
class DrawnMask:
    """A mask as drawn.

    Attributes:
        pixels: (H, W) bool.
        is_cut: whether it has soft edges, which are cut at half of its range.
    """

    pixels: np.ndarray
    is_cut: bool

    @property
    def oddities(self) -> Oddities:
        """What is unusual about it."""
        return find_oddities(self.pixels) + Oddities(cut=int(self.is_cut))


def decode_mask(data: bytes, name: str, image: StoredImage | None = None) -> DrawnMask:
    """Decode a mask: the brighter of two values, 0 and any other among them; alpha is ignored.

    Soft edges, as smoothing and JPEG make them, are cut at half of the mask's own range. A coloured pixel is as bright
    as its brightest channel. Where the file says that white is the lowest value, black is mask.

    Args:
        data: the file's content.
        name: the file's name, for messages.
        image: the image that the mask belongs to, if it is to be compared.

    Raises:
        InputError: not an image, or a damaged one; no mask, such as a label image or a photograph; drawn in alpha
            alone; orientations that differ.
    """
    stored = decode_stored(data, name)
    _check_orientation(stored, name, image)
    values = _brightness(stored, name)
    low, high = float(values.min()), float(values.max())
    if low == high and _varies_in_alpha(data):
        raise InputError(f"{name}: a mask in its transparency alone, which is not read; save it in black and white")
    pixels = values > (low + high) / 2 if low < high else values != 0
    is_cut = not ((values == low) | (values == high)).all()
    if is_cut:
        _check_soft(values, pixels, name, image, is_lossy=stored.is_lossy)
    elif pixels.any() and not stored.is_lossy:
        _check_colours(stored, pixels, name)
    if stored.min_is_white and pixels.mean() > 0.5:
        raise _white_is_lowest(name)
    return DrawnMask(pixels, is_cut)


def decode_labels(data: bytes, name: str, image: StoredImage | None = None) -> np.ndarray:
    """Decode a label image: 0 is background, every other value an object; of a palette the indices count.

    Args:
        data: the file's content.
        name: the file's name, for messages.
        image: the image that it belongs to, if it is to be compared.

    Returns:
        (H, W) int32, the objects renumbered from 1 without gaps, in the order of their values.

    Raises:
        InputError: not an image, a damaged one, lossy compression, colours or fractions, a negative label, or
            orientations that differ.
    """
    stored = decode_stored(data, name)
    _check_orientation(stored, name, image)
    if stored.is_lossy:
        raise InputError(f"{name}: lossy compression changes labels; save the label image as PNG or TIFF")
    labels = stored.pixels
    if labels.ndim == 3 or not (np.isfinite(labels) & (labels == np.round(labels))).all():
        raise InputError(f"{name}: not a label image, which has one channel of integers; replace it")
    if stored.min_is_white:
        labels = _inverted(labels, stored.bits)
    if labels.min() < 0:
        raise InputError(f"{name}: has the label {labels.min():.0f}; background is 0, objects are positive")
    values, numbers = np.unique(labels, return_inverse=True)
    label_image = numbers.reshape(labels.shape).astype(np.int32) + int(values[0] != 0)
    if stored.min_is_white and np.bincount(label_image.ravel())[1:].max(initial=0) > label_image.size / 2:
        raise _white_is_lowest(name)
    return label_image


def labels_to_save(label_image: np.ndarray) -> np.ndarray:
    """Convert a label image, (H, W) int32, to what a TIFF file holds, (H, W) uint16.

    More than 65,535 objects take uint32, which ImageJ opens as 32-bit numbers with fractions, exact up to 16,777,216.
    """
    return label_image.astype(np.uint16 if label_image.max() <= np.iinfo(np.uint16).max else np.uint32)


def _check_orientation(stored: StoredImage, name: str, image: StoredImage | None) -> None:
    if image is not None and stored.orientation != image.orientation:
        raise InputError(
            f"{name}: its orientation tag is {stored.orientation}, its image's {image.orientation}; save both upright"
        )


def _brightness(stored: StoredImage, name: str) -> np.ndarray:
    """Return the brightest channel of each pixel, (H, W), of the file's own dtype."""
    values = stored.pixels if stored.palette is None else stored.palette[stored.pixels]
    if values.ndim == 3 and values.shape[2] != 3:
        raise InputError(f"{name}: a mask of {values.shape[2]} channels; save it in black and white")
    if not np.isfinite(values).all():
        raise InputError(f"{name}: a mask with values that are not finite; replace it")
    values = values.max(axis=2) if values.ndim == 3 else values
    return _inverted(values, stored.bits) if stored.min_is_white else values


def _inverted(values: np.ndarray, bits: int | None) -> np.ndarray:
    """Return values of which the lowest is white, so that the highest is; signed ones and floats have no highest."""
    return invert(values, bits) if values.dtype.kind == "u" else values


def _white_is_lowest(name: str) -> InputError:
    return InputError(
        f"{name}: most of it is object, as the file says that white is its lowest value; save it as PNG, objects on 0"
    )


def _varies_in_alpha(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data)) as opened:
            low, high = opened.convert("RGBA").getchannel("A").getextrema()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False  # a format without alpha
    return low != high


def _check_soft(
    values: np.ndarray, pixels: np.ndarray, name: str, image: StoredImage | None, *, is_lossy: bool
) -> None:
    """Refuse what is no mask: between its two values are others, and not at its edge alone.

    Args:
        values: (H, W), of more than two values.
        pixels: (H, W) bool, those above the middle.
        name: the file's name, for messages.
        image: the mask's image, of which it might be a copy.
        is_lossy: whether its compression is.
    """
    low, high = float(values.min()), float(values.max())
    if is_lossy and high - low < LEAST_RANGE:
        raise InputError(f"{name}: lossy compression leaves no mask of values from {low:g} to {high:g}; save it as PNG")
    if image is not None and image.pixels.shape[2:] in ((), (3,)) and np.array_equal(values, _brightness(image, name)):
        raise InputError(f"{name}: not a mask, but a copy of its image; replace it")
    shares = ((values - low) / (high - low)).astype(np.float32)
    square = np.ones((3, 3), np.uint8)
    edge = cv2.morphologyEx(pixels.view(np.uint8), cv2.MORPH_GRADIENT, square)
    inside = cv2.dilate(edge, np.ones((2 * SOFT_EDGE + 1, 2 * SOFT_EDGE + 1), np.uint8)) == 0
    inside |= cv2.erode(shares, square) == cv2.dilate(shares, square)  # objects may be small
    exact = not is_lossy and len(np.unique(values)) <= FEW_VALUES
    between = (shares > (0 if exact else TOLERANCE)) & (shares < 1 - TOLERANCE)
    if (between & inside).any() or between.mean() > MOST_SOFT:
        raise InputError(
            f"{name}: not a mask: it has areas of more than two values; save a mask per object, or one label image"
        )


def _check_colours(stored: StoredImage, pixels: np.ndarray, name: str) -> None:
    colours = stored.pixels if stored.palette is None else stored.palette[stored.pixels]
    if colours.ndim == 3 and (colours[pixels] != colours[pixels][0]).any():
        raise InputError(f"{name}: a mask of several colours; save a mask per object, or one label image")
