"""Learning curves: what was logged is what is drawn."""

import math

import numpy as np
import pytest

from common.errors import InputError
from common.figures.curves import draw_curves, read_run, save_curves
from common.images.decoding import read_image
from common.runs.log import LOG_FILE, append_epoch


def write_log(folder, losses, scores=()):
    folder.mkdir()
    for epoch, loss in enumerate(losses, start=1):
        values = {"loss": loss, "val_loss": loss + 1, "learning_rate": 1e-3}
        if epoch <= len(scores):
            values["score"] = scores[epoch - 1]
        append_epoch(folder / LOG_FILE, epoch, values)
    return folder


def test_a_log_is_read_as_numbers_by_epoch(tmp_path):
    log = read_run(write_log(tmp_path / "run", [3, 2, 1.5], [0.25]))
    assert log.index.tolist() == [1, 2, 3] and log["loss"].tolist() == [3, 2, 1.5]
    assert log["score"].iloc[0] == 0.25 and math.isnan(log["score"].iloc[2])


def test_runs_lie_in_one_plot_and_validation_in_that_of_its_loss(tmp_path):
    runs = {name: read_run(write_log(tmp_path / name, losses)) for name, losses in (("a", [3, 2]), ("b", [5, 4, 1]))}
    figure = draw_curves(runs)
    plots = {axes.get_title(): axes for axes in figure.axes}
    assert list(plots) == ["loss", "learning rate"]
    lines = {line.get_label(): line for line in plots["loss"].lines}
    assert list(lines) == ["a", "a, validation", "b", "b, validation"]
    np.testing.assert_array_equal(lines["b"].get_xydata(), [(1, 5), (2, 4), (3, 1)])
    np.testing.assert_array_equal(lines["a, validation"].get_ydata(), [4, 3])
    assert lines["a"].get_color() == lines["a, validation"].get_color() != lines["b"].get_color()
    assert plots["learning rate"].get_yscale() == "log"


def test_missing_epochs_are_left_out(tmp_path):
    figure = draw_curves({"a": read_run(write_log(tmp_path / "a", [3, 2, 1], [0.5]))}, ["score"])
    (line,) = figure.axes[0].lines
    np.testing.assert_array_equal(line.get_xydata(), [(1, 0.5)])


def test_a_folder_without_a_log_is_bad_input(tmp_path):
    with pytest.raises(InputError, match=r"no log\.csv with an epoch"):
        read_run(tmp_path)
    (tmp_path / LOG_FILE).write_text("epoch,loss\n1,low\n", encoding="utf-8")
    with pytest.raises(InputError, match="not a log of numbers"):
        read_run(tmp_path)


def test_the_curves_lie_beside_the_log(tmp_path):
    path = save_curves(write_log(tmp_path / "run", [3, 2, 1], [0.5]))
    assert path == tmp_path / "run" / "curves.png"
    image = read_image(path)
    assert len({tuple(colour) for colour in image[::3, ::3].reshape(-1, 3).tolist()}) > 3
