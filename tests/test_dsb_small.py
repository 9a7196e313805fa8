"""The weights that come along: what they are, and that they find nuclei in pictures of many kinds."""

from dataclasses import replace

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
    flags = ["--dataset", "mine", "--weights", "small", "--output", "nuclei.csv", "--labels", "labels"]
    code, output, errors = finish(start(tmp_path, "my_inference.py", *flags))
    assert (code, errors) == (0, [])
    assert "nuclei.csv: 7 pictures, checked" in output
    rows = read_rows(tmp_path / "nuclei.csv", ["ImageId", "EncodedPixels"]).groupby("ImageId")["EncodedPixels"]
    scores = {}
    for name, (_, label_image) in kinds.items():
        image_id = name.rsplit(".", 1)[0]
        found = decode_instances([text for text in rows.get_group(image_id) if text], label_image.shape)
        written = cv2.imread(str(tmp_path / "labels" / f"{image_id}.tif"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(written, found.to_label_image(label_image.shape))
        scores[name] = dsb_score(Instances.from_label_image(label_image), found, label_image.shape)
    assert min(scores.values()) > 0.65, scores
