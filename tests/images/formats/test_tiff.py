"""TIFF files come out as tifffile's array says; what is no image in grey or RGB is refused in one line."""

import io
import struct

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from common.errors import InputError
from common.images.decoding import decode_image, decode_stored
from common.images.formats.tiff import decode_tiff
from common.images.stored import Choice

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (40, 50), dtype=np.uint8)
RGB = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)
DEEP = (RNG.integers(100, 4096, (40, 50, 5))).astype(np.uint16)  # a camera's 12 bits
Y, X = np.mgrid[:64, :64]
SMOOTH = (128 + 100 * np.sin(X / 9) * np.cos(Y / 7)).astype(np.uint8)
STACK = np.stack([GREY, GREY[::-1], 255 - GREY])


def encode(values: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, **options)
    return file.getvalue()


def grey(data: bytes, choice: Choice | None = None) -> np.ndarray:
    decoded = decode_image(data, "x.tif", choice)
    assert (decoded == decoded[..., :1]).all()
    return decoded[..., 0]


def stretched(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float64) - float(values.min())
    return np.rint(values * (255 / values.max())).astype(np.uint8)


def changed(data: bytes, tag: int, value: int, place: int = 0) -> bytes:
    """Return a file in which a value of a tag is another number."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        old = file.pages[0].tags[tag]
        kind = {3: "H", 4: "I", 16: "Q"}[int(old.dtype)]
        result = bytearray(data)
        struct.pack_into(file.byteorder + kind, result, old.valueoffset + place * struct.calcsize(kind), value)
    return bytes(result)


LOSSLESS = ["lzw", "deflate", "packbits", "zstd", "lzma", "jpegxr", "jpeg2000", "jpegxl", "webp", "png", "lerc"]


@pytest.mark.parametrize("layout", [{}, {"tile": (16, 32)}, {"rowsperstrip": 7}, {"bigtiff": True}], ids=str)
@pytest.mark.parametrize("compression", [None, *LOSSLESS])
def test_compressions(compression, layout):
    options = {"lossless": True} if compression == "webp" else {"level": 0} if compression == "jpegxr" else {}
    if compression == "jpegxl":
        options = {"lossless": True}
    for values in (GREY, RGB):
        if compression == "webp" and values.ndim == 2:
            continue
        photometric = "rgb" if values.ndim == 3 else "minisblack"
        data = encode(values, compression=compression, compressionargs=options, photometric=photometric, **layout)
        expected = values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=2)
        np.testing.assert_array_equal(decode_image(data, "x"), expected)


@pytest.mark.parametrize("compression", ["jpeg", "jpeg2000", "jpegxl"])
def test_lossy_compressions(compression):
    colours = np.stack([SMOOTH, SMOOTH[::-1], SMOOTH.T], axis=-1)
    stored = decode_stored(encode(colours, photometric="rgb", compression=compression), "x")
    assert stored.is_lossy and stored.is_rgb
    assert np.abs(stored.pixels.astype(int) - colours).max() <= 12


@pytest.mark.parametrize("compression", ["group3", "group4"])
def test_fax_compressions(compression):
    file, bits = io.BytesIO(), Image.fromarray(GREY > 127)
    bits.save(file, "TIFF", compression=compression)
    np.testing.assert_array_equal(grey(file.getvalue()), (GREY > 127) * 255)


@pytest.mark.parametrize("predictor", [2, 3])
def test_predictors(predictor):
    values = DEEP[..., 0] if predictor == 2 else DEEP[..., 0].astype(np.float32)
    data = encode(values, compression="deflate", predictor=predictor)
    np.testing.assert_array_equal(decode_stored(data, "x").pixels, values)


TYPES = ["int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64"]


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("dtype", TYPES)
def test_sample_types(dtype, bigtiff, byteorder):
    values = GREY.astype(np.float64) - (128 if dtype.startswith("int") else 0)
    scale = {"int8": 1, "float16": 1, "int64": 2**50, "uint64": 2**50}.get(dtype, 100)
    values = (values.astype(dtype) * np.dtype(dtype).type(scale)).astype(dtype)
    data = encode(values, bigtiff=bigtiff, byteorder=byteorder)
    np.testing.assert_array_equal(decode_stored(data, "x").pixels, values)
    np.testing.assert_array_equal(grey(data), stretched(GREY))


def test_large_integers_keep_small_differences():
    values = (2**62 + GREY.astype(np.int64)).astype(np.int64)
    np.testing.assert_array_equal(grey(encode(values)), stretched(GREY))


def test_complex_numbers_are_refused():
    with pytest.raises(InputError, match=r"x\.tif: values of type complex64.* save it as integers or floats"):
        decode_image(encode(GREY.astype(np.complex64)), "x.tif")


@pytest.mark.parametrize("bits", [1, 2, 4, 6])
def test_fewer_than_eight_bits(bits):
    values = GREY >> (8 - bits)
    data = encode(values, bitspersample=bits) if bits > 1 else encode(values.astype(bool), photometric="minisblack")
    np.testing.assert_array_equal(grey(data), np.rint(values * (255 / (2**bits - 1))).astype(np.uint8))


@pytest.mark.parametrize("bits", [10, 12])
def test_packed_bits(bits):
    values = DEEP[..., 0] >> (12 - bits)
    np.testing.assert_array_equal(grey(encode(values, bitspersample=bits)), stretched(values))
    inverted = encode(2**bits - 1 - values, bitspersample=bits, photometric="miniswhite")
    np.testing.assert_array_equal(grey(inverted), stretched(values))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int16", "uint32", "float32"])
def test_white_as_the_lowest_value(dtype):
    values = GREY > 127 if dtype == "bool" else GREY.astype(dtype) * np.dtype(dtype).type(1 if dtype == "uint8" else 99)
    inverted = -values if dtype == "float32" else ~values
    data = encode(inverted, photometric="miniswhite")
    assert decode_stored(data, "x").min_is_white
    np.testing.assert_array_equal(grey(data), grey(encode(values, photometric="minisblack")))


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_planes_of_colours(dtype, planar):
    values = DEEP[..., :3].astype(dtype)
    stored = values if planar == "contig" else np.moveaxis(values, -1, 0)
    for options in ({}, {"compression": "lzw"}, {"tile": (16, 16)}):
        data = encode(stored, photometric="rgb", planarconfig=planar, **options)
        expected = values if dtype == np.uint8 else stretched(values)
        np.testing.assert_array_equal(decode_image(data, "x"), expected)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_channels_of_no_colour_are_chosen(count, dtype, planar):
    values = DEEP[..., :count].astype(dtype)
    stored = values if planar == "contig" else np.moveaxis(values, -1, 0)
    data = encode(stored, photometric="minisblack", planarconfig=planar)
    with pytest.raises(InputError, match=rf"x\.tif: has {count} channels that are not red, green and blue; save it as"):
        decode_image(data, "x.tif")
    with pytest.raises(InputError, match=rf"has {count} channels .*; choose one with --channel N, or three with --cha"):
        decode_image(data, "x.tif", Choice())
    eight = np.array if dtype == np.uint8 else stretched
    np.testing.assert_array_equal(grey(data, Choice(channels=(count,))), eight(values[..., -1]))
    chosen = decode_image(data, "x", Choice(channels=(2, 1, count)))
    np.testing.assert_array_equal(chosen, eight(values[..., [1, 0, count - 1]]))
    with pytest.raises(InputError, match=rf"x\.tif: has no channel 6, as it holds {count}; choose another --channel"):
        decode_image(data, "x.tif", Choice(channels=(6,)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("alpha", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize("colours", [1, 3])
def test_alpha_is_dropped(colours, alpha, dtype):
    values = DEEP[..., : colours + 1].astype(dtype)
    data = encode(values, photometric="rgb" if colours == 3 else "minisblack", extrasamples=[alpha])
    assert decode_stored(data, "x").pixels.shape == ((40, 50, 3) if colours == 3 else (40, 50))
    expected = values[..., :colours] if dtype == np.uint8 else stretched(values[..., :colours])
    np.testing.assert_array_equal(decode_image(data, "x"), np.broadcast_to(expected, (40, 50, 3)))


def test_a_fifth_channel_beside_rgb():
    data = encode(DEEP, photometric="rgb", planarconfig="contig", extrasamples=["unspecified", "unspecified"])
    with pytest.raises(InputError, match="has 5 channels"):
        decode_image(data, "x")
    np.testing.assert_array_equal(grey(data, Choice(channels=(5,))), stretched(DEEP[..., 4]))


@pytest.mark.parametrize("depth", [8, 16])
def test_palettes(depth):
    colours = RNG.integers(0, 256, (3, 256)).astype(np.uint16)
    colours[:, 0] = 255
    data = encode(GREY, photometric="palette", colormap=colours * 256 if depth == 16 else colours)
    np.testing.assert_array_equal(decode_stored(data, "x").pixels, GREY)
    np.testing.assert_array_equal(decode_image(data, "x"), colours.T[GREY])


def test_cmyk_and_ycbcr():
    for mode, values in (("CMYK", RNG.integers(0, 256, (8, 9, 4), dtype=np.uint8)), ("YCbCr", RGB)):
        image, file = Image.fromarray(values, mode), io.BytesIO()
        image.save(file, "TIFF")
        np.testing.assert_array_equal(decode_image(file.getvalue(), "x"), np.asarray(image.convert("RGB")))
    with pytest.raises(InputError, match="SEPARATED of uint16, 4 channels; save it as RGB"):
        decode_image(encode(DEEP[..., :4], photometric="separated"), "x")


def test_colours_of_other_kinds_are_refused():
    with pytest.raises(InputError, match=r"x\.tif: colours of the kind CIELAB, which is not read; save it as RGB"):
        decode_image(encode(RGB, photometric="cielab"), "x.tif")


ImageJ = {"imagej": True}
STACKS = {
    "pages": {"photometric": "minisblack"},
    "imagej": {**ImageJ, "metadata": {"axes": "ZYX"}},
    "imagej times": {**ImageJ, "metadata": {"axes": "TYX"}},
    "imagej channels": {**ImageJ, "metadata": {"axes": "CYX"}},
    "ome": {"ome": True, "metadata": {"axes": "ZYX"}},
    "ome channels": {"ome": True, "metadata": {"axes": "CYX"}},
    "compressed": {"photometric": "minisblack", "compression": "lzw"},
    "plain": {"photometric": "minisblack", "metadata": None},
    "one directory": {"photometric": "minisblack", "truncate": True},
    "volume": {"photometric": "minisblack", "volumetric": True, "tile": (16, 16, 16)},
}


@pytest.mark.parametrize("kind", STACKS)
def test_stacks(kind):
    data = encode(STACK, **STACKS[kind])
    with pytest.raises(InputError, match=r"x\.tif: holds 3 images; save one per file"):
        decode_image(data, "x.tif")
    with pytest.raises(InputError, match=r"x\.tif: holds 3 images; choose one with --page 1 to 3"):
        decode_image(data, "x.tif", Choice())
    for page in (1, 2, 3):
        np.testing.assert_array_equal(grey(data, Choice(page=page)), STACK[page - 1])
    with pytest.raises(InputError, match=r"x\.tif: has no image 4, as it holds 3; choose another --page"):
        decode_image(data, "x.tif", Choice(page=4))


@pytest.mark.parametrize("kind", ["imagej channels", "ome channels"])
def test_pages_that_are_channels(kind):
    data = encode(STACK, **STACKS[kind])
    np.testing.assert_array_equal(grey(data, Choice(channels=(2,))), STACK[1])
    chosen = decode_image(data, "x", Choice(channels=(3, 1, 2)))
    np.testing.assert_array_equal(chosen, np.moveaxis(STACK[[2, 0, 1]], 0, -1))
    both = encode(np.stack([STACK, STACK[::-1]]), imagej=True, metadata={"axes": "ZCYX"})
    with pytest.raises(InputError, match="holds 6 images"):
        decode_image(both, "x", Choice(channels=(2,)))


def test_an_imagej_stack_with_one_directory():
    """As ImageJ writes stacks that are larger than the offsets of a classic TIFF."""
    data = encode(STACK, imagej=True, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        end = file.pages[0].offset
        count = struct.unpack_from(file.byteorder + "H", data, end)[0]
    one = bytearray(data)
    struct.pack_into(">I" if data[:2] == b"MM" else "<I", one, end + 2 + 12 * count, 0)
    with pytest.raises(InputError, match="holds 3 images"):
        decode_image(bytes(one), "x")
    for page in (1, 2, 3):
        np.testing.assert_array_equal(grey(bytes(one), Choice(page=page)), STACK[page - 1])


def test_thumbnails_and_pyramids_are_no_further_images():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(RGB, photometric="rgb", subifds=1, metadata=None)
        writer.write(RGB[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
        writer.write(RGB[::4, ::4], photometric="rgb", subfiletype=1, metadata=None)
    np.testing.assert_array_equal(decode_image(file.getvalue(), "x"), RGB)


def test_images_of_several_sizes_are_counted_through():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for values in (RGB, GREY[:9], GREY[:, :7]):
            writer.write(values, photometric="rgb" if values.ndim == 3 else "minisblack", metadata=None)
    with pytest.raises(InputError, match="holds 3 images"):
        decode_image(file.getvalue(), "x")
    np.testing.assert_array_equal(decode_image(file.getvalue(), "x", Choice(page=1)), RGB)
    np.testing.assert_array_equal(grey(file.getvalue(), Choice(page=3)), GREY[:, :7])


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (1, 1, 3), (3, 1, 3), (1, 3, 3)])
def test_tiny_images_and_strips(shape):
    values = RNG.integers(0, 256, shape, dtype=np.uint8)
    for bigtiff in (False, True):
        data = encode(values, photometric="rgb" if len(shape) == 3 else "minisblack", bigtiff=bigtiff)
        expected = values if len(shape) == 3 else np.repeat(values[..., None], 3, axis=2)
        np.testing.assert_array_equal(decode_image(data, "x"), expected)


def strips(compression: str) -> tuple[bytes, list[int], list[int]]:
    data = encode(SMOOTH, compression=compression, rowsperstrip=16)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        return data, list(file.pages[0].dataoffsets), list(file.pages[0].databytecounts)


@pytest.mark.parametrize("compression", ["lzw", "deflate", "packbits", "zstd", "lzma", "jpeg", "jpeg2000", "jpegxl"])
@pytest.mark.parametrize("damage", ["zeros", "cut", "short", "missing", "outside"])
def test_damaged_strips_are_refused(compression, damage):
    data, offsets, counts = strips(compression)
    np.testing.assert_allclose(grey(data), SMOOTH, atol=8)
    middle = offsets[2] + counts[2] // 2
    tag = {"short": 279, "missing": 279, "outside": 273}.get(damage, 0)
    value = {"short": counts[2] // 2, "missing": 0, "outside": len(data) + 10}.get(damage, 0)
    bad = {
        "zeros": lambda: data[: offsets[2]] + bytes(counts[2]) + data[offsets[2] + counts[2] :],
        "cut": lambda: data[:middle] if offsets[0] > 8 else data[:8] + bytes(len(data) - 8),
    }.get(damage, lambda: changed(data, tag, value, 2))()
    if bad == data:
        pytest.fail("nothing was damaged")
    with pytest.raises(InputError, match=r"x\.tif: a damaged image"):
        decode_image(bad, "x.tif")


def test_an_unknown_compression_is_refused():
    with pytest.raises(InputError, match=r"x\.tif: a damaged image, or an unsupported kind of TIFF: .*34663"):
        decode_image(changed(encode(GREY), 259, 34663), "x.tif")


def test_a_cut_list_of_images_is_refused():
    data = encode(STACK, photometric="minisblack", metadata=None)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        second = file.pages[1].offset
    with pytest.raises(InputError, match=r"x\.tif: a damaged image"):
        decode_image(data[: second + 1], "x.tif")


def test_images_in_other_files_are_refused():
    """An OME-TIFF whose second image is in a file that is not there: tifffile gives zeros for it."""
    text = tifffile.OmeXml(UUID="urn:uuid:1")
    text.addimage("uint8", (2, 40, 50), (2, 1, 1, 40, 50, 1), axes="ZYX")
    places = "".join(
        f'<TiffData IFD="0" FirstZ="{z}" PlaneCount="1"><UUID FileName="{z}.tif">urn:uuid:{z + 1}</UUID></TiffData>'
        for z in (0, 1)
    )
    xml = text.tostring().replace('<TiffData IFD="0" PlaneCount="2"/>', places)
    data = encode(GREY, description=xml, metadata=None)
    with pytest.raises(InputError, match="x: holds 2 images"):
        decode_image(data, "x")
    np.testing.assert_array_equal(grey(data, Choice(page=1)), GREY)
    with pytest.raises(InputError, match="x: image 2 lies in another file; save it as a file of its own"):
        decode_image(data, "x", Choice(page=2))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_noted_and_not_applied(orientation):
    stored = decode_tiff(encode(RGB, photometric="rgb", extratags=[(274, "H", 1, orientation, True)]), "x")
    np.testing.assert_array_equal(stored.pixels, RGB)
    assert stored.orientation == orientation


def test_files_of_opencv_with_a_fourth_channel():
    for dtype in (np.uint8, np.uint16):
        values = DEEP[..., :4].astype(dtype)
        data = cv2.imencode(".tif", values)[1].tobytes()
        np.testing.assert_array_equal(decode_stored(data, "x").pixels, values[..., 2::-1])


def test_the_limit_of_pixels(monkeypatch):
    for values in (GREY, STACK[:1]):
        data = encode(values)
        monkeypatch.setenv("SEGMENTATION_MAX_PIXELS", "1999")
        with pytest.raises(InputError, match=r"x: 40 x 50 pixels are more than the limit of 1999; .*MAX_PIXELS=2000$"):
            decode_image(data, "x")
        monkeypatch.setenv("SEGMENTATION_MAX_PIXELS", "2000")
        np.testing.assert_array_equal(grey(data), GREY)
