"""What a file says about its image comes out beside its pixels."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from common.images.decoding import decode_image, decode_stored

GREY = np.random.default_rng(0).integers(0, 256, (21, 30), dtype=np.uint8)
PALETTE = Image.fromarray(np.dstack([GREY, GREY[::-1], GREY.T[:21, :21].repeat(2, 1)[:, :30]])).quantize(16)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def as_tiff(pixels: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def test_a_plain_image():
    stored = decode_stored(encoded(Image.fromarray(GREY), "PNG"), "x")
    np.testing.assert_array_equal(stored.pixels, GREY)
    assert stored.palette is None and not stored.min_is_white and stored.orientation == 1 and not stored.is_lossy
    assert stored.shape == (21, 30)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "GIF", "BMP"])
def test_a_palette_gives_its_indices(kind):
    stored = decode_stored(encoded(PALETTE, kind), "x")
    assert stored.palette is not None
    np.testing.assert_array_equal(stored.palette[stored.pixels], np.asarray(PALETTE.convert("RGB")))
    np.testing.assert_array_equal(decode_image(encoded(PALETTE, kind), "x"), np.asarray(PALETTE.convert("RGB")))
    if kind != "GIF":  # which is sorted anew when written
        np.testing.assert_array_equal(stored.pixels, np.asarray(PALETTE))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_may_be_the_lowest_value(dtype):
    stored = decode_stored(as_tiff(GREY.astype(dtype), photometric="miniswhite"), "x")
    assert stored.min_is_white
    np.testing.assert_array_equal(stored.pixels, GREY)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_orientation(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("JPEG", "PNG"):
        assert decode_stored(encoded(Image.fromarray(GREY), kind, exif=exif), "x").orientation == orientation
    tiff = as_tiff(GREY, extratags=[(274, "H", 1, orientation, True)])
    assert decode_stored(tiff, "x").orientation == orientation


@pytest.mark.parametrize(("kind", "lossy"), [("JPEG", True), ("PNG", False), ("TIFF", False)])
def test_lossy_compression(kind, lossy):
    assert decode_stored(encoded(Image.fromarray(GREY), kind), "x").is_lossy == lossy
