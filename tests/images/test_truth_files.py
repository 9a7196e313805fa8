"""Masks and label images of every kind come out as drawn, or are refused in one line."""

import io

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from common.errors import InputError
from common.images.decoding import decode_stored, save_image
from common.images.truth_files import decode_labels, decode_mask, labels_to_save

Y, X = np.mgrid[:64, :64]
DISC, RING = (Y - 20) ** 2 + (X - 22) ** 2 < 100, abs((Y - 32) ** 2 + (X - 32) ** 2 - 210) < 90
SMALL = (Y - 50) ** 2 + (X - 9) ** 2 < 9
NOTHING = np.zeros_like(DISC)
LABELS = (DISC + 2 * ((Y - 45) ** 2 + (X - 45) ** 2 < 150) + 3 * SMALL).astype(np.uint8)
GREY = DISC.astype(np.uint8) * 255
KINDS = ("miniswhite", "minisblack")
PALETTE = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0] + [0] * 756


def encoded(image: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, kind, **options)
    return file.getvalue()


def as_tiff(pixels: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def with_palette(indices: np.ndarray, kind: str = "PNG") -> bytes:
    image = Image.fromarray(indices).convert("L")
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette(PALETTE)
    return encoded(image, kind)


def turned(pixels: np.ndarray, orientation: int) -> bytes:
    return as_tiff(pixels, extratags=[(274, "H", 1, orientation, True)])


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"II*\0"])
def test_what_is_no_image_is_refused(data):
    for decode in (decode_mask, decode_labels):
        with pytest.raises(InputError, match=r"dir/x\.png: "):
            decode(data, "dir/x.png")


def colour(mask, value=(255, 255, 255)):
    return mask[..., None] * np.array(value, np.uint8)


@pytest.mark.parametrize(
    "mask", [DISC, RING, DISC | SMALL, NOTHING, ~NOTHING], ids=["disc", "ring", "two", "no", "all"]
)
@pytest.mark.parametrize(
    "encode",
    [
        lambda mask: encoded(Image.fromarray(mask)),
        lambda mask: encoded(mask.astype(np.uint8) * 255),
        lambda mask: encoded(mask.astype(np.uint8)),
        lambda mask: encoded(mask.astype(np.uint8) * 128),
        lambda mask: encoded(mask.astype(np.uint16) * 300),
        lambda mask: as_tiff(mask.astype(np.float32)),
        lambda mask: encoded(colour(mask)),
        lambda mask: encoded(colour(mask, (0, 0, 1))),
        lambda mask: encoded(np.dstack([colour(mask, (0, 9, 200)), np.full(mask.shape, 255, np.uint8)])),
        lambda mask: with_palette(mask.astype(np.uint8)),
        lambda mask: encoded(Image.fromarray(mask), "TIFF", compression="group4"),
        lambda mask: as_tiff(mask == (mask.mean() > 0.5), photometric=KINDS[int(mask.mean() > 0.5)]),
        lambda mask: encoded(mask.astype(np.uint8) * 255, "BMP"),
        lambda mask: encoded(mask.astype(np.uint8) * 255, "GIF"),
    ],
    ids=[
        "bits",
        "255",
        "1",
        "128",
        "16-bit",
        "float",
        "rgb",
        "blue",
        "rgba",
        "palette",
        "group4",
        "min-is-white",
        "bmp",
        "gif",
    ],
)
def test_a_mask_of_two_values_is_where_its_brighter_one_is(encode, mask):
    drawn = decode_mask(encode(mask), "x")
    np.testing.assert_array_equal(drawn.pixels, mask)
    assert drawn.pixels.dtype == bool and not drawn.is_cut


def test_neither_of_the_two_values_need_be_0():
    np.testing.assert_array_equal(decode_mask(encoded(DISC.astype(np.uint8) + 1), "x").pixels, DISC)


@pytest.mark.parametrize("mask", [DISC, RING, DISC | SMALL], ids=["disc", "ring", "two"])
@pytest.mark.parametrize("quality", [30, 75, 95])
def test_a_jpeg_mask_is_what_was_drawn(mask, quality):
    """Taken for "not 0", it has up to twice as many pixels."""
    jpeg = encoded(mask.astype(np.uint8) * 255, "JPEG", quality=quality)
    resaved = encoded(np.asarray(Image.open(io.BytesIO(jpeg))))
    coloured = encoded(colour(mask), "JPEG", quality=quality)
    assert np.count_nonzero(cv2.imdecode(np.frombuffer(jpeg, np.uint8), 0)) > 1.2 * mask.sum()
    for data in (jpeg, resaved, coloured, as_tiff(mask * np.uint8(255))):
        drawn = decode_mask(data, "x")
        np.testing.assert_array_equal(drawn.pixels, mask)
    assert decode_mask(jpeg, "x").is_cut and decode_mask(resaved, "x").is_cut


