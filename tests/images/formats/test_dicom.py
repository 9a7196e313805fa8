"""The image in a DICOM file comes out as it is stored; what holds none is refused in one line."""

import numpy as np
import pytest

from common.errors import InputError
from common.images.decoding import decode_image
from common.images.formats.dicom import decode_dicom
from common.images.stored import MOST_PIXELS, Choice, PixelLimitError
from tests.dicoms import encode_dicom

GREY = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
SMOOTH = np.add.outer(np.arange(32, dtype=np.uint8) * 4, np.arange(24, dtype=np.uint8) * 3)
JPEG = encode_dicom(SMOOTH, jpeg=True)


def test_a_plain_image():
    np.testing.assert_array_equal(decode_dicom(encode_dicom(GREY), "x").pixels, GREY)
    decoded = decode_image(encode_dicom(GREY), "x")
    np.testing.assert_array_equal(decoded, np.repeat(GREY[..., None], 3, axis=2))


def test_jpeg_baseline():
    decoded = decode_dicom(JPEG, "x").pixels
    assert decoded.dtype == np.uint8 and decoded.shape == SMOOTH.shape
    assert np.abs(decoded.astype(int) - SMOOTH).max() <= 4


def test_colour():
    colours = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode_image(encode_dicom(colours), "x"), colours)


def test_twelve_bits_become_eight():
    values = np.array([[0, 1000], [2000, 4095]], np.uint16)
    data = encode_dicom(values, BitsStored=12, HighBit=11)
    assert decode_image(data, "x")[..., 0].tolist() == [[0, 62], [125, 255]]


@pytest.mark.parametrize(("dtype", "bits", "expected"), [("u1", 8, [255, 155]), ("u2", 12, [255, 0])])
def test_lowest_is_white(dtype, bits, expected):
    data = encode_dicom(np.array([[0, 100]], dtype), PhotometricInterpretation="MONOCHROME1", BitsStored=bits)
    stored = decode_dicom(data, "x")
    assert stored.min_is_white and stored.pixels.tolist() == [[0, 100]]
    assert decode_image(data, "x")[..., 0].tolist() == [expected]


def test_lowest_is_white_with_signs():
    values = np.array([[-5, 4, 1, 4]], np.int16)
    data = encode_dicom(values, PhotometricInterpretation="MONOCHROME1")
    assert decode_image(data, "x")[..., 0].tolist() == [[255, 0, 85, 0]]


@pytest.mark.parametrize(
    ("photometric", "slope", "falls"),
    [("MONOCHROME2", -1, True), ("MONOCHROME1", -1, False), ("MONOCHROME2", 2, False), ("MONOCHROME1", 1, True)],
)
def test_a_falling_scale_exchanges_black_and_white(photometric, slope, falls):
    values = np.array([[0, 1000, 3000, 3000]], np.uint16)
    data = encode_dicom(
        values, PhotometricInterpretation=photometric, BitsStored=12, RescaleSlope=slope, RescaleIntercept=0
    )
    assert decode_image(data, "x")[0, :, 0].tolist() == ([255, 170, 0, 0] if falls else [0, 85, 255, 255])


def test_a_palette_gives_its_colours():
    values = np.array([[0, 1, 2, 1]], np.uint8)
    colours = np.array([[255, 0, 0], [0, 128, 0], [1, 2, 3]], np.uint16)
    names = ("Red", "Green", "Blue")
    tables = {f"{name}PaletteColorLookupTableData": (colours[:, i] * 257).tobytes() for i, name in enumerate(names)}
    sizes = {f"{name}PaletteColorLookupTableDescriptor": [3, 0, 16] for name in names}
    data = encode_dicom(values, PhotometricInterpretation="PALETTE COLOR", **sizes, **tables)
    assert decode_image(data, "x").tolist() == colours[values].tolist()


def test_one_bit():
    bits = GREY > 127
    packed = np.packbits(bits, bitorder="little").tobytes()
    for photometric, expected in (("MONOCHROME2", bits), ("MONOCHROME1", ~bits)):
        fields = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "PixelData": packed}
        data = encode_dicom(GREY, PhotometricInterpretation=photometric, **fields)
        np.testing.assert_array_equal(decode_image(data, "x")[..., 0], expected * 255)


def test_without_the_preamble():
    np.testing.assert_array_equal(decode_dicom(encode_dicom(GREY)[132:], "x").pixels, GREY)
    np.testing.assert_array_equal(decode_image(encode_dicom(GREY)[132:], "x")[..., 0], GREY)


def test_one_of_several_images():
    stack = np.stack([GREY, GREY[::-1], GREY // 2])
    data = encode_dicom(stack, NumberOfFrames=3)
    for page in (1, 2, 3):
        np.testing.assert_array_equal(decode_image(data, "x", Choice(page=page))[..., 0], stack[page - 1])
    with pytest.raises(InputError, match=r"x: has no image 4, as it holds 3; choose another --page"):
        decode_image(data, "x", Choice(page=4))
    one = encode_dicom(GREY[None], NumberOfFrames=1)
    np.testing.assert_array_equal(decode_image(one, "x", Choice(page=1))[..., 0], GREY)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (encode_dicom(None), "x.dcm: a DICOM file without an image, or truncated"),
        (JPEG[:-40], "x.dcm: a DICOM file"),
        (JPEG[:300], "x.dcm: a DICOM file"),
        (encode_dicom(GREY)[:-40], "x.dcm: a DICOM file"),
        (encode_dicom(np.stack([GREY, GREY]), NumberOfFrames=2), "x.dcm: holds 2 images; save one per file"),
        (encode_dicom(SMOOTH, jpeg=True, Rows=16), "x.dcm: a DICOM file that cannot be decoded"),
        (JPEG.replace(b"\xff\xd8\xff\xe0", b"\xff\xd9\xff\xe0"), "x.dcm: a DICOM file that cannot be decoded"),
        (bytes(200), "x.dcm: not an image"),
        (b"", "x.dcm: not an image"),
    ],
    ids=["none", "cut", "header", "cut-plain", "frames", "shape", "jpeg", "zeros", "nothing"],
)
def test_what_is_no_image(data, message):
    with pytest.raises(InputError) as raised:
        decode_image(data, "x.dcm")
    assert str(raised.value).startswith(message)


def test_a_compressed_image_is_measured_by_its_own_header(monkeypatch):
    monkeypatch.setenv(MOST_PIXELS, str(SMOOTH.size))
    decode_dicom(JPEG, "x")
    monkeypatch.setenv(MOST_PIXELS, str(SMOOTH.size - 1))
    with pytest.raises(PixelLimitError, match=r"x: 32 x 24 pixels are more than the limit of 767"):
        decode_dicom(encode_dicom(SMOOTH, jpeg=True, Rows=2, Columns=2), "x")
