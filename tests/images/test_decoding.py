"""Images of every kind come out as RGB with 8 bits."""

import io
import tracemalloc
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from common.errors import InputError
from common.images.colours import scale_to_8_bits
from common.images.decoding import decode_image, save_image
from tests.other_readers import open_elsewhere

RGBA = np.random.default_rng(0).integers(0, 256, (21, 30, 4), dtype=np.uint8)
RGB, GREY = RGBA[..., :3], RGBA[..., 0]
PALETTE = Image.fromarray(RGB).quantize(16)
BITS = Image.fromarray(GREY > 127)
REPEATED = np.repeat(GREY[..., None], 3, axis=2)


def encoded(image: Image.Image | np.ndarray, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (RGBA, RGB),
        (RGB, RGB),
        (GREY, REPEATED),
        (Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(RGBA[..., 3])]), REPEATED),
        (PALETTE, np.asarray(PALETTE.convert("RGB"))),
        (BITS, np.asarray(BITS.convert("RGB"))),
        (GREY.astype(np.uint16) * 257, REPEATED),
    ],
    ids=["rgba", "rgb", "grey", "grey-alpha", "palette", "1-bit", "16-bit"],
)
def test_kinds_of_images(kind, image, expected):
    decoded = decode_image(encoded(image, kind), "x")
    np.testing.assert_array_equal(decoded, expected)
    assert decoded.dtype == np.uint8


@pytest.mark.parametrize("image", [RGB, GREY, PALETTE], ids=["rgb", "grey", "palette"])
@pytest.mark.parametrize("kind", ["BMP", "JPEG", "GIF"])
def test_other_files(kind, image):
    if kind == "JPEG" and image is PALETTE:
        image = image.convert("RGB")
    data = encoded(image, kind)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert np.abs(decode_image(data, "x") - expected).max() <= (2 if kind == "JPEG" else 0)


def test_transparent_palette_keeps_its_colours():
    data = encoded(PALETTE, "PNG", transparency=3)
    np.testing.assert_array_equal(decode_image(data, "x"), np.asarray(PALETTE.convert("RGB")))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_colour(suffix):
    deep = RGB[..., ::-1].astype(np.uint16) * 257
    np.testing.assert_array_equal(decode_image(cv2.imencode(suffix, deep)[1].tobytes(), "x"), RGB)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_12_bits_of_colour_are_stretched(suffix, channels):
    deep = np.random.default_rng(0).integers(100, 4096, (20, 30, channels)).astype(np.uint16)
    colours = deep[..., 2::-1].astype(float)
    low, high = colours.min(), colours.max()
    decoded = decode_image(cv2.imencode(suffix, deep)[1].tobytes(), "x")
    np.testing.assert_array_equal(decoded, np.rint((colours - low) * (255 / (high - low))))


def test_the_order_of_bytes_does_not_matter():
    values = np.array([[20000, 30000, 40000]], np.uint16)
    little, big = (decode_image(encoded(values.astype(order), "TIFF"), "x") for order in ("<u2", ">u2"))
    np.testing.assert_array_equal(little[0, :, 0], [78, 117, 156])
    np.testing.assert_array_equal(big, little)


def test_a_stack_of_images_is_refused():
    pages, stack = [Image.fromarray(np.full((4, 5), value, np.uint8)) for value in (10, 100)], io.BytesIO()
    pages[0].save(stack, "TIFF", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match=r"x\.tif: holds 2 images; save one per file"):
        decode_image(stack.getvalue(), "x.tif")


