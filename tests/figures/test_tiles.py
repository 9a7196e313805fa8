"""Images in rows of a figure."""

import numpy as np
import pytest

from common.figures.tiles import tile_figure


def test_tiles_fill_rows_and_keep_their_titles():
    tiles = [np.full((10, 20, 3), value, np.uint8) for value in range(5)]
    figure = tile_figure(tiles, list("abcde"), columns=2, row_names=["first", "second", "third"])
    assert [axes.get_title() for axes in figure.axes] == list("abcde")
    assert [axes.get_ylabel() for axes in figure.axes] == ["first", "", "second", "", "third"]
    for value, axes in enumerate(figure.axes):
        np.testing.assert_array_equal(axes.images[0].get_array(), tiles[value])


def test_an_empty_tile_leaves_its_place_free():
    figure = tile_figure([np.zeros((0, 0, 3), np.uint8), np.zeros((4, 4))], ["", "b"])
    assert [len(axes.images) for axes in figure.axes] == [0, 1] and not figure.axes[0].axison


def test_no_tiles_are_an_empty_figure_and_a_title_too_few_is_an_error():
    assert tile_figure([], []).axes == []
    with pytest.raises(ValueError):
        tile_figure([np.zeros((4, 4))], [])
