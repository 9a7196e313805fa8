"""PNG, JPEG, GIF, WebP, BMP and JPEG 2000 files come out as Pillow or imagecodecs give them, or are refused."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from common.errors import InputError
from common.images.decoding import decode_image, decode_stored
from common.images.stored import Choice

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (24, 31, 3), dtype=np.uint8)
GREY = RGB[..., 0]
Y, X = np.mgrid[:24, :31]
SMOOTH = np.stack([Y * 9, X * 8, (X + Y) * 4], axis=-1).astype(np.uint8)


def encode(image: Image.Image | np.ndarray, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, kind, **options)
    return file.getvalue()


def repeated(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


def png(header: tuple[int, int], rows: list[bytes], *chunks: tuple[bytes, bytes], interlaced: int = 0) -> bytes:
    """Return a PNG of given bits and colour type, made by hand; `rows` without filters."""
    width = {1: 8, 2: 4, 4: 2, 8: 1}[header[0]] * len(rows[0])

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), *header, 0, 0, interlaced))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + start + b"".join(chunk(*one) for one in chunks) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("transparent", [False, True])
def test_png_of_few_bits(bits, transparent):
    rows = [bytes([0b00011011, 0b11100100]), bytes([0xFF, 0x00])]
    values = [[byte >> shift & 2**bits - 1 for byte in row for shift in range(8 - bits, -1, -bits)] for row in rows]
    chunks = [(b"tRNS", bytes([0, 1]))] if transparent else []
    decoded = decode_image(png((bits, 0), rows, *chunks), "x")
    np.testing.assert_array_equal(decoded, repeated(np.array(values) * 255 // (2**bits - 1)))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_png_palettes(bits):
    colours = RNG.integers(0, 256, (2**bits, 3), dtype=np.uint8)
    rows = [bytes([0b00011011, 0b11100100])]
    values = [[byte >> shift & 2**bits - 1 for byte in row for shift in range(8 - bits, -1, -bits)] for row in rows]
    data = png((bits, 3), rows, (b"PLTE", colours.tobytes()), (b"tRNS", bytes([0, 9])))
    np.testing.assert_array_equal(decode_stored(data, "x").pixels, values)
    np.testing.assert_array_equal(decode_image(data, "x"), colours[values])


@pytest.mark.parametrize("kind", [b"gAMA", b"sBIT", b"bKGD"])
def test_png_hints_change_nothing(kind):
    hint = {b"gAMA": struct.pack(">I", 100000), b"sBIT": b"\4", b"bKGD": b"\0\7"}[kind]
    rows = [bytes(range(0, 240, 10))]
    assert decode_image(png((8, 0), rows, (kind, hint)), "x")[0, :, 1].tolist() == list(rows[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_channels(channels, dtype):
    values = RNG.integers(0, 256, (20, 30, channels)).astype(dtype) * dtype(257 if dtype == np.uint16 else 1)
    stored = decode_stored(imagecodecs.png_encode(values.squeeze()), "x")
    colours = values[..., : 1 if channels < 3 else 3].squeeze()
    np.testing.assert_array_equal(stored.pixels, colours)
    eight = (colours // 257 if dtype == np.uint16 else colours).astype(np.uint8)
    decoded = decode_image(imagecodecs.png_encode(values.squeeze()), "x")
    np.testing.assert_array_equal(decoded, eight if channels > 2 else repeated(eight))


def test_interlaced_png():
    """Adam7, by hand: 2 x 2 pixels are three passes of 1, 1 and 2 pixels."""
    start = png((8, 0), [b"ab", b"cd"], interlaced=1)
    passes = zlib.compress(b"\0a" + b"\0b" + b"\0cd")
    body = struct.pack(">I", len(passes)) + b"IDAT" + passes + struct.pack(">I", zlib.crc32(b"IDAT" + passes))
    data = start[: start.index(b"IDAT") - 4] + body + start[start.index(b"IEND") - 4 :]
    assert decode_image(data, "x")[..., 0].tolist() == [[97, 98], [99, 100]]


def test_damaged_png():
    data = bytearray(encode(RGB, "PNG"))
    data[data.index(b"IDAT") + 400] ^= 0x55
    with pytest.raises(InputError, match=r"x\.png: a damaged image; replace or remove it"):
        decode_image(bytes(data), "x.png")
    with pytest.raises(InputError, match=r"x\.png: a damaged image: its end is missing"):
        decode_image(encode(RGB, "PNG")[:-12], "x.png")


@pytest.mark.parametrize("padding", [0, 1, 64, 5000])
@pytest.mark.parametrize("kind", ["plain", "MPO", "progressive", "thumbnail", "trailer"])
def test_camera_jpegs(kind, padding):
    """A preview, zeros or a film after the end, as cameras and phones add them, change nothing."""
    first = encode(SMOOTH, "JPEG", quality=95, progressive=kind == "progressive")
    preview = Image.fromarray(SMOOTH[::2, ::2])
    data = first
    if kind == "MPO":
        data = encode(SMOOTH, "MPO", save_all=True, append_images=[preview], quality=95)
    elif kind == "thumbnail":
        exif = b"Exif\0\0" + encode(preview, "JPEG")
        data = first[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + first[2:]
    elif kind == "trailer":
        data = first + b"\0\0\0\x18ftypmp42" + RNG.bytes(3000)
    decoded = decode_image(data + bytes(padding), "x.jpg")
    expected = np.asarray(Image.open(io.BytesIO(first)))
    assert np.abs(decoded.astype(int) - expected).max() <= 2
    assert decode_stored(data, "x").is_lossy
    with pytest.raises(InputError, match=r"x\.jpg: a damaged image: its end is missing"):
        cut = data if kind == "thumbnail" else first
        decode_image(cut[: cut.rindex(b"\xff\xda") + 40] + bytes(padding), "x.jpg")


@pytest.mark.parametrize("marker", ["adobe", "none", "ycck"])
def test_cmyk_jpeg(marker):
    ink = np.dstack([SMOOTH, SMOOTH[..., 0] // 3])
    if marker == "ycck":
        data = imagecodecs.jpeg8_encode(255 - ink, colorspace="CMYK", outcolorspace="YCCK", level=98)
    else:
        data = encode(Image.fromarray(ink, "CMYK"), "JPEG", quality=98)
        start = data.index(b"\xff\xee")
        length = struct.unpack(">H", data[start + 2 : start + 4])[0]
        data = data if marker == "adobe" else data[:start] + data[start + 2 + length :]
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    assert np.abs(decode_image(data, "x") - expected).max() <= 3
    if marker == "adobe":
        right = np.asarray(Image.fromarray(ink, "CMYK").convert("RGB")).astype(int)
        assert np.abs(decode_image(data, "x") - right).max() <= 12


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animations_are_stacks(kind):
    frames = [Image.fromarray(values) for values in (GREY, GREY[::-1].copy(), 255 - GREY)]
    frames = [frame.convert("RGB") for frame in frames] if kind == "WEBP" else frames
    data = encode(
        frames[0], kind, save_all=True, append_images=frames[1:], **({"lossless": True} if kind == "WEBP" else {})
    )
    with pytest.raises(InputError, match="x: holds 3 images; save one per file"):
        decode_image(data, "x")
    with pytest.raises(InputError, match="x: holds 3 images; choose one with --page 1 to 3, or save one per file"):
        decode_image(data, "x", Choice())
    for page, values in enumerate((GREY, GREY[::-1], 255 - GREY), start=1):
        np.testing.assert_array_equal(decode_image(data, "x", Choice(page=page)), repeated(values))


@pytest.mark.parametrize(
    ("kind", "options", "is_lossy"),
    [("WEBP", {"lossless": True}, False), ("WEBP", {"quality": 100}, True), ("GIF", {}, False), ("BMP", {}, False)],
)
def test_other_formats(kind, options, is_lossy):
    data = encode(GREY if kind == "GIF" else SMOOTH, kind, **options)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(decode_image(data, "x"), expected)
    assert decode_stored(data, "x").is_lossy == is_lossy


@pytest.mark.parametrize("codec", ["jp2", "j2k"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_jpeg_2000(channels, dtype, codec):
    values = (RNG.integers(0, 256, (40, 50, channels)) * (16 if dtype == np.uint16 else 1)).astype(dtype).squeeze()
    data = imagecodecs.jpeg2k_encode(values, level=0, reversible=True, codecformat=codec)
    expected = values[..., :3] if channels == 4 else values
    np.testing.assert_array_equal(decode_stored(data, "x").pixels, expected)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [0, 1, 3, 6, 8, 9])
def test_orientation_is_noted_and_not_applied(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(SMOOTH, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {"lossless": True}))
    stored = decode_stored(data, "x")
    assert stored.orientation == (orientation if 1 <= orientation <= 8 else 1)
    assert np.abs(stored.pixels.astype(int) - SMOOTH).max() <= 12


def test_damaged_exif_is_ignored():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(SMOOTH, "JPEG", quality=95, exif=exif)
    for bad in (data.replace(b"MM\0*\0\0\0\x08", b"MM\0*\0\xff\xff\x08"), data.replace(b"MM\0*", b"XX\0*")):
        assert bad != data
        assert decode_stored(bad, "x").orientation == 1


def test_the_limit_of_pixels(monkeypatch):
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP"):
        data = encode(GREY, kind)
        monkeypatch.setenv("SEGMENTATION_MAX_PIXELS", "743")
        with pytest.raises(InputError, match=r"x: 24 x 31 pixels are more than the limit of 743; .*MAX_PIXELS=744$"):
            decode_image(data, "x")
        monkeypatch.setenv("SEGMENTATION_MAX_PIXELS", "744")
        assert decode_image(data, "x").shape == (24, 31, 3)
    monkeypatch.setenv("SEGMENTATION_MAX_PIXELS", "1e9")
    with pytest.raises(InputError, match="SEGMENTATION_MAX_PIXELS=1e9: not a number of pixels"):
        decode_image(data, "x")


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_what_opencv_does_not_read(kind, monkeypatch):
    monkeypatch.setattr("common.images.formats.raster.MOST_PIXELS", 700)
    decoded = decode_image(encode(SMOOTH, kind), "x")
    np.testing.assert_array_equal(decoded, np.asarray(Image.open(io.BytesIO(encode(SMOOTH, kind)))))
    if kind == "PNG":
        with pytest.raises(InputError, match="16-bit colours of 24 x 31 pixels; save it as TIFF"):
            decode_image(imagecodecs.png_encode(SMOOTH.astype(np.uint16)), "x")
