"""Weights that look sick are named, and two files are compared array by array."""

import h5py
import numpy as np
import pytest

from common.figures.weights import compare_weights, find_problems, weights_histograms, weights_table
from common.runs.weights_file import WeightsFile

HEALTHY = np.random.default_rng(0).normal(0, 0.1, (3, 3, 4, 8)).astype(np.float32)


def weights_file(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            layer, weight = name.rsplit("__", 1)
            file[f"{layer}/{layer}/{weight}:0"] = np.asarray(values, np.float32)
    return WeightsFile(path)


def without_channels(count):
    values = HEALTHY.copy()
    values[..., :count] = 0
    return values


@pytest.mark.parametrize(
    ("weight", "values", "problems"),
    [
        ("kernel", HEALTHY, []),
        ("kernel", np.full((3, 3), 0.5), ["constant: 0.5"]),
        ("kernel", without_channels(3), ["dead: 3 of 8 channels"]),
        ("kernel", HEALTHY * 1e5, ["exploding: up to"]),
        ("bias", np.zeros(8), []),  # as it begins
        ("gamma", np.ones(8), []),
        ("gamma", np.full(8, -2000.0), ["exploding: up to 2000"]),
        ("moving_variance", np.array([0.5, 0.0]), ["not positive"]),
        ("moving_variance", np.ones(4), ["constant: 1"]),  # never updated
        ("kernel", np.zeros((1, 1)), []),
    ],
)
def test_what_is_wrong_with_weights(weight, values, problems):
    found = find_problems(weight, values)
    assert len(found) == len(problems)
    assert all(one.startswith(expected) for one, expected in zip(found, problems, strict=True))


def test_the_table_has_a_row_for_every_array(tmp_path):
    table = weights_table(weights_file(tmp_path / "a.h5", conv1__kernel=HEALTHY, conv1__bias=np.arange(8)))
    assert sorted(table.index) == ["conv1/bias", "conv1/kernel"]
    row = table.loc["conv1/kernel"]
    assert row["shape"] == "3 x 3 x 4 x 8" and row["parameters"] == HEALTHY.size and row["problem"] == ""
    assert row["std"] == pytest.approx(HEALTHY.std()) and table.loc["conv1/bias", "max"] == 7


def test_two_files_differ_by_what_was_trained(tmp_path):
    shared = {"body__kernel": HEALTHY, "head__kernel": HEALTHY}
    first = weights_file(tmp_path / "a.h5", **shared, old__bias=[1, 2], turned__bias=[1, 2])
    shared["head__kernel"] = -HEALTHY
    second = weights_file(tmp_path / "b.h5", **shared, new__bias=[1], turned__bias=[1])
    table = compare_weights(first, second)
    assert table["change"].dropna().to_dict() == pytest.approx({"head/kernel": 2, "body/kernel": 0})
    assert table["cosine"].dropna().to_dict() == pytest.approx({"head/kernel": -1, "body/kernel": 1})
    notes = table["note"].to_dict()
    assert notes["old/bias"] == "only in the first" and notes["new/bias"] == "only in the second"
    assert notes["turned/bias"] == "(2,) and (1,)"
    assert table.index[-2:].tolist() == ["head/kernel", "body/kernel"]  # after what could not be compared


def test_histograms_count_every_value(tmp_path):
    files = {"a": weights_file(tmp_path / "a.h5", conv1__kernel=HEALTHY, conv1__gamma=np.ones(8))}
    (figure,) = weights_histograms(files)
    (axes,) = figure.axes  # scales are not drawn
    assert axes.get_title() == "conv1\nkernel"
    files["b"] = weights_file(tmp_path / "b.h5", conv1__kernel=HEALTHY + 1)
    (figure,) = weights_histograms(files)
    assert len(figure.axes[0].patches) == 2 and [text.get_text() for text in figure.legends[0].get_texts()] == [
        "a",
        "b",
    ]
