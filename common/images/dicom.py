"""DICOM, the file format of radiology: its image, as stored."""

import functools
import io
import warnings
from collections.abc import Callable

import numpy as np

from common.errors import InputError


def is_dicom(data: bytes) -> bool:
    """Recognise a DICOM file by the marker after its 128-byte preamble.

    Example:
        >>> is_dicom(bytes(128) + b"DICM"), is_dicom(b"DICM")
        (True, False)
    """
    return data[128:132] == b"DICM"


def decode_dicom(data: bytes, name: str) -> np.ndarray:
    """Decode the single image of a DICOM file; compressed ones need the matching pydicom decoder.

    There is no windowing: the values are the file's own, inverted for MONOCHROME1, where the lowest is white.

    Args:
        data: the file's content.
        name: the file's name, for messages.

    Returns:
        (H, W), or (H, W, 3) RGB, of the file's own dtype.

    Raises:
        InputError: not a DICOM file, one with no or several images, or a damaged one.
    """
    dcmread, pixel_array = _import_pydicom()
    try:
        content = dcmread(io.BytesIO(data))
        if not any(keyword in content for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
            raise InputError(f"{name}: a DICOM file without an image, or truncated; replace or remove it")
        pixels = pixel_array(content)
        lowest_is_white = content.PhotometricInterpretation == "MONOCHROME1"
        bits = int(content.BitsStored) if lowest_is_white else 0
    except InputError:
        raise
    except Exception as error:  # pydicom has no error class of its own: damage raises a dozen kinds
        raise InputError(f"{name}: a DICOM file that cannot be decoded: {error}; replace or remove it") from None
    if pixels.ndim != (3 if content.SamplesPerPixel == 3 else 2):
        raise InputError(f"{name}: a DICOM file with {len(pixels)} images; split it, or remove it")
    if not lowest_is_white:
        return pixels
    signed = pixels.dtype.kind == "i"
    return -1 - pixels if signed else pixels.dtype.type(2**bits - 1) - pixels


@functools.cache
def _import_pydicom() -> tuple[Callable, Callable]:
    """Return pydicom's `dcmread` and `pixel_array`, imported late: it takes a while, and few sets need it.

    Its warnings are silenced: they either precede an error, or concern non-standard fields other than the image.
    """
    from pydicom import dcmread
    from pydicom.pixels import pixel_array

    warnings.filterwarnings("ignore", module="pydicom")
    return dcmread, pixel_array
