"""PNG and JPEG through OpenCV, JPEG 2000 through imagecodecs; through Pillow BMP, GIF, WebP, palettes, animations."""

import io
import struct

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base

from common.errors import InputError
from common.images.stored import Choice, StoredImage, check_size, choose_page

PNG_GREY_ALPHA = 4  # a colour type
LARGEST_SIDE, MOST_PIXELS = 2**20, 2**30  # that OpenCV reads

Image.MAX_IMAGE_PIXELS = None  # `check_size` applies one limit to all formats, before anything is decoded


def decode_raster(data: bytes, name: str, choice: Choice | None = None) -> StoredImage:
    """Decode an image of a file that is neither TIFF nor DICOM.

    A camera's JPEG is its first image, whatever previews follow it.

    Args:
        data: the file's content.
        name: the file's name, for messages.
        choice: see `decode_stored`.

    Raises:
        InputError: not an image, a damaged one, or several images.
    """
    file = io.BytesIO(data)
    try:
        with Image.open(file) as opened:
            check_size(opened.height, opened.width, name)
            if opened.format in ("JPEG", "MPO"):
                return _decode_jpeg(data, opened, file.tell(), name)
            page = choose_page(getattr(opened, "n_frames", 1), choice, name)
            if opened.format == "PNG" and b"IEND" not in data:
                raise InputError(f"{name}: a damaged image: its end is missing; replace or remove it")
            if opened.format == "PNG" and opened.mode != "P" and not getattr(opened, "is_animated", False):
                return _decode_png(data, opened, name)
            opened.seek(page)
            return _decode_jpeg_2000(data, opened) if opened.format == "JPEG2000" else _decode_other(data, opened)
    except UnidentifiedImageError:
        raise InputError(f"{name}: not an image; replace or remove it") from None
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError, cv2.error) as error:
        raise InputError(f"{name}: a damaged image: {error}; replace or remove it") from None


def _decode_jpeg(data: bytes, opened: Image.Image, scan: int, name: str) -> StoredImage:
    """Decode a JPEG whose scan starts at a position."""
    if data.rfind(b"\xff\xd9") < scan:  # OpenCV would fill the rest with grey
        raise InputError(f"{name}: a damaged image: its end is missing; replace or remove it")
    pixels = _decode_with_opencv(data, name) if _fits_opencv(opened) else _decode_other(data, opened).pixels
    return StoredImage(pixels, orientation=_read_orientation(opened.info.get("exif")), is_lossy=True)


def _decode_png(data: bytes, opened: Image.Image, name: str) -> StoredImage:
    """Decode a PNG without a palette."""
    bits, colour_type = data[24], data[25]  # of the header, the first chunk
    if _fits_opencv(opened):
        pixels = _decode_with_opencv(data, name)
    elif bits == 16 and opened.mode in ("RGB", "RGBA"):
        raise InputError(f"{name}: 16-bit colours of {opened.height} x {opened.width} pixels; save it as TIFF")
    else:
        pixels = _decode_other(data, opened).pixels
    if colour_type == PNG_GREY_ALPHA and pixels.ndim == 3:
        pixels = pixels[..., 0]
    if b"eXIf" in data:
        opened.load()  # it may stand after the pixels
    return StoredImage(pixels, orientation=_read_orientation(opened.info.get("exif")))


def _fits_opencv(opened: Image.Image) -> bool:
    return max(opened.size) <= LARGEST_SIDE and opened.height * opened.width <= MOST_PIXELS


def _decode_with_opencv(data: bytes, name: str) -> np.ndarray:
    """Return (H, W), or (H, W, 3) RGB."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise InputError(f"{name}: a damaged image; replace or remove it")
    if image.ndim == 2:
        return image
    return cv2.cvtColor(image, cv2.COLOR_BGRA2RGB if image.shape[2] == 4 else cv2.COLOR_BGR2RGB)


def _decode_jpeg_2000(data: bytes, opened: Image.Image) -> StoredImage:
    """Decode to all bits, of which Pillow keeps eight of colours."""
    import imagecodecs

    if opened.mode not in ("L", "LA", "I;16", "RGB", "RGBA"):
        return _decode_other(data, opened)
    pixels = imagecodecs.jpeg2k_decode(data)
    if pixels.ndim == 3:
        pixels = pixels[..., :3] if opened.mode in ("RGB", "RGBA") else pixels[..., 0]
    return StoredImage(pixels, is_lossy=True)


def _decode_other(data: bytes, opened: Image.Image) -> StoredImage:
    """Decode the current image of a file with Pillow."""
    orientation = _read_orientation(opened.info.get("exif"))
    is_lossy = opened.format == "WEBP" and b"VP8 " in data
    if opened.mode == "P":
        colours = np.array(opened.getpalette("RGB"), np.uint8).reshape(-1, 3)
        palette = np.pad(colours, ((0, 256 - len(colours)), (0, 0)))  # a damaged file may exceed its palette
        return StoredImage(np.asarray(opened), palette=palette, orientation=orientation, is_lossy=is_lossy)
    if opened.mode in ("1", "LA", "La"):
        pixels = np.asarray(opened.convert("L"))
    elif opened.mode in ("L", "F") or opened.mode.startswith("I"):
        pixels = np.asarray(opened)
    else:
        pixels = np.asarray(opened.convert("RGB"))
    return StoredImage(pixels, orientation=orientation, is_lossy=is_lossy)


def _read_orientation(exif: bytes | None) -> int:
    """Return the orientation that EXIF gives, 1 to 8; 1 without one, or where EXIF is damaged."""
    values = Image.Exif()
    try:
        values.load(exif or b"")
    except (SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error):
        return 1
    orientation = values.get(Base.Orientation, 1)
    return orientation if orientation in range(1, 9) else 1
