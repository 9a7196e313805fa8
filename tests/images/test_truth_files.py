"""Masks and label images of every kind come out as drawn, or are refused in one line."""

import io

import numpy as np
import pytest
from PIL import Image

from common.errors import InputError
from common.images.truth_files import decode_mask, labels_in_16_bits

GREY = np.random.default_rng(0).integers(0, 256, (21, 30), dtype=np.uint8)


def encoded(image: Image.Image | np.ndarray, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"II*\0"])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(InputError, match=r"dir/x\.png: "):
        decode_mask(data, "dir/x.png")


@pytest.mark.parametrize("form", ["bits", "grey", "ones", "rgba", "16-bit", "palette"])
def test_masks_of_every_kind(form):
    mask = GREY > 127
    image = {
        "bits": Image.fromarray(mask),
        "grey": mask.astype(np.uint8) * 255,
        "ones": mask.astype(np.uint8),
        "rgba": np.dstack([np.zeros_like(GREY), np.zeros_like(GREY), mask.astype(np.uint8), np.full_like(GREY, 255)]),
        "16-bit": mask.astype(np.uint16),
        "palette": Image.fromarray(mask).convert("P"),
    }[form]
    decoded = decode_mask(encoded(image, "PNG"), "x")
    np.testing.assert_array_equal(decoded, mask)
    assert decoded.dtype == bool


def test_an_empty_mask():
    assert not decode_mask(encoded(np.zeros((4, 5), np.uint8), "PNG"), "x").any()


def test_more_objects_than_16_bits_can_number():
    labels = np.arange(2**16 + 1, dtype=np.int32)[None]
    np.testing.assert_array_equal(labels_in_16_bits(labels[:, :-1], "x"), labels[:, :-1])
    with pytest.raises(InputError, match="x: 65536 objects do not fit into 16 bits"):
        labels_in_16_bits(labels, "x")
