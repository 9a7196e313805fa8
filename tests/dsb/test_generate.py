import csv
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

SCRIPT = Path(__file__).resolve().parents[2] / "dsb" / "generate.py"


def generate(folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--output", "data", "--images", "2", "--test-images", "2", *flags]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def stamps(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_solution_describes_the_test_images(tmp_path):
    assert generate(tmp_path, "--sizes", "48x64").returncode == 0
    data = tmp_path / "data"
    test_ids = {path.name for path in (data / "stage1_test").iterdir()}
    solution = rows(data / "stage1_solution.csv")
    assert {row["ImageId"] for row in solution} == test_ids
    assert {row["ImageId"] for row in rows(data / "stage1_sample_submission.csv")} == test_ids
    assert not list((data / "stage1_test").rglob("masks"))
    assert len(list((data / "stage1_train").glob("*/masks"))) == 2
    for image_id in test_ids:
        assert cv2.imread(str(data / "stage1_test" / image_id / "images" / f"{image_id}.png")).shape == (48, 64, 3)
        covered = np.zeros(48 * 64, dtype=int)
        for row in (row for row in solution if row["ImageId"] == image_id):
            assert (row["Height"], row["Width"], row["Usage"]) == ("48", "64", "Public")
            numbers = [int(number) for number in row["EncodedPixels"].split()]
            for start, length in zip(numbers[::2], numbers[1::2], strict=True):
                covered[start - 1 : start - 1 + length] += 1
        assert covered.max() == 1


def test_same_arguments_change_nothing_and_others_are_refused(tmp_path):
    assert generate(tmp_path, "--sizes", "32x32").returncode == 0
    before = stamps(tmp_path)
    assert generate(tmp_path, "--sizes", "32x32").returncode == 0
    refused = generate(tmp_path, "--sizes", "32x40")
    assert refused.returncode == 2
    assert "something else" in refused.stderr
    assert stamps(tmp_path) == before


def test_foreign_folder_and_wrong_sizes_are_refused(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "thesis.txt").write_text("mine")
    for flags, named in (([], "something else"), (["--sizes", "256"], "'256'"), (["--sizes", "8x99"], "from 32")):
        refused = generate(tmp_path, *flags)
        assert refused.returncode == 2
        assert named in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["thesis.txt"]


def test_chosen_modalities(tmp_path):
    assert generate(tmp_path, "--sizes", "64x64", "--modalities", "purple_tissue").returncode == 0
    for path in (tmp_path / "data" / "stage1_train").glob("*/images/*.png"):
        blue, green, red = cv2.imread(str(path)).reshape(-1, 3).mean(axis=0)
        assert blue > red > green > 50, "purple, on a bright background"
    refused = generate(tmp_path, "--modalities", "purple_tissue,xray")
    assert refused.returncode == 2
    assert "'xray': choose from fluorescence, purple_tissue, stain_on_white, brightfield" in refused.stderr
