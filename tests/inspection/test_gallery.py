"""Small copies of figures."""

import numpy as np

from common.images.decoding import read_image, save_image
from tests.scripts import run_here

GALLERY = "../inspection/gallery.py"


def test_figures_become_small(tmp_path, monkeypatch, capsys):
    noise = np.random.default_rng(0).integers(0, 255, (700, 2000, 3)).astype(np.uint8)
    save_image(tmp_path / "data" / "01_samples.png", noise)
    save_image(tmp_path / "data" / "02_plain.png", np.full((50, 100, 3), 200, np.uint8))
    save_image(tmp_path / "data" / "other.png", np.zeros((5, 5, 3), np.uint8))
    code, out, _ = run_here(monkeypatch, capsys, GALLERY, tmp_path / "data", "--output", tmp_path / "small")
    assert code == 0 and "wrote 2 figures" in out
    files = sorted((tmp_path / "small").iterdir())
    assert [path.name for path in files] == ["data_plain.jpg", "data_samples.jpg"]
    assert max(path.stat().st_size for path in files) <= 60_000
    assert read_image(files[0]).shape == (50, 100, 3)
    height, width, _ = read_image(files[1]).shape
    assert width <= 1200 and abs(width / height - 2000 / 700) < 0.1


def test_a_folder_without_figures_is_bad_input(tmp_path, monkeypatch, capsys):
    code, _, errors = run_here(monkeypatch, capsys, GALLERY, tmp_path, "--output", tmp_path / "small")
    assert code == 2 and "no figures" in errors.splitlines()[-1]
