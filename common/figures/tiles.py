"""Images side by side in a figure, each with a line or two of text."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from common.figures.page import literal

TILE_HEIGHT = 320  # pixels that a tile is drawn in; more are lost in the figure
TALLEST, FLATTEST = 1.1, 0.3  # limits of a row's height over its tiles' width


def tile_figure(
    tiles: Sequence[np.ndarray],
    titles: Sequence[str],
    *,
    columns: int = 6,
    row_names: Sequence[str] = (),
    side: float = 2.2,
) -> Figure:
    """Lay images out in rows.

    Args:
        tiles: N images, (H, W, 3) uint8 or (H, W), of any sizes; an empty one leaves its place free.
        titles: N texts above them.
        columns: tiles in a row.
        row_names: written left of each row.
        side: width of a tile, inches.

    Example:
        >>> black = np.zeros((10, 20, 3), np.uint8)
        >>> [axes.get_title() for axes in tile_figure([black, black], ["a", "b"]).axes]
        ['a', 'b']
    """
    columns = min(columns, max(len(tiles), 1))
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    ratios = [_height_over_width(row) for row in rows] or [FLATTEST]
    lines = 1 + max((title.count("\n") for title in titles), default=0)
    size = (max(columns * side, 4.0), sum(ratios) * side + len(ratios) * (0.12 * lines + 0.1) + 0.1)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.04))
    grid = figure.add_gridspec(max(len(rows), 1), columns, height_ratios=ratios)
    for place, (tile, title) in enumerate(zip(tiles, titles, strict=True)):
        axes = figure.add_subplot(grid[divmod(place, columns)])
        axes.set_title(literal(title), fontsize=7, pad=2)
        axes.set_xticks([])
        axes.set_yticks([])
        if not tile.size:
            axes.set_axis_off()
            continue
        axes.imshow(tile, cmap="gray")
        if row_names and place % columns == 0:
            axes.set_ylabel(literal(row_names[place // columns]), fontsize=8)
    return figure


def _height_over_width(row: Sequence[np.ndarray]) -> float:
    ratios = [tile.shape[0] / tile.shape[1] for tile in row if tile.size]
    return float(np.clip(max(ratios, default=1.0), FLATTEST, TALLEST))
