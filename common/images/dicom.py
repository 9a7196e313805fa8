"""DICOM, the file format of radiology: the image in it, as it is stored."""

import functools
import io
import warnings
from collections.abc import Callable

import numpy as np

from common.errors import InputError


def is_dicom(data: bytes) -> bool:
    """Tell a DICOM file by its mark after 128 bytes of anything.

    Example:
        >>> is_dicom(bytes(128) + b"DICM"), is_dicom(b"DICM")
        (True, False)
    """
    return data[128:132] == b"DICM"


def decode_dicom(data: bytes, name: str) -> np.ndarray:
    """Decode the one image of a DICOM file; compressed ones as far as pydicom's decoders are installed.

    There is no windowing: the values are those of the file, inverted where it says that the lowest is white.

    Args:
        data: the file's content.
        name: the file's name, for messages.

    Returns:
        (H, W), or (H, W, 3) RGB, of the file's own dtype.

    Raises:
        InputError: no DICOM file, one without an image or with several, or a damaged one.
    """
    dcmread, pixel_array = _import_pydicom()
    try:
        content = dcmread(io.BytesIO(data))
        if not any(keyword in content for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
            raise InputError(f"{name}: a DICOM file without an image, or cut off; replace or remove it")
        pixels = pixel_array(content)
        lowest_is_white = content.PhotometricInterpretation == "MONOCHROME1"
        bits = int(content.BitsStored) if lowest_is_white else 0
    except InputError:
        raise
    except Exception as error:  # pydicom has no class of its own: damage shows as a dozen kinds of errors
        raise InputError(f"{name}: a DICOM file that cannot be read: {error}; replace or remove it") from None
    if pixels.ndim != (3 if content.SamplesPerPixel == 3 else 2):
        raise InputError(f"{name}: a DICOM file with {len(pixels)} images; split it, or remove it")
    if not lowest_is_white:
        return pixels
    signed = pixels.dtype.kind == "i"
    return -1 - pixels if signed else pixels.dtype.type(2**bits - 1) - pixels


@functools.cache
def _import_pydicom() -> tuple[Callable, Callable]:
    """Return the functions that read a file and that decode its image; they load for a while, and few sets need it.

    What pydicom warns of either ends in an error, or is a field beside the image that the standard forbids.
    """
    from pydicom import dcmread
    from pydicom.pixels import pixel_array

    warnings.filterwarnings("ignore", module="pydicom")
    return dcmread, pixel_array
