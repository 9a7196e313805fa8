"""How sizes, objects, intensities and classes of an image set are distributed."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from common.figures.curves import COLOURS, use_log_sizes
from common.figures.data.survey import Survey
from common.figures.page import literal

BINS = 40
LEAST_BARS = 6  # for which there is room
MOST_BARS = 15  # sizes of images listed; more are drawn as dots
MOST_LISTED = 30  # classes
MOST_CLASSES = 6  # told apart in a histogram; more are drawn as one
CHANNELS = {"red": "#d55e00", "green": "#009e73", "blue": "#0072b2"}


def draw_sizes(survey: Survey) -> Figure:
    """Draw the heights and widths of the images, and how many objects they have."""
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    sizes = survey.by_image.groupby(["height", "width"]).size().sort_values()
    if len(sizes) <= MOST_BARS:
        names = [f"{height} x {width}" for height, width in sizes.index]
        left.bar_label(left.barh(names, sizes, color=COLOURS[0]), fontsize=7, padding=2)
        left.set(xlabel="images", title=f"{_count(len(sizes), 'size')}, height x width")
        left.set_ylim(-0.6, max(len(sizes), LEAST_BARS) - 0.4)
    else:
        heights, widths = (sizes.index.get_level_values(side) for side in ("height", "width"))
        area = 8 + 200 * sizes / sizes.max()
        left.scatter(widths, heights, area, color=COLOURS[0], alpha=0.6)
        left.set(xlabel="width, pixels", ylabel="height, pixels", title=f"{len(sizes)} sizes")
    counts = survey.by_image["objects"]
    right.hist(counts, _whole_bins(counts.max()), color=COLOURS[0])
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.axvline(counts.median(), color="black", linestyle=":")
    right.set(xlabel="objects of an image", ylabel="images", title=f"median {counts.median():g}, most {counts.max()}")
    _finish(left, right)
    return figure


def draw_object_sizes(
    survey: Survey,
    class_names: Sequence[str],
    *,
    scales: np.ndarray | None = None,
    anchor_sides: Sequence[float] = (),
) -> Figure:
    """Draw the sizes of the objects: the square root of their area, in the image and in the network's input.

    Args:
        survey: with objects.
        class_names: of the classes 1, 2, ...
        scales: (N,) float, by which each image is enlarged for the network; None: not known.
        anchor_sides: sides of the network's anchors, pixels of its input, drawn as lines.
    """
    objects = survey.by_object
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    panels = figure.subplots(1, 1 if scales is None else 2, squeeze=False)[0]
    sides = np.sqrt(objects["area"].to_numpy().clip(1))
    _draw_sides(panels[0], sides, objects["class_id"], class_names)
    panels[0].set(xlabel="square root of the area, pixels of the image", ylabel="objects")
    if scales is not None:
        _draw_sides(panels[1], sides * scales[objects["image"]], objects["class_id"], class_names)
        for side in anchor_sides:
            panels[1].axvline(side, color="black", linestyle=":", linewidth=1)
        anchors = "; dotted: anchors" if len(anchor_sides) else ""
        panels[1].set(xlabel=f"the same in the network's input{anchors}")
    _finish(*panels)
    return figure


def draw_intensities(survey: Survey) -> Figure:
    """Draw how often each value occurs in each channel, and each image's brightness, contrast and colour."""
    figure = Figure(figsize=(11, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, colour), shares in zip(CHANNELS.items(), survey.levels.T, strict=True):
        left.plot(np.arange(256), shares.clip(1e-6), color=colour, label=name, linewidth=1)
    left.set(xlabel="value", ylabel="share of the pixels", yscale="log", title="mean of all images")
    left.legend(fontsize=8)
    facts = survey.by_image
    brightness = facts[["red", "green", "blue"]].mean(axis=1)
    most = max(facts["colour"].max(), 1)
    points = right.scatter(brightness, facts["contrast"], 14, c=facts["colour"], cmap="viridis", vmin=0, vmax=most)
    figure.colorbar(points, ax=right, label="colour: largest less smallest channel")
    right.set(xlabel="mean value of an image", ylabel="standard deviation of its grey values", title="one dot an image")
    _finish(left, right)
    return figure


def draw_classes(survey: Survey, class_names: Sequence[str]) -> Figure:
    """Draw how many objects each class has, and in how many images, the most frequent classes on top."""
    counts = count_classes(survey, class_names).sort_values("objects", kind="stable")
    table = counts.tail(MOST_LISTED)
    figure = Figure(figsize=(9, 0.9 + 0.28 * len(table)), layout="constrained")
    axes = figure.add_subplot()
    rows = np.arange(len(table))
    for offset, column, colour in ((0.2, "objects", COLOURS[0]), (-0.2, "images", COLOURS[4])):
        bars = axes.barh(rows + offset, table[column], 0.4, color=colour, label=column)
        axes.bar_label(bars, fontsize=7, padding=2)
    axes.set_yticks(rows, [literal(name) for name in table.index], fontsize=8)
    axes.set_xscale("symlog", linthresh=10)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.margins(x=0.1, y=0.02)
    axes.set_title(f"{np.count_nonzero(counts['objects'])} of {len(counts)} classes have objects")
    axes.legend(fontsize=8, loc="lower right")
    _finish(axes)
    return figure


def count_classes(survey: Survey, class_names: Sequence[str]) -> pd.DataFrame:
    """Return one row per class, by its name: objects, images with such objects, their median area in pixels."""
    by_class = survey.by_object.groupby("class_id")
    table = pd.DataFrame(
        {"objects": by_class.size(), "images": by_class["image"].nunique(), "median area": by_class["area"].median()}
    )
    table = table.reindex(range(1, len(class_names) + 1))
    table[["objects", "images"]] = table[["objects", "images"]].fillna(0).astype(int)
    table.index = pd.Index(class_names, name="class")
    return table


def _draw_sides(axes: Axes, sides: np.ndarray, class_ids: pd.Series, class_names: Sequence[str]) -> None:
    if not len(sides):
        return
    num_bins = min(BINS, 8 + round(2 * np.sqrt(len(sides))))
    bins = np.geomspace(max(sides.min(), 1) / 1.05, max(sides.max(), 2) * 1.05, num_bins).tolist()
    present = sorted(set(class_ids.tolist()))
    if 1 < len(present) <= MOST_CLASSES:
        parts = [sides[class_ids == class_id] for class_id in present]
        names = [literal(class_names[class_id - 1]) for class_id in present]
        axes.hist(parts, bins, stacked=True, color=COLOURS[: len(present)], label=names)
        axes.legend(fontsize=7)
    else:
        axes.hist(sides, bins, color=COLOURS[0])
    use_log_sizes(axes)
    quarter, middle, three = np.quantile(sides, [0.25, 0.5, 0.75])
    axes.set_title(f"half are {quarter:.3g} to {three:.3g}, median {middle:.3g}", fontsize=10)


def _whole_bins(largest: int) -> np.ndarray:
    """Return the limits of at most `BINS` equal bins around whole numbers."""
    step = max(1, -(-(largest + 1) // BINS))
    return np.arange(0, largest + 1 + step, step) - 0.5


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _finish(*panels: Axes) -> None:
    for axes in panels:
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
        axes.tick_params(labelsize=8)
        axes.title.set_fontsize(10)
