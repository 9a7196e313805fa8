"""What the README shows in Python runs as it stands."""

import re
from pathlib import Path

import numpy as np
import pytest

from common.images.decoding import save_image
from common.images.synthetic import generate_sample

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def needs_network(block):
    return "Predictor" in block


def test_the_first_block_predicts_in_four_lines():
    assert needs_network(BLOCKS[0])
    assert len([line for line in BLOCKS[0].splitlines() if line and "import" not in line]) <= 4


@pytest.mark.parametrize(
    "block",
    [pytest.param(block, marks=pytest.mark.slow if needs_network(block) else ()) for block in BLOCKS],
    ids=[f"block {number}" for number in range(1, len(BLOCKS) + 1)],
)
def test_blocks_of_python_run(block, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sample = generate_sample(np.random.default_rng(1), "fluorescence", (128, 128), 8)
    save_image(tmp_path / "nuclei.png", sample.image)
    exec(compile(block, "README.md", "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    if needs_network(block):
        assert 1 <= int(printed.split()[0]) <= 20
    for line in re.findall(r"print\(.*\)  # (.+)", block):
        assert needs_network(block) or line.split(":")[0] in printed
