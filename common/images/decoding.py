"""Decode images of all common formats to 8-bit RGB; write images."""

import io
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
import tifffile
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base
from PIL.TiffImagePlugin import BITSPERSAMPLE, COMPRESSION, PHOTOMETRIC_INTERPRETATION, TiffImageFile

from common.errors import InputError
from common.files import written_aside
from common.images.dicom import decode_dicom, is_dicom
from common.images.stored import StoredImage

MOST_SPECKS = 0.01  # fraction of an image's values; more are no camera fault


def is_image(path: PurePosixPath) -> bool:
    """Tell whether a file has an image's suffix.

    Example:
        >>> is_image(PurePosixPath("a/B.TIF")), is_image(PurePosixPath("a/b.csv"))
        (True, False)
    """
    return path.suffix.lower() in {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}


def decode_image(data: bytes, name: str) -> np.ndarray:
    """Decode a PNG, JPEG, TIFF, BMP, GIF or DICOM file to 8-bit RGB.

    Alpha is dropped, a single channel repeated, a higher bit depth reduced by `scale_to_8_bits`. EXIF orientation is
    ignored: annotations refer to pixels as stored.

    Args:
        data: the file's content.
        name: the file's name, for messages.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        InputError: not an image, or a damaged one.
    """
    return to_rgb(decode_stored(data, name), name)


def decode_stored(data: bytes, name: str) -> StoredImage:
    """Decode a PNG, JPEG, TIFF, BMP, GIF or DICOM file as it is, for callers that need more than its colours.

    Args:
        data: the file's content.
        name: the file's name, for messages.

    Returns:
        Its pixels of its own dtype, and what the file says about them.

    Raises:
        InputError: not an image, or a damaged one.
    """
    if is_dicom(data):
        return StoredImage(decode_dicom(data, name))
    try:
        with Image.open(io.BytesIO(data)) as opened:
            facts = _read_facts(opened)
            if opened.mode == "P":
                colours = np.array(opened.getpalette("RGB"), np.uint8).reshape(-1, 3)
                palette = np.pad(colours, ((0, 256 - len(colours)), (0, 0)))  # a damaged file may exceed its palette
                return StoredImage(np.asarray(opened), palette, **facts)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        facts = {}  # the reader below says what is wrong
    pixels = _decode(data, name)
    if facts.get("min_is_white") and pixels.dtype == np.uint8:
        pixels = 255 - pixels  # Pillow has inverted them
    return StoredImage(pixels, **facts)


def to_rgb(stored: StoredImage, name: str) -> np.ndarray:
    """Convert an image as stored to what `decode_image` returns, (H, W, 3) uint8, RGB."""
    image = stored.pixels
    if stored.palette is not None:
        return stored.palette[image]
    if stored.min_is_white and image.dtype == np.uint8:
        image = 255 - image
    if image.dtype != np.uint8:
        if image.dtype.kind == "f" and not (abs(image) < np.finfo(np.float32).max / 2).all():
            raise InputError(f"{name}: values are not finite, or exceed 32 bits; repair or remove it")
        image = scale_to_8_bits(image)
    return image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an image file; see `decode_image`.

    Raises:
        InputError: no such file, not an image, or a damaged one.
    """
    try:
        return decode_image(Path(path).read_bytes(), str(path))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give an image") from None


def scale_to_8_bits(image: np.ndarray) -> np.ndarray:
    """Convert an image to 8 bits.

    A 16-bit image that reaches the upper half of its range is divided by 257, so that 65535 becomes 255. Any other
    (12 bits in 16, float) is stretched from its own minimum and maximum, over all channels together, to 0 and 255; a
    constant one becomes 0. Where a few specks of one or two pixels, such as hot and dead ones, more than double that
    range, the range after a 3x3 median is used instead.

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
    if image.dtype.kind == "u" and image.dtype.itemsize == 2 and bottom + high >= 2**15:  # of either byte order
        low, high = -bottom, 65535.0 - bottom
    values -= low
    values *= 255 / (high - low) if high > low else 0
    return np.rint(values, out=values).clip(0, 255, out=values).astype(np.uint8)


def encode_png(image: np.ndarray, *, noisy: bool = False) -> bytes:
    """Encode an image as a small PNG file, losslessly; of three equal channels one is kept.

    Args:
        image: (H, W, 3) uint8, RGB, or (H, W) uint8 or uint16.
        noisy: for camera images, in which nothing repeats: Huffman coding alone, which makes smaller files 30 times
            faster.
    """
    if image.ndim == 3 and (image == image[..., :1]).all():
        image = image[..., 0]
    strategy = cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY if noisy else cv2.IMWRITE_PNG_STRATEGY_DEFAULT
    options = [cv2.IMWRITE_PNG_COMPRESSION, 9, cv2.IMWRITE_PNG_STRATEGY, strategy]
    return cv2.imencode(".png", image[..., ::-1] if image.ndim == 3 else image, options)[1].tobytes()


