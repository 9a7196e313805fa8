"""Runs, weights and CSVs of one set of versions go on, load and agree in another."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts import DSB, TINY

ROOT = Path(__file__).resolve().parents[1]
OTHER = Path(os.environ.get("SEGMENTATION_OTHER_PYTHON") or ROOT / ".venv-kaggle" / "bin" / "python")
BOTH = [(sys.executable, OTHER), (OTHER, sys.executable)]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not OTHER.exists(), reason=f"{OTHER} is not there; `make test-kaggle` makes .venv-kaggle"),
]


def run(python, folder, script, *arguments):
    """Run a script in a folder with an interpreter; return what it printed."""
    command = [str(python), str(DSB / script), *map(str, arguments)]
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache"), "TQDM_DISABLE": "1"}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def objects_of(path):
    """Return of each image of a CSV its objects, as sets of pixels."""
    objects = {}
    with path.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            numbers = [int(number) for number in row["EncodedPixels"].split()]
            runs = zip(numbers[::2], numbers[1::2], strict=True)
            objects.setdefault(row["ImageId"], []).append({start + k for start, length in runs for k in range(length)})
    return objects


@pytest.mark.parametrize(("first", "second"), BOTH, ids=["ours-theirs", "theirs-ours"])
def test_a_run_goes_on_and_its_weights_load_in_the_other(first, second, generated_set, tmp_path):
    images = generated_set / "stage1_train"
    flags = [*TINY, "--no-bfloat16", "--dataset", images, "--logs", "logs"]
    run(first, tmp_path, "my_train_1.py", *flags, "--epochs", 1)
    assert "resuming after 1 of 1 epochs" in run(second, tmp_path, "my_train_1.py", *flags, "--epochs", 2)
    with (tmp_path / "logs" / "001" / "log.csv").open(encoding="utf-8") as lines:
        assert [row["epoch"] for row in csv.DictReader(lines)] == ["1", "2"]
    predicting = ["--dataset", images, "--logs", "logs", "--csv-only", "--workers", 0]
    run(first, tmp_path, "my_inference.py", *predicting, "--output", "found.csv")
    assert "score " in run(second, tmp_path, "score.py", "found.csv", "--solution", images)


def test_both_find_the_same(generated_set, tmp_path):
    predicting = ["--weights", "small", "--no-bfloat16", "--dataset", generated_set / "stage1_train"]
    found = []
    for name, python in (("ours", sys.executable), ("theirs", OTHER)):
        output = tmp_path / f"{name}.csv"
        run(python, tmp_path, "my_inference.py", *predicting, "--csv-only", "--workers", 0, "--output", output)
        found.append(objects_of(output))
    ours, theirs = found
    assert list(ours) == list(theirs)
    pairs = [(mine, theirs[name]) for name, objects in ours.items() for mine in objects]
    same = sum(any(len(mine & other) >= 0.95 * len(mine | other) for other in others) for mine, others in pairs)
    assert len(pairs) > 20 and same >= 0.98 * len(pairs)
    assert abs(sum(map(len, ours.values())) - sum(map(len, theirs.values()))) <= 0.02 * len(pairs)
