"""TIFF, classic and BigTIFF, through tifffile, which says what a file is."""

import io
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from common.errors import InputError
from common.images.stored import Choice, StoredImage, check_size, choose_page, spread_bits

if TYPE_CHECKING:
    from tifffile import TiffFile, TiffPage, TiffPageSeries

# Numbers from the TIFF specification and its supplements.
MIN_IS_WHITE, RGB, PALETTE, CMYK, YCBCR = 0, 2, 3, 5, 6  # photometric interpretations
COLOURS = {MIN_IS_WHITE: 1, 1: 1, RGB: 3, PALETTE: 1, 4: 1, CMYK: 4, YCBCR: 3}  # samples that each of them needs
ALPHA = (1, 2)  # kinds of extra samples: premultiplied, and not
ORIENTATION = 274
JPEG = (6, 7, 33007, 34892)  # compressions that are decoded to RGB from YCbCr
LOSSLESS = {1, 2, 3, 4, 5, 8, 32773, 32946, 34925, 34926, 50000, 50013, 34933}

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what it survives is checked here, and named


def is_tiff(data: bytes) -> bool:
    """Recognise a TIFF file by its first bytes.

    Example:
        >>> is_tiff(b"II*" + bytes(1)), is_tiff(b"MM" + bytes(1) + b"+"), is_tiff(b"II")
        (True, True, False)
    """
    return data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def decode_tiff(data: bytes, name: str, choice: Choice | None = None) -> StoredImage:
    """Decode an image of a TIFF file.

    Reduced copies and transparency masks of an image do not count as further images.

    Args:
        data: the file's content.
        name: the file's name, for messages.
        choice: see `decode_stored`.

    Raises:
        InputError: a damaged file, several images, or a kind that cannot be decoded.
    """
    import tifffile  # which takes 0.2 seconds, and few sets need it

    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            _check_list_of_images(file, data, name)
            return _decode_chosen(file, name, choice)
    except InputError:
        raise
    except Exception as error:  # damage raises a dozen kinds in tifffile and its decoders
        raise InputError(f"{name}: a damaged image, or an unsupported kind of TIFF: {error}; save it as PNG") from None


def _check_list_of_images(file: "TiffFile", data: bytes, name: str) -> None:
    """Refuse a file whose list of images is cut off: tifffile would read the first part."""
    end = file.pages.next_page_offset or 0
    if any(data[end : end + file.tiff.offsetsize]):
        raise InputError(f"{name}: a damaged image: its list of images is cut off; replace or remove it")


def _decode_chosen(file: "TiffFile", name: str, choice: Choice | None) -> StoredImage:
    series = [one for one in file.series if not (one.keyframe.is_reduced or one.keyframe.is_mask)] or file.series
    pages = [(one, number) for one in series for number in range(_count_pages(one))]
    by_channel = len(series) == 1 and _page_axes(series[0]) == "C"
    if by_channel and len(pages) > 1 and choice and choice.channels and not choice.page:
        values = np.concatenate([_read_page(series[0], number, name) for number in range(len(pages))], axis=2)
        return _describe(values, series[0].keyframe, name, is_stack=True)
    one, number = pages[choose_page(len(pages), choice, name, " or, of its channels, with --channel" * by_channel)]
    return _describe(_read_page(one, number, name), one.keyframe, name)


def _page_axes(series: "TiffPageSeries") -> str:
    """Return the axes of a series that lead from page to page, such as "TZC"."""
    return "".join(axis for axis in series.axes if axis not in "YXS")


def _count_pages(series: "TiffPageSeries") -> int:
    return int(np.prod([size for axis, size in zip(series.axes, series.shape, strict=True) if axis not in "YXS"]))


def _read_page(series: "TiffPageSeries", number: int, name: str) -> np.ndarray:
    """Return an image of a series, (H, W, C)."""
    check_size(series.keyframe.imagelength, series.keyframe.imagewidth, name)
    if len(series) != _count_pages(series):  # a stack in one page, such as ImageJ's
        planes = _arrange(series.asarray(), series.axes)
        return planes[number]
    page = series[number]
    if page is None or (series.is_multifile and page.parent is not series.parent):
        raise InputError(f"{name}: image {number + 1} lies in another file; save it as a file of its own")
    _check_segments(page, name)
    return _arrange(page.asarray(), page.axes)[0]


