"""An image as its file stores it, and what the file says about it."""

import os
from dataclasses import dataclass

import numpy as np

from common.errors import InputError
from common.log import logger

MOST_PIXELS = "SEGMENTATION_MAX_PIXELS"  # environment variable: raises the limit
USUAL_MOST_PIXELS = 2**30


class PixelLimitError(InputError):
    """An image of more pixels than `check_size` lets through."""


@dataclass(frozen=True)
class Choice:
    """Which image and which channels of a file to read, numbered from 1, where it holds several.

    Attributes:
        page: the image in a stack; None: the only one.
        channels: one, read as grey, or three, read as red, green and blue; (): all.
    """

    page: int | None = None
    channels: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class StoredImage:
    """An image as its file stores it: neither turned, inverted nor coloured; alpha is left out.

    Attributes:
        pixels: (H, W), or (H, W, C) for C channels, of the file's own dtype. Grey of fewer than 8 bits is spread over 0
            to 255; the indices of a palette are as they are.
        is_rgb: whether three channels are red, green and blue.
        palette: (N, 3) uint8, RGB, of the colours that `pixels` are indices of; None: they are no indices.
        min_is_white: whether the lowest value is white and the highest black, in a grey image.
        bits: of a value, such as 12 in a dtype of 16.
        orientation: 1 to 8, as EXIF and TIFF number them; 1: the first row is at the top, the first column at the left.
        is_lossy: whether the compression may have changed values, as JPEG's does.
    """

    pixels: np.ndarray
    is_rgb: bool = True
    palette: np.ndarray | None = None
    min_is_white: bool = False
    bits: int | None = None
    orientation: int = 1
    is_lossy: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width), pixels, as stored."""
        height, width = self.pixels.shape[:2]
        return height, width

    @property
    def upright_shape(self) -> tuple[int, int]:
        """(height, width), pixels, of the image turned upright."""
        return self.shape if self.orientation < 5 else self.shape[::-1]


def is_annotated_upright(stored: StoredImage, name: str, image_shape: tuple[int, int], remedy: str) -> bool:
    """Return whether annotations mean the upright image, by the (height, width) that they give; see `decode_annotated`.

    Raises:
        InputError: neither the upright nor the stored image has this size.
    """
    if image_shape not in (stored.upright_shape, stored.shape):
        real, listed = (" x ".join(map(str, shape)) for shape in (stored.upright_shape, image_shape))
        raise InputError(f"{name}: {real} pixels, but annotated as {listed}; {remedy}")
    return image_shape == stored.upright_shape


def report_turned(source: object, count: int, *, upright: bool) -> None:
    """Log which way up the images of a set are read, if it makes a difference for any; see `decode_image`.

    Args:
        source: the set.
        count: of its images with an orientation other than 1.
        upright: whether they are turned, as annotations in a browser are drawn.
    """
    how = "turned upright, as annotation tools show them" if upright else "read as stored, and results are for that"
    if count:
        logger.info(f"{source}: {count} images have an orientation tag, as cameras write it; they are {how}")


def turn_upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn or flip a stored image, (H, W, ...), so that its first row is at the top, its first column at the left.

    Example:
        >>> turn_upright(np.array([[1, 2, 3]]), 6).tolist(), turn_upright(np.array([[1, 2, 3]]), 3).tolist()
        ([[1], [2], [3]], [[3, 2, 1]])
    """
    turned = image if orientation < 5 else image.swapaxes(0, 1)
    turned = turned[::-1] if orientation in (3, 4, 7, 8) else turned
    turned = turned[:, ::-1] if orientation in (2, 3, 6, 7) else turned
    return np.ascontiguousarray(turned)


def spread_bits(values: np.ndarray, bits: int) -> np.ndarray:
    """Spread values of fewer than 8 bits over 0 to 255, uint8.

    Example:
        >>> spread_bits(np.array([0, 1, 2, 3]), 2).tolist()
        [0, 85, 170, 255]
    """
    return np.rint(np.arange(2**bits) * (255 / (2**bits - 1))).astype(np.uint8)[values.astype(np.uint8)]


