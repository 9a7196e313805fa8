"""Run the scripts as a user does: in this process, which is fast, or in a new one, from any folder."""

import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

DSB = Path(__file__).resolve().parents[1] / "dsb"
TRAINING = ("my_train_1.py", "my_train_2.py", "my_train_3.py")
INFERENCE = ("my_inference.py", "my_inference_tta.py")
NARROW_FLAGS = ["--fpn-channels", "16", "--rpn-channels", "16", "--head-channels", "64", "--mask-channels", "16"]
# A minimal network, for training; its class head is not trained, so that it finds something.
TINY = ["--preset", "demo", "--min-dim", "64", "--crop-size", "64", "--batch-size", "1", "--steps-per-epoch", "2"]
TINY += NARROW_FLAGS
TINY += ["--mask-convs", "1", "--train-rois", "8", "--train-proposals", "50", "--detect-proposals", "50"]
TINY += ["--pre-nms-limit", "200", "--max-detections", "20", "--confidence", "0", "--dataset", "data/stage1_train"]
TINY += ["--loss-weights", "1,1,0,1,1", "--mask-threshold", "0.4", "--mask-confidence", "0"]
TIMEOUT = 600  # seconds; a compilation takes 20 on an idle machine
# TensorFlow's own; version 2.20 writes dates.
LOG_LINE = re.compile(r"WARNING: All log messages before absl|[IWE]0000 |\d{4}-\d\d-\d\d \S+: [IWE] ")


def run_here(monkeypatch, capsys, script, *arguments):
    """Run a script in this process; return its exit code, stdout and stderr."""
    monkeypatch.setattr(sys, "argv", [str(DSB / script), *map(str, arguments)])
    monkeypatch.setattr(sys, "path", list(sys.path))
    capsys.readouterr()
    try:
        runpy.run_path(str(DSB / script), run_name="__main__")
    except SystemExit as stop:
        return stop.code, *capsys.readouterr()
    return 0, *capsys.readouterr()


def load_presets(monkeypatch, script):
    """Return a training script's experiments by the preset's name."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    return runpy.run_path(str(DSB / script), run_name="experiment")["STEP"]


def start(folder, script, *arguments):
    """Start a script as a process in a folder that also holds the mask cache; without progress bars."""
    matplotlib = Path(tempfile.gettempdir()) / "matplotlib"  # Keras imports it, and its cache is slow to build
    environment = os.environ | {
        "XDG_CACHE_HOME": str(folder / "cache"),
        "MPLCONFIGDIR": str(matplotlib),
        "TQDM_DISABLE": "1",
    }
    return subprocess.Popen(
        [sys.executable, str(DSB / script), *map(str, arguments)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_ctrl_c,
    )


def _hear_ctrl_c():
    """Undo what a shell does to programs that it starts in the background, and they to theirs."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def finish(process):
    """Wait for a process; return its exit code, stdout, and the lines of stderr without TensorFlow's log."""
    try:
        output, errors = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, output, [line for line in errors.splitlines() if not LOG_LINE.match(line)]
