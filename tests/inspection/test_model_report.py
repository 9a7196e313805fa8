"""A report on a network shows its steps, and counts where it loses objects."""

import re
import shutil

import keras
import numpy as np
import pandas as pd
import pytest

from common.network.mask_rcnn.model import MaskRCNN
from common.network.unet.model import UNet
from common.network.weights import save_weights
from dsb.config import DSBConfig
from inspection.model_captions import CAPTIONS
from lung.config import LungConfig
from tests import chests
from tests.competitions.test_sets import write_nuclei
from tests.scripts import run_here
from tests.tiny import TINY

REPORT = "../inspection/report.py"
NUCLEI_TITLES = set(CAPTIONS) - {"Probability", "Threshold", "Errors", "Activations", "Where objects are lost"}


@pytest.fixture(scope="module")
def nuclei(tmp_path_factory):
    """A set, and weights of an untrained network that takes every region for a nucleus."""
    folder = tmp_path_factory.mktemp("nuclei")
    write_nuclei(folder / "set")
    keras.utils.set_random_seed(1)
    values = {name: value for name, value in vars(TINY).items() if name != "name"}
    config = DSBConfig(**values | {"mask_confidence": 0.0})
    model = MaskRCNN(config)
    model.class_head.get_layer("mrcnn_class_logits").bias.assign([0.0, 3.0])
    config.save(folder / "config.json")
    save_weights(model, folder / "weights.h5")
    return folder


def report(monkeypatch, capsys, folder, *arguments):
    flags = ["--dataset", folder / "set", "--weights", folder / "weights.h5"]
    return run_here(monkeypatch, capsys, REPORT, "model", *flags, *arguments)


def test_every_step_of_a_mask_rcnn(nuclei, tmp_path, monkeypatch, capsys):
    code, out, _ = report(
        monkeypatch, capsys, nuclei, "--images", "b,a", "--draw", 1, "--layers", "fpn_p2", "--output", tmp_path
    )
    assert code == 0 and f"wrote {tmp_path / 'index.html'}: 18 sections" in out
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    titles = re.findall(r"<h2[^>]*>([^<]*)</h2>", page)
    assert set(titles[:-3]) == NUCLEI_TITLES | {"Activations of fpn_p2"}
    assert titles[-3:] == ["Where objects are lost", "Objects lost at each step", "Lost objects"]
    table = pd.read_csv(next(tmp_path.glob("*objects_lost_at_each_step.csv")), index_col=0)
    assert table["objects"].sum() == 2  # one nucleus in each image
    assert len(list(tmp_path.glob("*.png"))) == 16 and "http" not in page


def test_images_are_listed_in_a_file(nuclei, tmp_path, monkeypatch, capsys):
    (tmp_path / "ids.txt").write_text("b\na\n")
    code, out, _ = report(
        monkeypatch, capsys, nuclei, "--images", tmp_path / "ids.txt", "--draw", 0, "--output", tmp_path / "report"
    )
    assert code == 0 and ": 3 sections" in out
    assert "on 2 images" in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")


def test_images_of_like_names_are_all_told(nuclei, tmp_path, monkeypatch, capsys):
    names = ["plate 01, the upper left corner, well 1, day 3 x", "plate 01, the upper left corner, well 2, day 3 x"]
    folder = tmp_path / "in"
    for name in names:
        shutil.copytree(nuclei / "set" / "a", folder / "set" / name)
        (folder / "set" / name / "images" / "a.png").rename(folder / "set" / name / "images" / f"{name}.png")
    for name in ("weights.h5", "config.json"):
        shutil.copy(nuclei / name, folder / name)
    (tmp_path / "ids.txt").write_bytes("\r\n".join([*names, ""]).encode("utf-8-sig"))
    flags = ("--images", tmp_path / "ids.txt", "--draw", 0, "--output", tmp_path / "report")
    code, _, _ = report(monkeypatch, capsys, folder, *flags)
    lost = pd.read_csv(tmp_path / "report" / "03_lost_objects.csv")
    assert code == 0 and set(lost["image"]) == set(names)


def test_a_set_without_any_object_is_shown(nuclei, tmp_path, monkeypatch, capsys):
    shutil.copytree(nuclei, tmp_path / "in")
    for mask in (tmp_path / "in" / "set").glob("*/masks/*"):
        mask.unlink()
    code, out, _ = report(monkeypatch, capsys, tmp_path / "in", "--draw", 0, "--output", tmp_path / "report")
    assert code == 0 and "wrote" in out


def test_every_step_of_a_unet(tmp_path, monkeypatch, capsys):
    chests.write_plain(tmp_path / "set", 3)
    config = LungConfig(image_size=32, channels=(8,))
    config.save(tmp_path / "config.json")
    save_weights(UNet(config), tmp_path / "weights.h5")
    code, out, _ = report(monkeypatch, capsys, tmp_path, "--limit", 2, "--output", tmp_path / "report")
    assert code == 0 and ": 13 sections" in out
    titles = re.findall(r"<h2[^>]*>([^<]*)</h2>", (tmp_path / "report" / "index.html").read_text(encoding="utf-8"))
    layers = [f"Activations of {name}_relu2" for name in ("down1", "bottleneck", "up1")]
    every = [f"{title}: cxr_{row}" for row in range(2) for title in ("Probability", "Threshold", "Errors", *layers)]
    assert titles == [*every, "Threshold, all images"]


def test_bad_input_is_one_line(nuclei, tmp_path, monkeypatch, capsys):
    for arguments, message in (
        (["--images", "aa"], "--images aa: not in"),
        (["--images", "a", "--layers", "dream"], "--layers dream: no such layer"),
        (["--limit", 0], "--limit 0: must be at least 1"),
        (["--competition", "chess"], "--competition chess: unknown"),
        (["--weights", tmp_path / "none.h5"], "no such file"),
        (["--weights", "lung"], "finds the objects of another competition"),
    ):
        code, _, errors = report(monkeypatch, capsys, nuclei, *arguments, "--output", tmp_path / "report")
        assert code == 2 and message in errors.splitlines()[-1], arguments
    assert not (tmp_path / "report").exists()


def test_every_caption_says_what_to_see():
    for title, caption in CAPTIONS.items():
        assert len(caption) > 100 and caption.endswith("."), title
        np.testing.assert_equal(re.findall("  ", caption), [])
