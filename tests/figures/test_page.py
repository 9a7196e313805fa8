"""A report is one file that holds everything, with each figure and table beside it."""

import base64
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from common.errors import InputError
from common.figures.page import Page


def make_page():
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot([0, 1])
    page = Page("Weights of <b>A & B</b>", "All of them.")
    page.add("Learning curves", figure, "They should <fall>.")
    page.add("Last epoch", pd.DataFrame({"loss": [0.123456]}, index=["<script>"]), "The latest.")
    return page


def test_a_page_holds_its_figures_and_asks_for_nothing_else(tmp_path):
    path = make_page().save(tmp_path / "report")
    text = path.read_text(encoding="utf-8")
    (image,) = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    beside = tmp_path / "report" / "01_learning_curves.png"
    assert base64.b64decode(image) == beside.read_bytes()
    assert imread(beside).shape == (110, 220, 4)
    assert "http" not in text and "<link" not in text and "src=" in text
    assert '<a href="#s2">Last epoch</a>' in text and '<h2 id="s2">Last epoch</h2>' in text


def test_texts_are_never_markup(tmp_path):
    text = make_page().save(tmp_path).read_text(encoding="utf-8")
    assert "<script" not in text and "<b>" not in text and "<fall>" not in text
    assert "Weights of &lt;b&gt;A &amp; B&lt;/b&gt;" in text and "&lt;script&gt;" in text


def test_a_table_lies_beside_the_page_in_full_precision(tmp_path):
    make_page().save(tmp_path)
    table = pd.read_csv(tmp_path / "02_last_epoch.csv", index_col=0)
    np.testing.assert_array_equal(table["loss"], [0.123456])
    assert "0.1235" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_figures_of_an_earlier_report_are_removed_and_no_other_files(tmp_path):
    longer = make_page()
    longer.add("Third", pd.DataFrame({"x": [1]}), "One more.")
    longer.save(tmp_path)
    assert (tmp_path / "03_third.csv").exists()
    mine = {"01_scan.png", "02_table.csv", "notes.csv"}
    for name in mine:
        (tmp_path / name).touch()
    make_page().save(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"01_learning_curves.png", "02_last_epoch.csv", "index.html"} | mine


def test_a_page_that_is_no_report_is_kept(tmp_path):
    (tmp_path / "index.html").write_text("<h1>Mine</h1>")
    with pytest.raises(InputError, match="not written by a report"):
        make_page().save(tmp_path)
    assert (tmp_path / "index.html").read_text() == "<h1>Mine</h1>"