def encode_tiff(image: np.ndarray) -> bytes:
    """Encode an image as a TIFF file that every program opens: deflated, without a predictor, which ImageJ ignores.

    Args:
        image: (H, W, 3) uint8, RGB, or (H, W) of any unsigned dtype.
    """
    file = io.BytesIO()
    photometric = "rgb" if image.ndim == 3 else "minisblack"
    tifffile.imwrite(file, image, compression="zlib", photometric=photometric, metadata=None)
    return file.getvalue()


def save_image(path: Path, image: np.ndarray) -> None:
    """Write an image atomically; its folder is created.

    Args:
        path: the file; its suffix chooses the format.
        image: (H, W, 3) uint8, RGB, or (H, W) uint8, grey; in a TIFF file also uint16 or uint32.

    Raises:
        InputError: an unknown suffix, or too many pixels.
    """
    if not cv2.haveImageWriter(path.name):
        raise InputError(f"{path}: unknown image format; choose a name that ends in .png, .jpg or .tif")
    if path.suffix.lower() in (".tif", ".tiff"):
        data = encode_tiff(image)
    else:
        fine, encoded = cv2.imencode(path.suffix, image[..., ::-1] if image.ndim == 3 else image)
        if not fine:
            raise InputError(f"{path}: {image.shape[0]} x {image.shape[1]} pixels are too many for this format")
        data = encoded.tobytes()
    with written_aside(path) as aside:
        aside.write_bytes(data)


def _decode(data: bytes, name: str) -> np.ndarray:
    """Decode to (H, W) or (H, W, 3), RGB, of the file's own dtype."""
    if is_dicom(data):
        return decode_dicom(data, name)
    image = _decode_fast(data) if _is_whole_png_or_jpeg(data) else None
    return _decode_strictly(data, name) if image is None else image


def _read_facts(opened: Image.Image) -> dict[str, Any]:
    """Read from a file's header what `StoredImage` says beside pixels and palette."""
    tags: Mapping[int, Any] = opened.tag_v2 if isinstance(opened, TiffImageFile) else {}
    orientation = (tags or opened.getexif()).get(Base.Orientation, 1)
    return {
        "min_is_white": tags.get(PHOTOMETRIC_INTERPRETATION) == 0,
        "orientation": orientation if orientation in range(1, 9) else 1,
        "is_lossy": opened.format in ("JPEG", "MPO") or tags.get(COMPRESSION) in (6, 7),
    }


def _is_whole_png_or_jpeg(data: bytes) -> bool:
    """Tell whether the end of the file is there; OpenCV may silently fill a truncated image with grey."""
    is_png, is_jpeg = data.startswith(b"\x89PNG"), data.startswith(b"\xff\xd8")
    return (is_png and b"IEND" in data[-16:]) or (is_jpeg and b"\xff\xd9" in data[-16:])


def _decode_fast(data: bytes) -> np.ndarray | None:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # too many pixels
        return None
    if image is None or image.ndim == 2:
        return image
    if image.dtype in (np.uint8, np.uint16, np.float32):
        return cv2.cvtColor(image, cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    return np.ascontiguousarray(image[..., 2::-1])  # any depth, but three times as slow


def _decode_strictly(data: bytes, name: str) -> np.ndarray:
    """Decode with Pillow, which knows more formats and rejects truncated files; 16-bit colour TIFF with OpenCV.

    Of 16-bit colours Pillow keeps at most the upper eight bits: almost nothing of a camera's twelve.
    """
    try:
        with Image.open(io.BytesIO(data)) as opened:
            count = getattr(opened, "n_frames", 1)
            if count > 1:
                raise InputError(f"{name}: holds {count} images; save one per file")
            if opened.mode in ("1", "LA", "La"):
                return np.asarray(opened.convert("L"))
            if opened.mode in ("L", "F") or opened.mode.startswith("I"):
                return np.asarray(opened)
            colours = np.asarray(opened.convert("RGB"))  # reads all of it
            if not isinstance(opened, TiffImageFile) or max(opened.tag_v2.get(BITSPERSAMPLE, (8,))) <= 8:
                return colours
            image = _decode_fast(data)
            if image is None:
                raise InputError(f"{name}: an unsupported kind of TIFF; save it as PNG")
            return image
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        image = _decode_fast(data) if data[:4] in (b"II*\0", b"MM\0*") else None
        if image is None:
            problem = "not an image" if isinstance(error, UnidentifiedImageError) else f"a damaged image: {error}"
            raise InputError(f"{name}: {problem}; replace or remove it") from None
        return image
