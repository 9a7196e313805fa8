import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common.errors import InputError
from common.images.decoding import decode_image, encode_png
from common.runs.events import BINS, EventLog
from tests.events import read_events, steps

IMAGE = np.arange(3 * 4 * 3, dtype=np.uint8).reshape(3, 4, 3)


def write(folder, first, last):
    with EventLog(folder, first) as events:
        for epoch in range(first, last + 1):
            events.add_scalars(epoch, {"loss": 1 / epoch})


def test_every_kind_comes_back(tmp_path):
    values = np.array([[0.0, 1.0, 1.0], [2.0, 10.0, 10.0]], np.float32)
    with EventLog(tmp_path, 1) as events:
        events.add_scalars(1, {"loss": 0.5, "score": np.nan})
        events.add_text(1, "config", "**bold**")
        events.add_hyperparameters(1, {"seed": 3, "balanced": True, "norm": "group"})
        events.add_png(2, "overlays/a", encode_png(IMAGE), IMAGE.shape[:2])
        events.add_histogram(2, "weights/kernel", values)
    read = read_events(tmp_path)
    assert read["loss"] == [(1, 0.5)] and np.isnan(read["score"][0][1])
    assert read["config"] == [(1, "**bold**")]
    ((step, (width, height, file)),) = read["overlays/a"]
    assert (step, width, height) == (2, 4, 3)
    np.testing.assert_array_equal(decode_image(file, "a"), IMAGE)
    ((step, rows),) = read["weights/kernel"]
    assert step == 2 and rows[:, 2].sum() == values.size and rows[-1, 2] == 2
    assert (rows[0, 0], rows[-1, 1]) == (0, 10)
    assert steps(read, "_hparams_") == {"_hparams_/session_start_info": [1]}


CLOSE = np.array([1, np.nextafter(np.float32(1), np.float32(2))], np.float32)


@pytest.mark.parametrize(
    "values", [np.zeros(0), np.full((2, 3), 7.0), np.ones(()), CLOSE], ids=["none", "constant", "one", "close"]
)
def test_histograms_of_little(tmp_path, values):
    with EventLog(tmp_path, 1) as events:
        events.add_histogram(1, "weights", values)
    ((_, rows),) = read_events(tmp_path)["weights"]
    assert rows[:, 2].sum() == values.size and len(rows) <= BINS
    assert all(left <= 7 <= right for left, right, count in rows if count and values.size == 6)


@pytest.mark.usefixtures("a_second_each")
def test_what_an_interrupted_run_wrote_of_later_epochs_is_void(tmp_path):
    write(tmp_path, 1, 3)
    write(tmp_path, 3, 5)
    write(tmp_path, 5, 5)
    assert read_events(tmp_path)["loss"] == [(epoch, pytest.approx(1 / epoch)) for epoch in range(1, 6)]
    write(tmp_path, 1, 2)
    assert steps(read_events(tmp_path)) == {"loss": [1, 2]}


def test_what_is_flushed_survives_a_kill(tmp_path):
    events = EventLog(tmp_path, 1)
    events.add_scalars(1, {"loss": 0.5})
    events.flush()
    assert read_events(tmp_path)["loss"] == [(1, 0.5)]


WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = None
import numpy as np
from pathlib import Path
from common.runs.events import EventLog
with EventLog(Path(sys.argv[1]), 1) as events:
    events.add_scalars(1, {"loss": 0.5})
    events.add_text(1, "config", "text")
    events.add_hyperparameters(1, {"seed": 3})
    events.add_png(1, "image", b"file", (3, 4))
    events.add_histogram(1, "weights", np.arange(9))
"""


def test_no_tensorflow_is_needed(tmp_path):
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", WITHOUT_TENSORFLOW, str(tmp_path)], cwd=root, check=True)
    names = ["loss", "config", "_hparams_/session_start_info", "image", "weights"]
    assert steps(read_events(tmp_path)) == {name: [1] for name in names}


def test_events_that_cannot_be_written_are_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot write TensorBoard events"):
        EventLog(tmp_path / "file" / "below", 1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_full_disk_is_one_line_and_no_waiting(full_disk):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    with pytest.raises(InputError, match="cannot write TensorBoard events"), EventLog(full_disk, 1) as events:
        for epoch in range(1, 100):
            events.add_png(epoch, "overlays/a", encode_png(noise), noise.shape[:2])
            events.flush()
