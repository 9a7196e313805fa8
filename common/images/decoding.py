"""Images and masks from files of any usual kind, as RGB with 8 bits and as bool; images to files."""

import io
import os
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile

from common.errors import InputError
from common.files import written_aside
from common.images.dicom import decode_dicom, is_dicom

MOST_SPECKS = 0.01  # of an image's values; what is more is no fault of the camera


def is_image(path: PurePosixPath) -> bool:
    """Say whether a file's name ends as that of an image.

    Example:
        >>> is_image(PurePosixPath("a/B.TIF")), is_image(PurePosixPath("a/b.csv"))
        (True, False)
    """
    return path.suffix.lower() in {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}


def decode_image(data: bytes, name: str) -> np.ndarray:
    """Decode a PNG, JPEG, TIFF, BMP, GIF or DICOM file to RGB with 8 bits.

    Alpha is dropped, a single channel is repeated, `scale_to_8_bits` tells what happens to more bits. The
    orientation that a camera noted is ignored: annotations count pixels as they are stored.

    Args:
        data: the file's content.
        name: the file's name, for messages.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        InputError: no image, or a damaged one.
    """
    image = _decode(data, name)
    if image.dtype != np.uint8:
        if image.dtype.kind == "f" and not (abs(image) < np.finfo(np.float32).max / 2).all():
            raise InputError(f"{name}: holds values that are not finite, or beyond 32 bits; repair or remove it")
        image = scale_to_8_bits(image)
    return image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an image file, see `decode_image`.

    Raises:
        InputError: no such file, no image, or a damaged one.
    """
    try:
        return decode_image(Path(path).read_bytes(), str(path))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give an image") from None


def decode_mask(data: bytes, name: str) -> np.ndarray:
    """Decode an image to a mask: a pixel is set where any colour channel is not 0; alpha does not count.

    Args:
        data: the file's content.
        name: the file's name, for messages.

    Returns:
        (H, W) bool.

    Raises:
        InputError: no image, or a damaged one.
    """
    image = _decode(data, name)
    return image != 0 if image.ndim == 2 else (image != 0).any(axis=2)


def decode_labels(data: bytes, name: str) -> np.ndarray:
    """Decode a label image: 0 is background, each other value an object.

    Args:
        data: the file's content.
        name: the file's name, for messages.

    Returns:
        (H, W) int32, the objects numbered from 1 in the order of their values, without gaps.

    Raises:
        InputError: no image, a damaged one, one of colours or fractions, or a negative label.
    """
    image = _decode(data, name)
    if image.ndim == 3 or image.dtype.kind not in "iu":
        raise InputError(f"{name}: no label image, which has one channel of whole numbers; replace it")
    if image.min() < 0:
        raise InputError(f"{name}: has the label {image.min()}; background is 0 and objects are above it")
    values, labels = np.unique(image, return_inverse=True)
    return labels.reshape(image.shape).astype(np.int32) + int(values[0] != 0)


def scale_to_8_bits(image: np.ndarray) -> np.ndarray:
    """Bring an image to 8 bits.

    A 16-bit image that reaches the upper half of its range is divided by 257, so that 65535 becomes 255. Any
    other one (12 bits in 16, float) is stretched from its own minimum and maximum, over all channels together,
    to 0 and 255; a constant one becomes 0. Where a few specks of a pixel or two, as a camera's hot and dead ones, more
    than double that range, it is the range without them: that of the medians of 3x3 pixels.

    Args:
        image: (H, W) or (H, W, 3) of any dtype, finite.

    Returns:
        The same shape, uint8.

    Example:
        >>> scale_to_8_bits(np.array([[0, 257, 65535]], np.uint16)).tolist()
        [[0, 1, 255]]
        >>> scale_to_8_bits(np.array([[100, 2000, 4095]], np.uint16)).tolist()
        [[0, 121, 255]]
    """
    bottom = float(image.min())
    values = image - bottom
    low, high = 0.0, float(values.max())
    medians = cv2.medianBlur(values.astype(np.float32), 3)
    lowest, highest = float(medians.min()), float(medians.max())
    del medians
    if 0 < 2 * (highest - lowest) < high:
        specks = np.count_nonzero(values < lowest) + np.count_nonzero(values > highest)
        if specks <= MOST_SPECKS * values.size:
            low, high = lowest, highest
    if image.dtype.kind == "u" and image.dtype.itemsize == 2 and bottom + high >= 2**15:  # in either order of bytes
        low, high = -bottom, 65535.0 - bottom
    values -= low
    values *= 255 / (high - low) if high > low else 0
    return np.rint(values, out=values).clip(0, 255, out=values).astype(np.uint8)


def encode_png(image: np.ndarray, *, noisy: bool = False) -> bytes:
    """Encode an image as a small PNG file, without loss; of three equal channels one is kept.

    Args:
        image: (H, W, 3) uint8, RGB, or (H, W) uint8 or uint16.
        noisy: as a camera's image, in which nothing repeats itself: only how often values occur is made use of, which
            gives smaller files, in a thirtieth of the time.
    """
    if image.ndim == 3 and (image == image[..., :1]).all():
        image = image[..., 0]
    strategy = cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY if noisy else cv2.IMWRITE_PNG_STRATEGY_DEFAULT
    options = [cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_STRATEGY, strategy]
    return cv2.imencode(".png", image[..., ::-1] if image.ndim == 3 else image, options)[1].tobytes()


def labels_in_16_bits(label_image: np.ndarray, name: str) -> np.ndarray:
    """Return a label image (H, W) int32 as image files can hold it, (H, W) uint16.

    Args:
        label_image: 0 = background.
        name: the image's, for the message.

    Raises:
        InputError: more objects than that.
    """
    highest = int(label_image.max())
    if highest > np.iinfo(np.uint16).max:
        raise InputError(f"{name}: {highest} objects are more than 16 bits can number; cut the image into parts")
    return label_image.astype(np.uint16)


def save_image(path: Path, image: np.ndarray) -> None:
    """Write an image, whole or not at all; its folder is created.

    Args:
        path: the file; its suffix chooses the format.
        image: (H, W, 3) uint8, RGB, or (H, W) uint8, grey.

    Raises:
        InputError: a suffix that names no format.
    """
    if not cv2.haveImageWriter(path.name):
        raise InputError(f"{path}: unknown kind of image; choose a name that ends in .png, .jpg or .tif")
    fine, encoded = cv2.imencode(path.suffix, image[..., ::-1] if image.ndim == 3 else image)
    if not fine:
        raise InputError(f"{path}: {image.shape[0]} x {image.shape[1]} pixels are too many for such a file")
    with written_aside(path) as aside:
        aside.write_bytes(encoded.tobytes())


def _decode(data: bytes, name: str) -> np.ndarray:
    """Decode to (H, W) or (H, W, 3), RGB, of the file's own dtype."""
    if is_dicom(data):
        return decode_dicom(data, name)
    image = _decode_fast(data) if _is_whole_png_or_jpeg(data) else None
    return _decode_strictly(data, name) if image is None else image


