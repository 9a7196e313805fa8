"""Decode images of all common formats to 8-bit RGB; write images."""

import io
import os
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from common.errors import InputError
from common.images.colours import scale_to_8_bits
from common.images.formats.dicom import decode_dicom, is_dicom
from common.images.formats.raster import decode_raster
from common.images.formats.tiff import decode_tiff, is_tiff
from common.images.stored import (
    Choice,
    StoredImage,
    choose_channels,
    invert,
    is_annotated_upright,
    turn_upright,
)
from common.storage.files import written_aside
from common.storage.trees import FileTree

UNREAD = {".avif", ".czi", ".dcm", ".dng", ".exr", ".heic", ".jxl", ".lif", ".lsm", ".nd2", ".npy", ".psd", ".svs"}


def is_image(path: PurePosixPath) -> bool:
    """Tell whether a file has an image's suffix.

    Example:
        >>> is_image(PurePosixPath("a/B.TIF")), is_image(PurePosixPath("a/b.csv"))
        (True, False)
    """
    return path.suffix.lower() in {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif", ".webp", ".jp2"}


def is_unread_image(path: PurePosixPath) -> bool:
    """Tell whether a file has the suffix of a kind of image that is not read, or not from folders of images.

    Example:
        >>> is_unread_image(PurePosixPath("a/b.CZI")), is_unread_image(PurePosixPath("a/b.png"))
        (True, False)
    """
    return path.suffix.lower() in UNREAD


def decode_image(data: bytes, name: str, choice: Choice | None = None, *, upright: bool = False) -> np.ndarray:
    """Decode a PNG, JPEG, TIFF, BMP, GIF, WebP, JPEG 2000 or DICOM file to 8-bit RGB.

    Alpha is dropped, a single channel repeated, a higher bit depth reduced by `scale_to_8_bits`.

    Orientation, in EXIF or a TIFF tag: files of competitions, and masks and label images with their images, are read as
    stored. Where outlines were drawn in a browser, which turns images (VIA, makesense.ai, COCO's tools), `upright`.

    Args:
        data: the file's content.
        name: the file's name, for messages.
        choice: what the user chose of a file with several images or channels; None where no choice is offered.
        upright: turn the image as its orientation says.

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        InputError: not an image, a damaged one, or several images or channels without a choice.
    """
    return to_rgb(decode_stored(data, name, choice), name, choice, upright=upright)


def read_from_tree(tree: FileTree, name: str, choice: Choice | None = None) -> np.ndarray:
    """Read an image of a folder or archive, see `decode_image`."""
    return decode_image(tree.read(name), f"{tree.path}/{name}", choice)


def decode_annotated(data: bytes, name: str, image_shape: tuple[int, int], remedy: str) -> np.ndarray:
    """Decode an image whose annotations give its size: upright, or as stored if only that is their size.

    Args:
        data: the file's content.
        name: the file's name, for messages.
        image_shape: (height, width), pixels.
        remedy: against another size, for the message.

    Raises:
        InputError: see `decode_image`; or it has another size.
    """
    stored = decode_stored(data, name)
    return to_rgb(stored, name, upright=is_annotated_upright(stored, name, image_shape, remedy))


def read_image(path: str | os.PathLike[str], choice: Choice | None = None) -> np.ndarray:
    """Read an image file; see `decode_image`.

    Raises:
        InputError: no such file, not an image, or a damaged one.
    """
    try:
        return decode_image(Path(path).read_bytes(), str(path), choice)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give an image") from None


def decode_stored(data: bytes, name: str, choice: Choice | None = None) -> StoredImage:
    """Decode an image file as it is, for callers that need more than its colours.

    Args:
        data: the file's content.
        name: the file's name, for messages.
        choice: see `decode_image`; its page matters here.

    Returns:
        Its pixels of its own dtype, and what the file says about them.

    Raises:
        InputError: not an image, a damaged one, or several images.
    """
    if is_dicom(data):
        return decode_dicom(data, name, choice)
    if is_tiff(data):
        return decode_tiff(data, name, choice)
    return decode_raster(data, name, choice)


def to_rgb(stored: StoredImage, name: str, choice: Choice | None = None, *, upright: bool = False) -> np.ndarray:
    """Convert an image as stored to what `decode_image` returns, (H, W, 3) uint8, RGB."""
    image = choose_channels(stored, name, choice.channels if choice else None)
    if stored.min_is_white:
        image = invert(image, stored.bits)
    if image.dtype != np.uint8:
        if image.dtype.kind == "f" and not (abs(image) < np.finfo(np.float32).max / 2).all():
            raise InputError(f"{name}: values are not finite, or exceed 32 bits; repair or remove it")
        image = scale_to_8_bits(image)
    image = turn_upright(image, stored.orientation) if upright else image
    return image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)


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
    import tifffile  # slow to import

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
