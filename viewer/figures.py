"""The figure of an image: its pixels, the outlines of its objects, and what the pointer meets."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from viewer.objects import LAYERS, UNKNOWN, Panel
from viewer.scenes import Scene

# Okabe and Ito's colours, apart for the colour-blind; errors are warm, and truth is dashed.
COLOURS = {
    "true-hit": "#cfe8fb",
    "found-hit": "#56b4e9",
    "missed": "#f0e442",
    "false": "#ff7a45",
    UNKNOWN: "#56b4e9",
}
DASHED = {"true-hit", "missed"}
HALO = "rgba(0,0,0,0.55)"  # below each line, so that it shows on bright pixels
TEXT = "#e6e9ee"
MOST_VOTES = 1024  # cells of a map of votes along either side


@dataclass(frozen=True, eq=False)
class Drawn:
    """A panel ready to be drawn.

    Attributes:
        panel: its objects.
        regions: (h, w) int, what the pointer meets, see `make_regions`.
    """

    panel: Panel
    regions: np.ndarray


def image_figure(scene: Scene, drawn: Sequence[Drawn], source: str, shown: Collection[str], revision: str) -> go.Figure:
    """Return the figure of an image, a panel for each submission; panels move together.

    Args:
        scene: the image.
        drawn: the panels.
        source: address of the image.
        shown: keys of the layers that are visible.
        revision: zoom is kept while it stays the same.
    """
    figure = go.Figure()
    for number, one in enumerate(drawn):
        suffix = "" if number == 0 else str(number + 1)
        axes = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
        figure.add_trace(_region_trace(one.regions, scene.image_shape, axes))
        for layer in (UNKNOWN, *LAYERS):
            figure.add_traces(_outline_traces(scene, one.panel, layer, layer in shown or layer == UNKNOWN, axes))
    _lay_out(figure, scene.image_shape, len(drawn), source)
    return figure.update_layout(uirevision=revision)


def votes_figure(votes: np.ndarray, most: float, source: str, title: str) -> go.Figure:
    """Return an image beneath its votes.

    Args:
        votes: (H, W) float, how many views see an object at each pixel; 0 is left clear.
        most: the highest possible.
        source: address of the image.
        title: of the colour bar.
    """
    height, width = votes.shape
    step = max(1, -(-max(votes.shape) // MOST_VOTES))
    shown = np.where(votes > 0, votes, np.nan)[step // 2 :: step, step // 2 :: step].astype(np.float32)
    bar = {"title": {"text": title, "side": "right"}, "thickness": 14, "outlinewidth": 0, "y": 0.45, "len": 0.9}
    heat = go.Heatmap(
        z=shown,
        x0=step / 2,
        dx=step,
        y0=step / 2,
        dy=step,
        zmin=0,
        zmax=most,
        colorscale="Cividis",
        opacity=0.55,
        colorbar=bar,
        hovertemplate="%{z:.2~f}<extra></extra>",
    )
    figure = go.Figure(heat)
    _lay_out(figure, (height, width), 1, source)
    return figure


def empty_figure() -> go.Figure:
    """Return a figure without anything, not even axes."""
    return go.Figure().update_layout(plain_layout()).update_xaxes(visible=False).update_yaxes(visible=False)


def _region_trace(regions: np.ndarray, image_shape: tuple[int, int], axes: dict[str, str]) -> go.Heatmap:
    """Return an invisible map whose values the pointer meets."""
    height, width = image_shape
    steps = width / regions.shape[1], height / regions.shape[0]
    return go.Heatmap(
        z=regions.astype(np.uint16 if regions.max(initial=0) < 2**16 else np.int32),
        x0=steps[0] / 2,
        dx=steps[0],
        y0=steps[1] / 2,
        dy=steps[1],
        colorscale=[[0, "rgba(0,0,0,0)"], [1, "rgba(0,0,0,0)"]],
        showscale=False,
        hoverinfo="none",
        name="regions",
        **axes,
    )


def _outline_traces(scene: Scene, panel: Panel, layer: str, visible: bool, axes: dict[str, str]) -> list[go.Scatter]:
    """Return a layer's outlines in one line, above its halo; none without objects."""
    of_truth = layer in DASHED
    outlines = scene.true_outlines if of_truth else scene.found_outlines.get(panel.name, ())
    layers = panel.true_layers if of_truth else panel.found_layers
    chosen = [outlines[i] for i in np.flatnonzero(layers == layer).tolist()]
    if not chosen:
        return []
    gap = np.full((1, 2), np.nan, np.float32)
    points = np.concatenate([part for outline in chosen for part in (outline, gap)])[:-1]
    dash = "4px,3px" if of_truth else "solid"
    lines = ({"color": HALO, "width": 4}, {"color": COLOURS[layer], "width": 2, "dash": dash})
    return [
        go.Scatter(
            x=points[:, 0],
            y=points[:, 1],
            mode="lines",
            line=line,
            visible=visible,
            hoverinfo="skip",
            name=layer,
            **axes,
        )
        for line in lines
    ]


def plain_layout() -> dict[str, Any]:
    """Return the layout that all figures share."""
    return {
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "showlegend": False,
        "dragmode": "pan",
        "hovermode": "closest",
        "font": {"color": TEXT, "family": "system-ui, sans-serif"},
    }


def _lay_out(figure: go.Figure, image_shape: tuple[int, int], count: int, source: str) -> None:
    """Place the image in each panel, and tie the panels' axes together."""
    height, width = image_shape
    gap = 0.01
    hidden: dict[str, Any] = {
        "showgrid": False,
        "zeroline": False,
        "showticklabels": False,
        "ticks": "",
        "showline": False,
    }
    layout = plain_layout() | {"images": []}
    for number in range(count):
        suffix = "" if number == 0 else str(number + 1)
        low, high = number / count + gap * (number > 0), (number + 1) / count - gap * (number < count - 1)
        layout[f"xaxis{suffix}"] = hidden | {"domain": [low, high], "range": [0, width], "anchor": f"y{suffix}"}
        layout[f"yaxis{suffix}"] = hidden | {"range": [height, 0], "anchor": f"x{suffix}"}
        if not number:
            layout["yaxis"] |= {"scaleanchor": "x"}
        else:
            layout[f"xaxis{suffix}"] |= {"matches": "x"}
            layout[f"yaxis{suffix}"] |= {"matches": "y"}
        layout["images"].append(
            {"source": source, "xref": f"x{suffix}", "yref": f"y{suffix}", "x": 0, "y": 0, "sizex": width}
            | {"sizey": height, "sizing": "stretch", "layer": "below", "xanchor": "left", "yanchor": "top"}
        )
    figure.update_layout(layout)