def test_a_header_of_far_too_many_pixels_is_refused():
    data = bytearray(encoded(Image.new("L", (4, 5)), "PNG"))
    data[16:24] = (40000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    message = (
        r"x\.png: 40000 x 40000 pixels are more than the limit of 1073741824; .* SEGMENTATION_MAX_PIXELS=1600000000"
    )
    with pytest.raises(InputError, match=message):
        decode_image(bytes(data), "x.png")


def test_fewer_bits_than_the_file_has_are_stretched():
    deep = np.linspace(300, 4095, 600).reshape(20, 30).astype(np.uint16)
    decoded = decode_image(encoded(deep, "PNG"), "x")
    np.testing.assert_array_equal(decoded[..., 0], np.rint((deep - 300.0) / 3795 * 255))
    assert scale_to_8_bits(np.full((2, 2), 9, np.uint16)).tolist() == [[0, 0], [0, 0]]
    floats = np.array([[-1.0, 0.0, 1.0]], np.float32)
    assert decode_image(encoded(floats, "TIFF"), "x")[0, :, 1].tolist() == [0, 128, 255]


@pytest.mark.parametrize("bright", [5000, 30000, 65535])
def test_hot_and_dead_pixels_do_not_keep_the_rest_dark(bright):
    deep = np.linspace(600, 1600, 2000).reshape(40, 50).astype(np.uint16)
    plain = decode_image(encoded(deep, "TIFF"), "x").astype(int)
    deep[[3, 20], [7, 30]] = bright, 0
    decoded = decode_image(encoded(deep, "TIFF"), "x").astype(int)
    assert (decoded[3, 7, 0], decoded[20, 30, 0]) == (255, 0)
    decoded[[3, 20], [7, 30]] = plain[[3, 20], [7, 30]]
    assert abs(decoded - plain).max() <= 6


@pytest.mark.parametrize("shape", [(2, 2), (1, 40), (1, 1)])
@pytest.mark.parametrize("offset", [0, 1e9])
def test_specks_on_nothing_are_seen(shape, offset):
    deep = np.full((40, 50), offset, np.float64 if offset else np.uint16)
    deep[3 : 3 + shape[0], 4 : 4 + shape[1]] += 30
    decoded = scale_to_8_bits(deep)
    assert (decoded == 255).sum() == np.prod(shape) and (decoded == 0).sum() == 2000 - np.prod(shape)


def test_many_bright_pixels_are_no_specks():
    deep = np.random.default_rng(0).integers(600, 700, (40, 50)).astype(np.uint16)
    deep[::5, ::5] = 5000
    assert (scale_to_8_bits(deep) > 20).sum() == 80


def test_a_deep_image_takes_sixteen_bytes_a_value_on_the_way():
    deep = np.random.default_rng(0).integers(0, 4096, (600, 500, 3)).astype(np.uint16)
    tracemalloc.start()
    scale_to_8_bits(deep)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 17 * deep.size


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_tiffs_of_every_depth(dtype, channels):
    blue, green, red, alpha = ((np.mgrid[:20, :30].sum(axis=0) + offset).astype(dtype) for offset in (0, 20, 40, 60))
    stored = blue if channels == 1 else np.stack([blue, green, red, alpha][:channels], axis=2)
    data = cv2.imencode(".tif", stored, [cv2.IMWRITE_TIFF_COMPRESSION, 1])[1].tobytes()  # else LogLuv, before 4.11
    decoded = decode_image(data, "x.tif").astype(float)
    expected = np.stack([blue] * 3 if channels == 1 else [red, green, blue], axis=2).astype(float)
    if dtype != np.uint8:
        expected = (expected - expected.min()) * 255 / np.ptp(expected)
    np.testing.assert_allclose(decoded, expected, atol=1)


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e300])
def test_values_that_are_not_finite_are_refused(value):
    data = cv2.imencode(".tif", np.array([[0, value]]))[1].tobytes()
    with pytest.raises(InputError, match=r"x\.tif: values are not finite, or exceed 32 bits"):
        decode_image(data, "x.tif")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_cut_off_images_are_refused(kind):
    data = encoded(RGB, kind)
    for length in (len(data) // 2, len(data) - 60):
        with pytest.raises(InputError, match=r"x\.png: (not an image|a damaged image)"):
            decode_image(data[:length], "x.png")


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"II*\0"])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(InputError, match=r"dir/x\.png: "):
        decode_image(data, "dir/x.png")


def test_saved_images_come_back(tmp_path):
    for image, expected in [(RGB, RGB), (GREY, REPEATED)]:
        save_image(tmp_path / "new" / "x.png", image)
        np.testing.assert_array_equal(decode_image((tmp_path / "new" / "x.png").read_bytes(), "x"), expected)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["x.png"]


def test_other_programs_open_what_is_saved(tmp_path):
    deep = np.random.default_rng(1).integers(0, 2**32, (40, 50)).astype(np.uint32)
    images = {
        "grey.png": GREY,
        "rgb.png": RGB,
        "grey.tif": GREY,
        "rgb.TIF": RGB,
        "16.tiff": deep.astype(np.uint16),
        "32.tif": deep,
        "one.tif": deep[:1, :1].astype(np.uint16),
        "rgb.bmp": RGB,
    }
    for name, image in images.items():
        save_image(tmp_path / name, image)
    opened = open_elsewhere([tmp_path / name for name in images], tmp_path / "opened")
    for expected, found in zip(images.values(), opened, strict=True):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


def test_an_image_that_is_too_wide_for_its_kind_is_named(tmp_path):
    with pytest.raises(InputError, match=r"x\.jpg: 1 x 70000 pixels are too many for this format"):
        save_image(tmp_path / "x.jpg", np.zeros((1, 70000, 3), np.uint8))
    assert not (tmp_path / "x.jpg").exists()


def test_an_unknown_kind_of_image_is_named(tmp_path):
    with pytest.raises(InputError, match=r"x\.what: unknown image format"):
        save_image(tmp_path / "x.what", RGB)
