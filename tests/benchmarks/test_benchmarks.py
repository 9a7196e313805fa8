"""Measurements of whole runs, at a small size; each checks its own results."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import average_precision, training_batch

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

pytestmark = pytest.mark.slow


def test_a_large_image_stays_within_three_gib(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "large_image.py")]
    command += ["--side", "1500", "--nuclei", "300", "--tasks", "single"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "| single | 1500x1500 | 300 | 300 | " in result.stdout


@pytest.mark.parametrize("preset", list(training_batch.PRESETS))
def test_the_dense_way_makes_the_same_training_batches(preset, tmp_path):
    training_batch.write_images(tmp_path / "set", None, 4)
    dataset = training_batch.open_images(tmp_path)
    training_batch.check_equal(tmp_path, dataset, training_batch.PRESETS[preset])


def test_average_precision_equals_that_of_pycocotools():
    rows = average_precision.measure(6, 3, 4, 9, repeats=1)
    assert [row[3] for row in rows] == ["matching", "all"]
