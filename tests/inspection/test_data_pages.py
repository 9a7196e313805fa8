"""The page on an image set, for generated nuclei and for other layouts."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from common.figures.data.survey import survey_images
from common.images.decoding import save_image
from common.images.synthetic import write_dataset
from inspection.data_pages import data_page
from tests.figures.data.sets import faulty_set
from tests.scripts import run_here
from tests.tiny import TINY

REPORT = "../inspection/report.py"


@pytest.fixture(scope="module")
def nuclei(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nuclei") / "stage1_train"
    folder.mkdir()
    write_dataset(folder, 6, 1, sizes=[(96, 96), (64, 96)])
    return folder


def titles_of(folder):
    return [path.stem[3:] for path in sorted(folder.glob("[0-9]*"))]


def test_one_command_shows_a_set(nuclei, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    report = tmp_path / "report"
    code, out, errors = run_here(monkeypatch, capsys, REPORT, "data", "--dataset", nuclei, "--output", report)
    assert code == 0 and "index.html" in out, errors
    titles = titles_of(report)
    assert titles[:7] == [
        "samples",
        "sizes_and_objects",
        "object_sizes",
        "intensities",
        "rescaled_and_cropped",
        "augmented",
        "mini_masks",
    ]
    assert titles[-2:] == ["suspicious_objects_by_rule", "suspicious_objects"] and "all_duplicates" in titles
    text = (report / "index.html").read_text(encoding="utf-8")
    assert "6 images" in text and text.count("data:image/png") == len(list(report.glob("*.png"))) >= 7


def test_a_sample_can_be_chosen_and_the_set_limited(nuclei, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    image_id = sorted(path.name for path in nuclei.iterdir())[1]
    arguments = ["data", "--dataset", nuclei, "--limit", "2", "--output", tmp_path / "report"]
    code, _, _ = run_here(monkeypatch, capsys, REPORT, *arguments, "--image", image_id)
    text = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert code == 0 and f"cuts from {image_id}" in text and "2 images" in text
    code, _, errors = run_here(monkeypatch, capsys, REPORT, *arguments, "--image", "nobody")
    assert code == 2 and "--image nobody: not in" in errors.splitlines()[-1]


def test_an_unusable_image_is_refused_or_left_out(tmp_path, monkeypatch, capsys, caplog):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bad = tmp_path / "set"
    write_dataset(bad, 3, 2, sizes=[(64, 64)])
    broken = sorted(bad.glob("*/images/*.png"))[0]
    broken.write_bytes(broken.read_bytes()[:200])
    arguments = ["data", "--dataset", bad, "--output", tmp_path / "report"]
    code, _, errors = run_here(monkeypatch, capsys, REPORT, *arguments)
    assert code == 2 and "--skip-bad" in errors.splitlines()[-1]
    code, _, _ = run_here(monkeypatch, capsys, REPORT, *arguments, "--skip-bad")
    assert code == 0 and broken.name in caplog.text
    text = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "2 images" in text and f"Left out as unusable: {broken.stem}." in text


def test_images_without_objects_have_a_shorter_page(tmp_path, monkeypatch, capsys):
    write_dataset(tmp_path / "set", 2, 3, sizes=[(64, 64)])
    for masks in (tmp_path / "set").glob("*/masks"):
        for mask in masks.iterdir():
            mask.unlink()
        masks.rmdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    arguments = ["data", "--dataset", tmp_path / "set", "--output", tmp_path / "report"]
    code, _, errors = run_here(monkeypatch, capsys, REPORT, *arguments)
    assert code == 0, errors
    titles = titles_of(tmp_path / "report")
    assert titles == ["samples", "sizes_and_objects", "intensities", "all_duplicates"]


def test_images_that_are_in_two_parts_are_shown(tmp_path, monkeypatch, capsys):
    for subset, seeds in (("train", (1, 2)), ("val", (2, 3))):
        for seed in seeds:
            cells = np.random.default_rng(seed).integers(30, 220, (8, 8)).astype(np.uint8)
            mask = np.zeros((64, 64, 3), np.uint8)
            mask[20:40, 20:40] = 255
            image = np.kron(cells, np.ones((8, 8), np.uint8))[..., None].repeat(3, 2)
            save_image(tmp_path / "set" / subset / "image" / "Monocyte" / f"{subset}{seed}.png", image)
            save_image(tmp_path / "set" / subset / "mask" / "Monocyte" / f"{subset}{seed}.png", mask)
    arguments = ["data", "--dataset", tmp_path / "set", "--against", "val", "--output", tmp_path / "report"]
    code, _, errors = run_here(monkeypatch, capsys, REPORT, *arguments)
    assert code == 0, errors
    (path,) = (tmp_path / "report").glob("*_all_duplicates.csv")
    table = pd.read_csv(path)
    assert table[["first_id", "second_id", "kind"]].values.tolist() == [["train: train2", "val: val2", "same pixels"]]
    assert "2 images" in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")


def test_bad_input_is_one_line(nuclei, tmp_path, monkeypatch, capsys):
    for arguments, message in (
        (["data"], "--dataset"),
        (["data", "--dataset", tmp_path / "nowhere"], "nowhere"),
        (["data", "--dataset", nuclei, "--competition", "chess"], "--competition chess"),
        (["data", "--dataset", nuclei, "--limit", "0"], "--limit 0"),
        (["data", "--dataset", nuclei, "--against", "val"], "--part val"),
    ):
        code, _, errors = run_here(monkeypatch, capsys, REPORT, *arguments)
        assert code == 2 and message in errors.splitlines()[-1], arguments


def test_the_choice_is_a_usual_image():
    config = replace(TINY, class_names=("cell", "nucleus"))
    page = data_page(survey_images(faulty_set()), config)
    by_title = {section.title: section for section in page.sections}
    assert "cuts from p0" in by_title["Rescaled and cropped"].caption
    table = by_title["Suspicious objects by rule"].content
    assert isinstance(table, pd.DataFrame) and table["objects"].to_dict() == {
        "parts": 1,
        "tails": 0,
        "holes": 1,
        "large": 1,
        "small": 1,
        "border": 1,
        "twice": 0,
    }
    assert by_title["Class counts"].content["objects"].tolist() == [28, 27]
