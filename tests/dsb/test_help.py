"""`--help` of every script shows its commands and flags."""

import pytest

from tests.scripts import INFERENCE, TRAINING, run_here

TRAINING_FLAGS = "dataset weights logs preset fold epochs steps-per-epoch limit seed skip-bad"
INFERENCE_FLAGS = "dataset weights logs preset fold limit skip-bad output sample-submission workers confidence"
INFERENCE_FLAGS += " score overlays labels csv-only as-published"


@pytest.mark.parametrize(
    ("script", "flags"),
    [
        *((script, TRAINING_FLAGS) for script in TRAINING),
        *((script, INFERENCE_FLAGS) for script in INFERENCE),
        ("my_inference.py", "dilation"),
        ("my_inference_tta.py", "views channel-shift swap-scales"),
        ("score.py", "solution only-submitted table"),
    ],
)
def test_help_shows_every_flag(monkeypatch, capsys, script, flags):
    code, text, errors = run_here(monkeypatch, capsys, script, "--help")
    assert (code, errors) == (0, "")
    assert f"python dsb/{script}" in text
    assert [flag for flag in flags.split() if f"--{flag} " not in text.replace("]", " ").replace(",", " ")] == []
