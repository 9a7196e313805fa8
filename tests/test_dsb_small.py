"""The weights that come along: what they are, and that they find nuclei in pictures of many kinds."""

import argparse
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from common.instances import Instances
from common.metrics import dsb_score
from common.pictures import save_picture
from common.rle import decode_instances
from common.submission import read_rows
from common.synthetic import generate_sample
from dsb.config import DSBConfig
from dsb.inference import name_folders
from tests.scripts import DSB, finish, load_presets, start

WEIGHTS = DSB / "weights" / "small"
SHAPE = (256, 256)


def test_they_were_trained_with_the_preset(monkeypatch):
    preset = load_presets(monkeypatch, "my_train_1.py")["small"]
    assert DSBConfig.load(WEIGHTS / "config.json") == replace(preset, fold="0", score_every=0)


def test_they_bring_the_names_of_their_pictures_and_are_small():
    names = (WEIGHTS / "pictures.txt").read_text().split()
    assert len(names) == len(set(names)) == 531
    assert (WEIGHTS / "weights.h5").stat().st_size < 25e6


@pytest.fixture(scope="module")
def kinds():
    """Pictures by file name, as their users may have them, and their true label images."""
    fluorescence, stained = (
        generate_sample(np.random.default_rng(seed), kind, SHAPE, 25)
        for seed, kind in ((1, "fluorescence"), (2, "purple_tissue"))
    )
    bright = fluorescence.image
    grey = cv2.cvtColor(bright, cv2.COLOR_RGB2GRAY)
    true, true_stained = (sample.instances.to_label_image(SHAPE) for sample in (fluorescence, stained))
    halved = cv2.resize(true, (128, 128), interpolation=cv2.INTER_NEAREST)
    tripled = cv2.resize(true, (768, 768), interpolation=cv2.INTER_NEAREST)
    return {
        "fluorescence.png": (bright, true),
        "dim.jpg": (bright // 6, true),
        "16_bits.tif": (cv2.resize(grey, (128, 128), interpolation=cv2.INTER_AREA).astype(np.uint16) * 40, halved),
        "inverted.bmp": (255 - bright // 2, true),
        "large.png": (cv2.resize(bright, (768, 768), interpolation=cv2.INTER_CUBIC), tripled),
        "stained.png": (stained.image, true_stained),
        "other_colours.png": (stained.image[..., [1, 0, 2]], true_stained),
    }


@pytest.mark.slow
def test_they_find_nuclei_in_any_folder_of_pictures(kinds, tmp_path):
    for name, (picture, _) in kinds.items():
        save_picture(tmp_path / "mine" / name, picture)
    code, output, errors = finish(start(tmp_path, "my_inference.py", "--dataset", "mine/", "--weights", "small"))
    assert (code, errors) == (0, [])
    assert "dsb_single.csv: 7 pictures, checked" in output
    written = tmp_path / "submissions"
    names = {name.rsplit(".", 1)[0] for name in kinds}
    assert {path.stem for path in (written / "dsb_single_pictures").iterdir()} == names | {"overview"}
    rows = read_rows(written / "dsb_single.csv", ["ImageId", "EncodedPixels"]).groupby("ImageId")["EncodedPixels"]
    scores = {}
    for name, (_, label_image) in kinds.items():
        image_id = name.rsplit(".", 1)[0]
        found = decode_instances([text for text in rows.get_group(image_id) if text], label_image.shape)
        labels = cv2.imread(str(written / "dsb_single_labels" / f"{image_id}.tif"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(labels, found.to_label_image(label_image.shape))
        scores[name] = dsb_score(Instances.from_label_image(label_image), found, label_image.shape)
    assert min(scores.values()) > 0.65, scores


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("out/n_labels", "out/n_pictures")),
        ({"labels": Path("mine_too")}, ("mine_too", "out/n_pictures")),
        ({"csv_only": True}, (None, None)),
        ({"output": Path("mine/n.csv")}, (None, None)),
    ],
    ids=["nothing", "labels", "csv only", "among the pictures"],
)
def test_where_label_images_and_drawn_pictures_go(given, expected, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags = argparse.Namespace(
        **{"output": Path("out/n.csv"), "labels": None, "picture": None, "csv_only": False} | given
    )
    pictures = SimpleNamespace(tree=SimpleNamespace(path=tmp_path / "mine"), image_ids=["a"], image_names=["a.png"])
    name_folders(flags, pictures)
    assert (flags.labels, flags.picture) == tuple(path and Path(path) for path in expected)
    assert ("lies among the pictures" in capsys.readouterr().out) == ("output" in given)
    pictures.image_names = ["a/images/a.png"]
    flags.labels = flags.picture = None
    name_folders(flags, pictures)
    assert flags.labels is flags.picture is None