def _is_whole_png_or_jpeg(data: bytes) -> bool:
    """Tell whether the file's end is there; OpenCV may fill up a cut-off one with grey and say nothing."""
    is_png, is_jpeg = data.startswith(b"\x89PNG"), data.startswith(b"\xff\xd8")
    return (is_png and b"IEND" in data[-16:]) or (is_jpeg and b"\xff\xd9" in data[-16:])


def _decode_fast(data: bytes) -> np.ndarray | None:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # more pixels than it takes
        return None
    if image is None or image.ndim == 2:
        return image
    if image.dtype in (np.uint8, np.uint16, np.float32):
        return cv2.cvtColor(image, cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(image[..., 2::-1])  # three times as slow, of any depth


def _decode_strictly(data: bytes, name: str) -> np.ndarray:
    """Decode with Pillow, which knows more kinds and refuses what is cut off; TIFF of 16-bit colours with OpenCV.

    Of such colours Pillow gives the upper eight bits, if any: next to nothing of a camera's twelve.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            count = getattr(opened, "n_frames", 1)
            if count > 1:
                raise InputError(f"{name}: holds {count} images; give a file for each")
            if opened.mode in ("1", "LA", "La"):
                return np.asarray(opened.convert("L"))
            if opened.mode in ("L", "F") or opened.mode.startswith("I"):
                return np.asarray(opened)
            colours = np.asarray(opened.convert("RGB"))  # reads all of it
            if not isinstance(opened, TiffImageFile) or max(opened.tag_v2.get(BITSPERSAMPLE, (8,))) <= 8:
                return colours
            image = _decode_fast(data)
            if image is None:
                raise InputError(f"{name}: a TIFF file of a kind that is not known; save it as PNG")
            return image
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        image = _decode_fast(data) if data[:4] in (b"II*\0", b"MM\0*") else None
        if image is None:
            problem = "not an image" if isinstance(error, UnidentifiedImageError) else f"a damaged image: {error}"
            raise InputError(f"{name}: {problem}; replace or remove it") from None
        return image