def _arrange(values: np.ndarray, axes: str) -> np.ndarray:
    """Return values of any axes as (N, H, W, C); N pages."""
    others = [axis for axis in range(len(axes)) if axes[axis] not in "YXS"]
    samples = [axis for axis in range(len(axes)) if axes[axis] == "S"]
    height, width = axes.index("Y"), axes.index("X")
    arranged = values.transpose(*others, height, width, *samples)
    shape = values.shape[height], values.shape[width]
    return arranged.reshape(-1, *shape, values.shape[samples[0]] if samples else 1)


def _check_segments(page: Any, name: str) -> None:
    """Refuse strips and tiles that are not in the file: tifffile fills them with zeros."""
    places = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    expected = 1 if page.keyframe.is_contiguous else int(np.prod(page.keyframe.chunked))
    size = page.parent.filehandle.size
    inside = sum(offset > 0 and count > 0 and offset + count <= size for offset, count in places[:expected])
    if inside < expected:
        raise InputError(
            f"{name}: a damaged image: {expected - inside} of its {expected} strips or tiles are missing; replace it"
        )


def _describe(values: np.ndarray, page: "TiffPage", name: str, *, is_stack: bool = False) -> StoredImage:
    """Return what the file says of values, (H, W, C)."""
    photometric = int(page.photometric)
    if photometric not in COLOURS:
        raise InputError(f"{name}: colours of the kind {_name(page.photometric)}, which is not read; save it as RGB")
    if values.dtype.kind not in "biuf":
        raise InputError(f"{name}: values of type {values.dtype}; save it as integers or floats")
    if photometric == PALETTE:
        values = values[..., :1]
    elif not is_stack:
        values = _without_alpha(values, page, COLOURS[photometric])
    if photometric in (CMYK, YCBCR):
        values = _to_rgb(values, page, name)
    elif values.dtype == bool or (page.bitspersample < 8 and photometric != PALETTE):
        values = spread_bits(values, page.bitspersample)
    tag = page.tags.get(ORIENTATION)
    return StoredImage(
        values[..., 0] if values.shape[2] == 1 else values,
        is_rgb=photometric in (RGB, CMYK, YCBCR) and values.shape[2] == 3,
        palette=_read_palette(page, name) if photometric == PALETTE else None,
        min_is_white=photometric == MIN_IS_WHITE,
        bits=page.bitspersample if page.bitspersample > 8 else None,
        orientation=tag.value if tag and tag.value in range(1, 9) else 1,
        is_lossy=int(page.compression) not in LOSSLESS,
    )


def _without_alpha(values: np.ndarray, page: "TiffPage", colours: int) -> np.ndarray:
    """Return the colours, and all other channels that are not alpha; beside RGB, one of no kind counts as alpha."""
    kinds = [int(kind) for kind in page.extrasamples]
    kinds += [0] * (values.shape[2] - colours - len(kinds))
    if colours >= 3 and kinds == [0]:
        kinds = [ALPHA[0]]
    return values[..., [*range(colours), *(colours + i for i, kind in enumerate(kinds) if kind not in ALPHA)]]


def _to_rgb(values: np.ndarray, page: "TiffPage", name: str) -> np.ndarray:
    """Convert CMYK or YCbCr, (H, W, C), to RGB."""
    is_cmyk = int(page.photometric) == CMYK
    if not is_cmyk and int(page.compression) in JPEG:
        return values  # converted already
    if values.dtype != np.uint8 or values.shape[2] != (4 if is_cmyk else 3):
        kind = f"{_name(page.photometric)} of {values.dtype}, {values.shape[2]} channels"
        raise InputError(f"{name}: {kind}; save it as RGB")
    return np.asarray(Image.fromarray(np.ascontiguousarray(values), "CMYK" if is_cmyk else "YCbCr").convert("RGB"))


def _read_palette(page: "TiffPage", name: str) -> np.ndarray:
    """Return the colours, (N, 3) uint8; some programs write them with 8 bits where the format has 16."""
    if page.colormap is None:
        raise InputError(f"{name}: a damaged image: its palette is missing; replace or remove it")
    colours = page.colormap.T
    return (colours >> 8 if colours.max() > 255 else colours).astype(np.uint8)


def _name(number: Any) -> str:
    """Return the name of a value of an enumeration of tifffile, or the number of one that it does not know."""
    return getattr(number, "name", str(number))
