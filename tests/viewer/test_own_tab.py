"""A dropped image: read, segmented, given out as files; bad ones in one line."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
import tifffile

from common.errors import InputError
from common.images.decoding import decode_image, encode_png
from common.masks.rle import decode_instances
from common.predictor import MapPredictor
from common.settings.unet import UNetConfig
from rsna.config import RSNAConfig
from tests.dicoms import encode_dicom
from tests.image_sets import Limited, grid_image, predictor_of
from tests.viewer.conftest import make_images, make_study
from viewer.own_tab import LARGEST_FILE, OwnTab, decode_contents
from viewer.scenes import Latest
from viewer.segmenting import files_to_download, find_objects, find_views

IMAGE, COUNT = grid_image(96, 96, 24)


@pytest.fixture
def tab():
    return OwnTab(make_study(make_images()), predictor_of(Limited(100)), Latest())


def contents(data, kind="image/png"):
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def test_an_image_is_segmented_in_memory(tab):
    _, rows, elements, text, key, *off = tab.receive(contents(encode_png(IMAGE)), "cells.png")
    assert len(rows) == COUNT
    assert text == f"cells.png: 96 × 96 px, {COUNT} objects"
    assert elements == [] and off == [False] * 3
    assert (tab.dropped.peek(key).image == IMAGE).all()
    assert tab.memory.peek(key).startswith(b"\x89PNG")


def test_a_dicom_file_shows_what_it_says(tab):
    data = encode_dicom(IMAGE[..., 0], PatientName="<script>alert(1)</script>")
    _, rows, elements, *_ = tab.receive(contents(data, "application/dicom"), "x.dcm")
    assert len(rows) == COUNT
    assert "<script>alert(1)</script>" in {row["value"] for row in elements}


@pytest.mark.parametrize("data", [b"not an image", encode_png(IMAGE)[:60], b""])
def test_what_is_no_image_is_told_in_one_line(tab, data):
    _, rows, _, text, key, *off = tab.receive(contents(data), "<b>x.png")
    assert rows == [] and key is None and off == [True] * 3
    assert text.startswith("<b>x.png: ") and "\n" not in text  # shown as text


def test_without_weights_the_image_is_only_shown():
    tab = OwnTab(make_study(make_images()), None, Latest())
    _, rows, _, text, _, *off = tab.receive(contents(encode_png(IMAGE)), "a.png")
    assert rows == [] and text.endswith("not segmented") and off == [True] * 3


def test_contents_are_limited_and_checked():
    assert decode_contents(contents(b"abc"), "x") == b"abc"
    with pytest.raises(InputError, match="damaged"):
        decode_contents("data:;base64,?", "x")
    with pytest.raises(InputError, match="64 MiB"):
        decode_contents("data:;base64," + "A" * (LARGEST_FILE // 3 * 4 + 100), "x")


def test_files_to_download(tab):
    objects = find_objects(tab.predictor, IMAGE)
    files = files_to_download("../<b>c.tif", IMAGE, objects, boxes=False)
    assert [name for name, _ in files.values()] == ["_b_c_labels.tif", "_b_c.csv", "_b_c_overlay.png"]
    labels = tifffile.imread(io.BytesIO(files["labels"][1]))
    assert (labels == objects.to_label_image((96, 96))).all() and labels.dtype == np.uint16
    table = pd.read_csv(io.BytesIO(files["csv"][1]))
    found = decode_instances(table["EncodedPixels"].tolist(), (96, 96))
    assert found.boxes.tolist() == objects.boxes.tolist()
    assert (decode_image(files["overlay"][1], "x") != IMAGE).any()


def test_boxes_are_given_out_in_the_format_of_boxes():
    config = RSNAConfig(min_dim=96, confidence=0.1)
    predictor = predictor_of(Limited(3), config)
    objects = find_objects(predictor, IMAGE)
    text = files_to_download("a.dcm", IMAGE, objects, boxes=True)["csv"][1].decode()
    assert text.startswith("patientId,PredictionString\na,")
    assert len(objects) == 3
    assert len(text.split()) == 1 + 5 * 3


def test_an_image_without_objects_has_a_row():
    empty = np.zeros((8, 8, 3), np.uint8)
    objects = make_study(make_images()).load_found(0, "first").select([])
    text = files_to_download("a.png", empty, objects, boxes=False)["csv"][1].decode()
    assert text.splitlines() == ["ImageId,ClassId,Score,EncodedPixels", "a,,,"]


def test_maps_show_their_mean_probability():
    config = UNetConfig(image_size=32, channels=(16,))
    predictor = MapPredictor.of_function(config, lambda images: [one[..., 0] / np.float32(255) for one in images])
    image = np.zeros((64, 64, 3), np.uint8)
    image[16:48, 16:48] = 255
    views = find_views(predictor, image, "scales")
    assert views.votes.shape == (64, 64) and views.most == 1
    assert views.votes[32, 32] == 1 and views.votes[2, 2] == 0
    assert len(views.pictures) == 3 and len(views.merged) == 1
    assert len(find_objects(predictor, image)) == 1


@pytest.mark.parametrize(("name", "most"), [("majority", 14), ("votes", 15)])
def test_each_view_votes(name, most):
    views = find_views(predictor_of(Limited(100)), IMAGE, name)
    assert views.most == most
    assert views.votes.max() <= most
    assert ((views.votes > most / 2) == (IMAGE[..., 0] > 128)).all()
    assert len(views.merged) == COUNT
    assert all(picture.dtype == np.uint8 for picture in views.pictures.values())
    assert any("turned 90°" in title for title in views.pictures)
