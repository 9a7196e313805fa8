"""Images as axes, with boxes and contours that are readable on dark and on bright images.

Lines have a black edge. Coordinates are pixels of the image, the upper left corner of its first pixel at (0, 0).
"""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from common.masks.instances import Instances
from common.masks.resize import resize_image

# Okabe and Ito's colours, which the colour-blind tell apart; the truth is white.
TRUE, HIT, FALSE, MISSED = "#ffffff", "#56b4e9", "#d55e00", "#f0e442"
COLOURS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#d55e00")
LARGEST_SIDE = 900  # pixels of an image in a figure; a larger one is shrunk, so that figures stay small
SHORTEST_MOVE = 1.0  # pixels; a shorter one has no arrow


def new_figure(num_rows: int, num_columns: int, image_shape: Sequence[int], width: float = 11.0) -> Figure:
    """Return a figure for rows of equal panels.

    Args:
        num_rows: of panels.
        num_columns: of panels.
        image_shape: (height, width) of the images in them.
        width: of the figure, inches.
    """
    panel = width / num_columns
    height = min(panel * image_shape[0] / image_shape[1], 1.6 * panel) + 0.35
    return Figure(figsize=(width, num_rows * height + 0.35), layout="constrained")


def show_image(axes: Axes, image: np.ndarray, title: str = "", shape: Sequence[int] | None = None) -> None:
    """Show an image without ticks.

    Args:
        axes: to draw on.
        image: (H, W, 3) uint8.
        title: above it.
        shape: (height, width) that the coordinates of boxes and contours refer to; by default the image's.
    """
    height, width = shape or image.shape[:2]
    scale = min(1.0, LARGEST_SIDE / max(image.shape[:2]))
    if scale < 1:
        image = resize_image(image, (round(image.shape[0] * scale), round(image.shape[1] * scale)))
    axes.imshow(image, extent=(0, width, height, 0), interpolation="nearest")
    axes.set_title(title, fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)


def draw_boxes(
    axes: Axes,
    boxes: np.ndarray,
    colours: str | Sequence[str] = HIT,
    *,
    style: str = "-",
    width: float = 1.2,
) -> None:
    """Draw boxes, dotted ones for what comes before a step, solid ones for what comes after it.

    Args:
        axes: of an image.
        boxes: (N, 4), y1, x1, y2, x2.
        colours: one, or one per box.
        style: of matplotlib's lines.
        width: of the lines, points.
    """
    boxes = np.asarray(boxes, float).reshape(-1, 4)
    y1, x1, y2, x2 = boxes.T
    corners = np.stack([x1, y1, x2, y1, x2, y2, x1, y2, x1, y1], axis=1).reshape(-1, 5, 2)
    _draw_lines(axes, list(corners), colours, style, width)


def write_labels(axes: Axes, boxes: np.ndarray, labels: Sequence[str]) -> None:
    """Write a text above each box, (N, 4)."""
    for box, label in zip(boxes, labels, strict=True):
        text = axes.text(box[1], box[0] - 1, label, fontsize=6.5, color="white", clip_on=True)
        text.set_path_effects([patheffects.withStroke(linewidth=1.6, foreground="black")])


def draw_contours(
    axes: Axes,
    instances: Instances,
    colours: str | Sequence[str] | None = None,
    *,
    style: str = "-",
    width: float = 1.2,
) -> None:
    """Draw the outlines of objects.

    Args:
        axes: of an image.
        instances: N objects, in pixels of the image.
        colours: one, or one per object; by default neighbours in the list differ.
        style: see `draw_boxes`.
        width: of the lines, points.
    """
    lines, owners = [], []
    for number, (mask, (y1, x1, _, _)) in enumerate(zip(instances.masks, instances.boxes.tolist(), strict=True)):
        for line in outlines(mask):
            lines.append(line + np.array([x1, y1]))
            owners.append(number)
    if colours is None:
        colours = [COLOURS[number % len(COLOURS)] for number in range(len(instances))]
    chosen = colours if isinstance(colours, str) else [colours[owner] for owner in owners]
    _draw_lines(axes, lines, chosen, style, width)


def draw_moves(axes: Axes, before: np.ndarray, after: np.ndarray, colours: str | Sequence[str] = HIT) -> None:
    """Draw boxes before a step dotted, after it solid, and an arrow from centre to centre.

    Args:
        axes: of an image.
        before: (N, 4), pixels.
        after: (N, 4), pixels.
        colours: one, or one per box.
    """
    draw_boxes(axes, before, colours, style=":", width=0.9)
    draw_boxes(axes, after, colours, width=1.1)
    starts, ends = ((boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (np.asarray(before), np.asarray(after)))
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if np.hypot(*(end - start)) >= SHORTEST_MOVE:
            colour = colours if isinstance(colours, str) else colours[number]
            arrow: dict[str, Any] = {"arrowstyle": "->", "color": colour, "linewidth": 1, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", end[::-1], start[::-1], arrowprops=arrow | {"path_effects": _edge(1)})


def add_legend(figure: Figure, entries: Sequence[tuple[str, str, str]]) -> None:
    """Explain lines below the panels; each entry is a label, a colour and a style."""
    handles = [
        Line2D([], [], color=colour, ls=style, linewidth=1.6, label=label, path_effects=_edge(1.6))
        for label, colour, style in entries
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), fontsize=8, frameon=False)


def outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Return closed lines along the edges of a mask's pixels, holes included; each (P, 2) x, y.

    Args:
        mask: (H, W) bool.

    Example:
        >>> outlines(np.ones((1, 2), bool))[0].tolist()
        [[0.0, 0.0], [0.0, 1.0], [2.0, 1.0], [2.0, 0.0], [0.0, 0.0]]
    """
    if not mask.any():
        return []
    # At three times the size, the centres of the outermost pixels nearly lie on the edges.
    large = np.pad(np.repeat(np.repeat(mask.view(np.uint8), 3, axis=0), 3, axis=1), 1)
    found, _ = cv2.findContours(large, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    lines = [np.rint((line[:, 0] - 1) / 3) for line in found]
    return [np.concatenate([line, line[:1]]) for line in lines]


def _draw_lines(
    axes: Axes, lines: Sequence[np.ndarray], colours: str | Sequence[str], style: str, width: float
) -> None:
    if len(lines):
        drawn = LineCollection(
            lines, colors=colours, linestyles=style, linewidths=width, path_effects=_edge(width, style)
        )
        axes.add_collection(drawn, autolim=False)


def _edge(width: float, style: str = "-") -> list[patheffects.AbstractPathEffect]:
    # A wide edge would swallow dots.
    edge = 0.6 if style == ":" else 1.4
    return [patheffects.Stroke(linewidth=width + edge, foreground="black", alpha=0.7), patheffects.Normal()]