@pytest.mark.parametrize("top", [255, 90])
@pytest.mark.parametrize(
    "soften",
    [
        lambda grey: cv2.GaussianBlur(grey, (0, 0), 1),
        lambda grey: cv2.resize(
            cv2.resize(grey, (512, 512), interpolation=cv2.INTER_NEAREST), (64, 64), interpolation=cv2.INTER_AREA
        ),
        lambda grey: np.asarray(
            Image.fromarray(grey).resize((32, 32), Image.BILINEAR).resize((64, 64), Image.BILINEAR)
        ),
    ],
    ids=["blurred", "exact", "resized"],
)
def test_soft_edges_are_cut_at_half_of_the_masks_range(soften, top):
    soft = soften(DISC.astype(np.uint8) * top)
    for data in (encoded(soft), as_tiff(soft.astype(np.float32) / top)):
        drawn = decode_mask(data, "x")
        np.testing.assert_array_equal(drawn.pixels, soft > int(soft.max()) / 2)
        assert (drawn.pixels != DISC).sum() <= 12 and drawn.is_cut == (len(np.unique(soft)) > 2)


VOID = np.where(cv2.dilate(GREY, np.ones((5, 5))) > GREY, 255, DISC).astype(np.uint8)
PHOTOGRAPH = np.random.default_rng(0).normal(90, 20, (64, 64)).clip(0, 255).astype(np.uint8)
WHITE = "the file says that white is its lowest value; save it as PNG"
NOISE = (GREY > 0) + np.random.default_rng(0).integers(0, 3, (64, 64)).astype(np.uint8)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (encoded(LABELS), "areas of more than two values; save a mask per object, or one label image"),
        (encoded(LABELS * 60), "areas of more than two values"),
        (encoded(LABELS * 60, "JPEG"), "areas of more than two values"),
        (encoded(VOID), "areas of more than two values"),
        (encoded(PHOTOGRAPH), "areas of more than two values"),
        (with_palette(LABELS), "areas of more than two values|several colours"),
        (encoded(colour(DISC, (255, 0, 0)) + colour(SMALL, (0, 255, 0))), "a mask of several colours; save a mask per"),
        (encoded(NOISE, "JPEG", quality=95), "lossy compression leaves no mask of values from 0 to "),
        (encoded(np.dstack([colour(NOTHING), GREY])), "a mask in its transparency alone, which is not read; save it"),
        (encoded(np.dstack([colour(~NOTHING), GREY])), "a mask in its transparency alone"),
        (as_tiff(np.where(DISC, 1, np.nan)), "not finite"),
        (
            as_tiff(DISC.astype(np.uint8) * 255, photometric="miniswhite"),
            WHITE,
        ),
        (as_tiff(DISC), WHITE),
        (as_tiff(NOTHING), WHITE),
        (as_tiff(DISC.astype(np.uint16), photometric="miniswhite"), WHITE),
    ],
    ids=[
        "labels",
        "shades",
        "shades-jpeg",
        "void",
        "photograph",
        "palette",
        "colours",
        "noise",
        "alpha",
        "white-alpha",
        "nan",
        "8-white",
        "1-white",
        "no-1-white",
        "16-white",
    ],
)
def test_what_is_no_mask_is_refused(data, problem):
    with pytest.raises(InputError, match=rf"^dir/x\.png: .*({problem})"):
        decode_mask(data, "dir/x.png")


