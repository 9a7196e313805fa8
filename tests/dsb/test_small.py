"""The weights that come along: what they are, and that they find nuclei in images of many kinds."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from common.cli import PredictionFlags
from common.cluster.spread import ALONE
from common.errors import InputError
from common.flags import Shard
from common.images.decoding import save_image
from common.images.image_set import ImageSet
from common.images.synthetic import generate_sample
from common.masks.instances import Instances
from common.masks.rle import decode_instances
from common.output.submission import read_rows
from common.outputs import check_outputs
from common.predictor import Predictor
from common.scoring.dsb import dsb_score
from dsb.config import DSBConfig
from dsb.outputs import choose_folders
from tests.image_sets import Arrays
from tests.scripts import DSB, finish, load_presets, start

WEIGHTS = DSB / "weights" / "small"
SHAPE = (256, 256)


def test_their_config_is_that_of_the_second_step(monkeypatch):
    preset = load_presets(monkeypatch, "my_train_2.py")["small"]
    assert DSBConfig.load(WEIGHTS / "config.json") == replace(preset, fold="0", score_every=0)


def test_they_bring_the_names_of_their_images_and_are_small():
    names = (WEIGHTS / "images.txt").read_text().split()
    assert len(names) == len(set(names)) == 531
    assert (WEIGHTS / "weights.h5").stat().st_size < 25e6


@pytest.fixture(scope="module")
def kinds():
    """Images by file name, as their users may have them, and their true label images."""
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
def test_they_find_nuclei_in_any_folder_of_images(kinds, tmp_path):
    for name, (image, _) in kinds.items():
        save_image(tmp_path / "mine" / name, image)
    code, output, errors = finish(start(tmp_path, "my_inference.py", "--dataset", "mine/", "--weights", "small"))
    assert (code, errors) == (0, [])
    assert "dsb_single.csv: 7 images, checked" in output
    written = tmp_path / "submissions"
    names = {name.rsplit(".", 1)[0] for name in kinds}
    assert {path.stem for path in (written / "dsb_single_overlays").iterdir()} == names | {"overview"}
    rows = read_rows(written / "dsb_single.csv", ["ImageId", "EncodedPixels"]).groupby("ImageId")["EncodedPixels"]
    scores = {}
    for name, (_, label_image) in kinds.items():
        image_id = name.rsplit(".", 1)[0]
        found = decode_instances([text for text in rows.get_group(image_id) if text], label_image.shape)
        labels = cv2.imread(str(written / "dsb_single_labels" / f"{image_id}.tif"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(labels, found.to_label_image(label_image.shape))
        scores[name] = dsb_score(Instances.from_label_image(label_image), found, label_image.shape)
    assert min(scores.values()) > 0.65, scores


@pytest.mark.slow
def test_all_of_a_thousand_nuclei_are_found():
    """Far more than the network returns at a time."""
    rng = np.random.default_rng(0)
    cells = np.mgrid[14:1010:28, 14:1010:28].reshape(2, -1).T
    label_image, image = np.zeros((1024, 1024), np.int32), np.full((1024, 1024), 12.0)
    rows, columns = np.mgrid[-9:10, -9:10]
    disc = rows**2 + columns**2 <= 81
    for label, (y, x) in enumerate(cells + rng.integers(-2, 3, cells.shape), start=1):
        window = np.s_[y - 9 : y + 10, x - 9 : x + 10]
        label_image[window][disc], image[window][disc] = label, rng.uniform(90, 200)
    image = cv2.GaussianBlur(image, (0, 0), 1.0) + rng.normal(0, 3, image.shape)
    found = Predictor.load("small").predict(np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2))
    assert len(cells) == 1296
    assert abs(len(found) - 1296) <= 3
    assert dsb_score(Instances.from_label_image(label_image), found, image.shape) > 0.85


@pytest.fixture
def named(tmp_path, monkeypatch, lines):
    """Return a function from flags that differ to what becomes of the folders, and the lines for the user."""
    monkeypatch.chdir(tmp_path)
    usual = {"output": Path("out/n.csv"), "overlays": None, "score": None, "sample_submission": None, "limit": None}
    usual |= {
        "weights": "small",
        "logs": Path("logs"),
        "preset": "small",
        "spread": ALONE,
        "shard": Shard(),
        "skip_bad": False,
        "given": {},
    }

    def name(image_name="a.png", labels=None, csv_only=False, **given):
        own = {"labels": labels, "csv_only": csv_only}
        flags = PredictionFlags(dataset=Path("mine"), own=own, **usual | given)
        source = Named([np.zeros((4, 4, 3), np.uint8)])
        source.path, source.name = tmp_path / "mine", image_name
        folders = choose_folders(flags, ImageSet.of_all(source, ["a"], [[4, 4]]))
        check_outputs(flags, folders)
        return str(folders.get("labels")), str(folders.get("overlays")), lines()

    return name


class Named(Arrays):
    """One image whose file has a name."""

    def image_name(self, row):
        return self.name


def test_label_images_and_drawn_overlays_go_beside_the_csv(named):
    assert named() == ("out/n_labels", "out/n_overlays", [])
    assert named(labels=Path("mine_too")) == ("mine_too", "out/n_overlays", [])
    assert named(csv_only=True) == named("a/images/a.png") == ("None", "None", [])


def test_what_would_lie_among_the_images_is_not_written(named):
    labels, drawn, lines = named(output=Path("mine/n.csv"))
    assert (labels, drawn) == ("None", "None")
    assert lines[0] == "mine/n_labels: not written, as it lies among the images; choose another folder with --labels"
    assert len(lines) == 2
    assert named(output=Path("mine.csv"))[:2] == ("mine_labels", "mine_overlays")


@pytest.mark.parametrize(
    ("there", "message"),
    [
        (["out/n_labels/a.tif"], r"out/n_labels: holds other files, such as a\.tif; choose another --output"),
        (["out/n.csv", "out/n_labels/b.tif", "out/n_labels/a.tif"], r"out/n_labels: holds other files, such as b\.tif"),
        (["out/n.csv", "out/n_overlays/notes.txt"], r"out/n_overlays: holds other files, such as notes\.txt"),
    ],
)
def test_folders_of_others_are_left_alone(named, there, message):
    for name in there:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    with pytest.raises(InputError, match=message):
        named()


def test_an_earlier_runs_folders_are_written_anew(named):
    for name in ("out/n.csv", "out/n_labels/a.tif", "out/n_overlays/a.png", "out/n_overlays/overview.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    assert named() == ("out/n_labels", "out/n_overlays", [])


def test_the_folders_are_nobody_elses_place(named):
    with pytest.raises(InputError, match=r"--overlays out/n_overlays: already used by --labels"):
        named(labels=Path("out/n_overlays"))
    with pytest.raises(InputError, match=r"--labels out/n_labels: already used by --score"):
        named(score=Path("out/n_labels"))