def check_size(height: int, width: int, name: str) -> None:
    """Refuse an image of too many pixels before they take all memory; `MOST_PIXELS` raises the limit.

    Raises:
        PixelLimitError: too many pixels.
        InputError: a limit that is not a number.
    """
    text = os.environ.get(MOST_PIXELS) or str(USUAL_MOST_PIXELS)
    if not text.isdecimal():
        raise InputError(f"{MOST_PIXELS}={text}: not a number of pixels; give one, such as {2 * USUAL_MOST_PIXELS}")
    if height * width > int(text):
        raise PixelLimitError(
            f"{name}: {height} x {width} pixels are more than the limit of {int(text)}; if the file is sound, set the "
            f"environment variable {MOST_PIXELS}={height * width}"
        )


def check_rgb(image: object) -> None:
    """Refuse what is no image as predictors take it.

    Raises:
        InputError: not a NumPy array (H, W, 3) uint8 with pixels.

    Example:
        >>> check_rgb(np.zeros((4, 5, 3), np.uint8))
    """
    wanted = "give an array (H, W, 3) uint8, RGB, as `read_image` returns"
    if not isinstance(image, np.ndarray):
        raise InputError(f"a {type(image).__name__} is no image; {wanted}")
    if image.ndim != 3 or image.shape[2] != 3 or not image.size or image.dtype != np.uint8:
        raise InputError(f"an array of shape {image.shape}, {image.dtype}, is no image; {wanted}")


def choose_page(count: int, choice: Choice | None, name: str, hint: str = "") -> int:
    """Return which of a file's images to read, numbered from 0.

    Args:
        count: of the images.
        choice: the user's; None where none is offered.
        name: the file's name, for messages.
        hint: what else the user may do, for the message, such as " or --channel".

    Raises:
        InputError: several, and none is chosen; or no such image.
    """
    page = choice.page if choice else None
    if page is None and count > 1:
        remedy = f"choose one with --page 1 to {count}{hint}, or save" if choice else "save"
        raise InputError(f"{name}: holds {count} images; {remedy} one per file")
    if page is not None and not 1 <= page <= count:
        raise InputError(f"{name}: has no image {page}, as it holds {count}; choose another --page")
    return (page or 1) - 1


def choose_channels(stored: StoredImage, name: str, channels: tuple[int, ...] | None) -> np.ndarray:
    """Return the channels of an image that are read, (H, W) or (H, W, 3), of its own dtype.

    Args:
        stored: the image.
        name: the file's name, for messages.
        channels: the user's choice, see `Choice`; None where none is offered.

    Raises:
        InputError: no such channels; or neither grey nor RGB, and none are chosen.
    """
    image = stored.pixels if stored.palette is None else stored.palette[stored.pixels]
    count = 1 if image.ndim == 2 else image.shape[2]
    if not channels and count > 1 and not stored.is_rgb and stored.palette is None:
        remedy = "choose one with --channel N, or three with --channel R,G,B" if channels == () else "save it as RGB"
        raise InputError(f"{name}: has {count} channels that are not red, green and blue; {remedy}")
    if not channels:
        return image
    if not all(1 <= channel <= count for channel in channels):
        raise InputError(f"{name}: has no channel {max(channels)}, as it holds {count}; choose another --channel")
    chosen = np.atleast_3d(image)[..., [channel - 1 for channel in channels]]
    return chosen[..., 0] if len(channels) == 1 else chosen


def invert(values: np.ndarray, bits: int | None = None) -> np.ndarray:
    """Exchange the lowest value and the highest: of unsigned integers 0 and 2**bits - 1; floats change their sign.

    Example:
        >>> invert(np.array([0, 100], np.uint8)), invert(np.array([0, 100], np.uint16), 12)
        (array([255, 155], dtype=uint8), array([4095, 3995], dtype=uint16))
    """
    if values.dtype.kind == "f":
        return -values
    if values.dtype.kind == "i" or not bits:
        return ~values
    return values.dtype.type(2**bits - 1) - values
