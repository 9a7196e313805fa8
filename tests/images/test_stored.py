"""What a file says about its image comes out beside its pixels, and is obeyed where it is asked for."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from common.errors import InputError
from common.images.decoding import decode_annotated, decode_image, decode_stored, read_image
from common.images.stored import Choice, report_turned, turn_upright
from tests.turned import BOX, UPRIGHT, find_box, turned_jpeg

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


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_way_up(orientation):
    data = turned_jpeg(orientation)
    assert find_box(np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))) == BOX
    assert find_box(decode_image(data, "x", upright=True)) == BOX
    stored = decode_image(data, "x")
    np.testing.assert_allclose(stored.astype(int), np.asarray(Image.open(io.BytesIO(data))), atol=2)
    assert (find_box(stored) == BOX) == (orientation == 1)
    tiff = as_tiff(stored, photometric="rgb", extratags=[(274, "H", 1, orientation, True)])
    np.testing.assert_array_equal(decode_image(tiff, "x"), stored)
    np.testing.assert_array_equal(decode_image(tiff, "x", upright=True), decode_image(data, "x", upright=True))
    np.testing.assert_array_equal(
        turn_upright(stored[..., 0], orientation), decode_image(tiff, "x", upright=True)[..., 0]
    )


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_of_annotations_tells_the_way_up(orientation):
    data = turned_jpeg(orientation)
    upright = decode_annotated(data, "x", (60, 36), "draw it again")
    np.testing.assert_array_equal(upright, decode_image(data, "x", upright=True))
    if orientation >= 5:
        np.testing.assert_array_equal(decode_annotated(data, "x", (36, 60), "draw it again"), decode_image(data, "x"))
    else:
        with pytest.raises(InputError, match="x: 60 x 36 pixels, but annotated as 36 x 60; draw it again"):
            decode_annotated(data, "x", (36, 60), "draw it again")
    with pytest.raises(InputError, match="x: 60 x 36 pixels, but annotated as 60 x 37; draw it again"):
        decode_annotated(data, "x", (60, 37), "draw it again")


def test_turned_images_are_reported(lines):
    report_turned("set", 0, upright=True)
    report_turned("set", 2, upright=True)
    report_turned("set", 2, upright=False)
    upright, stored = lines()
    assert upright.startswith("set: 2 images have an orientation tag") and "turned upright" in upright
    assert "read as stored" in stored


def test_channels_are_chosen_of_colours_and_palettes():
    colours = np.dstack([GREY, GREY[::-1], 255 - GREY])
    data = encoded(Image.fromarray(colours), "PNG")
    np.testing.assert_array_equal(decode_image(data, "x", Choice(channels=(2,)))[..., 0], GREY[::-1])
    np.testing.assert_array_equal(decode_image(data, "x", Choice(channels=(3, 2, 1))), colours[..., ::-1])
    grey = encoded(Image.fromarray(GREY), "PNG")
    np.testing.assert_array_equal(decode_image(grey, "x", Choice(1, (1,)))[..., 2], GREY)
    with pytest.raises(InputError, match="x: has no channel 4, as it holds 3"):
        decode_image(encoded(PALETTE, "PNG"), "x", Choice(channels=(4,)))
    with pytest.raises(InputError, match="x: has no channel 2, as it holds 1"):
        decode_image(grey, "x", Choice(channels=(2,)))
    with pytest.raises(InputError, match="x: has no image 2, as it holds 1"):
        decode_image(grey, "x", Choice(page=2))


def test_an_image_in_a_file(tmp_path):
    (tmp_path / "x.png").write_bytes(encoded(Image.fromarray(np.dstack([GREY, GREY, 255 - GREY])), "PNG"))
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", Choice(channels=(3,)))[..., 0], 255 - GREY)
    assert find_box(UPRIGHT) == BOX
    with pytest.raises(InputError, match=r"y\.png: no such file"):
        read_image(tmp_path / "y.png")