def test_a_copy_of_the_image_is_no_mask():
    blobs = cv2.GaussianBlur(GREY // 2, (0, 0), 1) + np.random.default_rng(0).integers(0, 4, (64, 64)).astype(np.uint8)
    image = decode_stored(encoded(blobs), "a")
    assert decode_mask(encoded(blobs), "x").is_cut
    for copy in (encoded(blobs), encoded(np.dstack([blobs] * 3)), as_tiff(blobs)):
        with pytest.raises(InputError, match="x: not a mask, but a copy of its image"):
            decode_mask(copy, "x", image)
    np.testing.assert_array_equal(decode_mask(encoded(GREY), "x", image).pixels, DISC)


def test_a_copy_of_an_image_of_two_values_is_its_mask():
    assert (decode_mask(encoded(GREY), "x", decode_stored(encoded(GREY), "a")).pixels == DISC).all()


@pytest.mark.parametrize(("orientation", "of_image"), [(3, 1), (1, 6), (2, 4)])
def test_a_mask_that_is_not_turned_as_its_image_is_refused(orientation, of_image):
    image = decode_stored(turned(GREY, of_image), "a")
    for decode in (decode_mask, decode_labels):
        with pytest.raises(
            InputError, match=f"x: its orientation tag is {orientation}, its image's {of_image}; save both upright"
        ):
            decode(turned(GREY, orientation), "x", image)
        decode(turned(GREY, of_image), "x", image)


@pytest.mark.parametrize(
    "data",
    [
        encoded(LABELS),
        encoded(LABELS.astype(np.uint16) * 300),
        encoded(LABELS * 40),
        with_palette(LABELS),
        with_palette(LABELS, "TIFF"),
        with_palette(LABELS, "GIF"),
        with_palette(LABELS, "BMP"),
        *(as_tiff(LABELS.astype(dtype)) for dtype in (np.int16, np.uint16, np.int32, np.float32, np.float64)),
        as_tiff(LABELS.astype(np.float32) * 70000),
        as_tiff(LABELS.astype(np.uint16), imagej=True),
        as_tiff(LABELS.astype(np.float32), imagej=True),
        as_tiff(255 - LABELS, photometric="miniswhite"),
        as_tiff(65535 - LABELS.astype(np.uint16), photometric="miniswhite"),
    ],
    ids=[
        "8",
        "16",
        "shades",
        "palette",
        "palette-tiff",
        "palette-gif",
        "palette-bmp",
        "int16",
        "uint16",
        "int32",
        "float32",
        "float64",
        "high",
        "imagej",
        "imagej-float",
        "white",
        "white-16",
    ],
)
def test_label_images_of_every_kind(data):
    label_image = decode_labels(data, "x")
    np.testing.assert_array_equal(label_image, LABELS)
    assert label_image.dtype == np.int32


def test_bits_are_one_object():
    np.testing.assert_array_equal(decode_labels(encoded(Image.fromarray(DISC)), "x"), DISC)
    assert not decode_labels(encoded(NOTHING.astype(np.uint8)), "x").any()
    assert (decode_labels(encoded(np.full((4, 5), 7, np.uint8)), "x") == 1).all()


def as_jpeg_tiff(pixels: np.ndarray) -> bytes:
    return encoded(pixels, "TIFF", compression="jpeg")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (encoded(LABELS * 60, "JPEG"), "lossy compression changes labels; save the label image as PNG or TIFF"),
        (as_jpeg_tiff(LABELS * 60), "lossy compression changes labels"),
        (encoded(LABELS * 60, "WEBP", quality=80), "lossy compression changes labels|one channel of integers"),
        (encoded(colour(DISC, (255, 0, 0))), "not a label image, which has one channel of integers"),
        (as_tiff(LABELS / 2), "not a label image, which has one channel of integers"),
        (as_tiff(np.where(DISC, np.nan, 0)), "not a label image, which has one channel of integers"),
        (as_tiff(LABELS.astype(np.int16) - 1), "has the label -1; background is 0"),
        (as_tiff(LABELS.astype(np.float32) - 1), "has the label -1; background is 0"),
        (as_tiff(LABELS, photometric="miniswhite"), WHITE),
        (as_tiff(LABELS.astype(np.uint16), photometric="miniswhite"), WHITE),
    ],
    ids=[
        "jpeg",
        "jpeg-tiff",
        "webp",
        "colours",
        "fractions",
        "nan",
        "negative",
        "negative-float",
        "white",
        "white-16",
    ],
)
def test_what_is_no_label_image_is_refused(data, problem):
    with pytest.raises(InputError, match=rf"^dir/x\.tif: .*({problem})"):
        decode_labels(data, "dir/x.tif")


@pytest.mark.parametrize(("count", "dtype"), [(0, np.uint16), (2**16 - 1, np.uint16), (2**16, np.uint32)])
def test_label_images_come_back_however_many_objects_there_are(tmp_path, count, dtype):
    labels = np.arange(count + 1, dtype=np.int32)[None]
    save_image(tmp_path / "x.tif", labels_to_save(labels))
    np.testing.assert_array_equal(decode_labels((tmp_path / "x.tif").read_bytes(), "x"), labels)
    assert tifffile.imread(tmp_path / "x.tif").dtype == dtype
    assert (tifffile.imread(tmp_path / "x.tif").astype(np.float32) == labels).all()  # as ImageJ opens 32 bits
