"""The image in a DICOM file comes out as it is stored; what holds none is refused in one line."""

import numpy as np
import pytest

from common.errors import InputError
from common.images.decoding import decode_image
from common.images.dicom import decode_dicom
from tests.dicoms import encode_dicom

GREY = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
SMOOTH = np.add.outer(np.arange(32, dtype=np.uint8) * 4, np.arange(24, dtype=np.uint8) * 3)
JPEG = encode_dicom(SMOOTH, jpeg=True)


def test_a_plain_image():
    np.testing.assert_array_equal(decode_dicom(encode_dicom(GREY), "x"), GREY)
    decoded = decode_image(encode_dicom(GREY), "x")
    np.testing.assert_array_equal(decoded, np.repeat(GREY[..., None], 3, axis=2))


def test_jpeg_baseline():
    decoded = decode_dicom(JPEG, "x")
    assert decoded.dtype == np.uint8 and decoded.shape == SMOOTH.shape
    assert np.abs(decoded.astype(int) - SMOOTH).max() <= 4


def test_colour():
    colours = np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode_image(encode_dicom(colours), "x"), colours)


def test_twelve_bits_become_eight():
    values = np.array([[0, 1000], [2000, 4095]], np.uint16)
    data = encode_dicom(values, BitsStored=12, HighBit=11)
    assert decode_image(data, "x")[..., 0].tolist() == [[0, 62], [125, 255]]


@pytest.mark.parametrize(("dtype", "bits", "expected"), [("u1", 8, [255, 155]), ("u2", 12, [4095, 3995])])
def test_lowest_is_white(dtype, bits, expected):
    data = encode_dicom(np.array([[0, 100]], dtype), PhotometricInterpretation="MONOCHROME1", BitsStored=bits)
    assert decode_dicom(data, "x").tolist() == [expected]


def test_lowest_is_white_with_signs():
    data = encode_dicom(np.array([[-5, 4]], np.int16), PhotometricInterpretation="MONOCHROME1")
    assert decode_dicom(data, "x").tolist() == [[4, -5]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (encode_dicom(None), "x.dcm: a DICOM file without an image, or truncated"),
        (JPEG[:-40], "x.dcm: a DICOM file"),
        (JPEG[:300], "x.dcm: a DICOM file"),
        (encode_dicom(GREY)[:-40], "x.dcm: a DICOM file"),
        (encode_dicom(np.stack([GREY, GREY]), NumberOfFrames=2), "x.dcm: a DICOM file with 2 images"),
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
