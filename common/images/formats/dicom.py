"""DICOM, the file format of radiology: its image, as stored."""

import contextlib
import functools
import io
import warnings
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from common.errors import InputError
from common.images.stored import Choice, StoredImage, check_size, choose_page, spread_bits

FIRST_ELEMENTS = (b"\2\0\0\0UL", b"\2\0\1\0OB")  # the length of the first group, or its version


def is_dicom(data: bytes) -> bool:
    """Recognise a DICOM file by the marker after its 128-byte preamble; without one, by its first element.

    Example:
        >>> is_dicom(bytes(128) + b"DICM"), is_dicom(b"DICM"), is_dicom(bytes([2, 0, 0, 0]) + b"UL")
        (True, False, True)
    """
    return data[128:132] == b"DICM" or data.startswith(FIRST_ELEMENTS)


def decode_dicom(data: bytes, name: str, choice: Choice | None = None) -> StoredImage:
    """Decode an image of a DICOM file; compressed ones need the matching pydicom decoder.

    There is no windowing: the values are the file's own.

    Args:
        data: the file's content.
        name: the file's name, for messages.
        choice: see `decode_stored`.

    Raises:
        InputError: not a DICOM file, one with no or several images, or a damaged one.
    """
    pydicom, pixels = _import_pydicom()
    try:
        content = pydicom.dcmread(io.BytesIO(data), force=True)
        if not any(keyword in content for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
            raise InputError(f"{name}: a DICOM file without an image, or truncated; replace or remove it")
        check_size(int(content.Rows), int(content.Columns), name)
        count = int(content.get("NumberOfFrames") or 1)
        page = choose_page(count, choice, name)
        _check_frame_size(content, page, count, name)
        values = pixels.pixel_array(content, index=page if count > 1 else None)
        return _describe(values, content, pixels, name)
    except InputError:
        raise
    except Exception as error:  # pydicom has no error class of its own: damage raises a dozen kinds
        raise InputError(f"{name}: a DICOM file that cannot be decoded: {error}; replace or remove it") from None


def _check_frame_size(content: Any, page: int, count: int, name: str) -> None:
    """Refuse a compressed image that has too many pixels by its own header, whatever the file says of its size."""
    syntax = content.file_meta.get("TransferSyntaxUID")
    if syntax is None or not syntax.is_encapsulated:
        return
    from pydicom.encaps import get_frame

    frame = get_frame(content.PixelData, page, number_of_frames=count)
    with contextlib.suppress(UnidentifiedImageError), Image.open(io.BytesIO(frame)) as opened:
        check_size(opened.height, opened.width, name)


def _describe(values: np.ndarray, content: Any, pixels: ModuleType, name: str) -> StoredImage:
    """Return what the file says of the values of an image."""
    if content.PhotometricInterpretation == "PALETTE COLOR":
        values = pixels.apply_color_lut(values, content)
        values = (values >> 8).astype(np.uint8) if values.dtype == np.uint16 else values
    elif values.ndim != (3 if content.SamplesPerPixel == 3 else 2):
        raise InputError(f"{name}: a DICOM file with {len(values)} images; split it, or remove it")
    bits = int(content.BitsStored) if "BitsStored" in content else None
    if bits is not None and bits < 8 and values.dtype == np.uint8:
        values, bits = spread_bits(values, bits), None
    falls = float(content.get("RescaleSlope") or 1) < 0
    return StoredImage(
        values,
        min_is_white=(content.PhotometricInterpretation == "MONOCHROME1") != falls,
        bits=bits,
        is_lossy=content.get("LossyImageCompression") == "01",
    )


@functools.cache
def _import_pydicom() -> tuple[ModuleType, ModuleType]:
    """Return `pydicom` and `pydicom.pixels`, imported late: they take a while, and few sets need them.

    Warnings are silenced: they either precede an error, or concern non-standard fields other than the image.
    """
    import pydicom
    import pydicom.pixels

    warnings.filterwarnings("ignore", module="pydicom")
    return pydicom, pydicom.pixels
