"""Learning curves of runs beside each other."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from common.errors import InputError
from common.figures.page import figure_to_png, literal
from common.runs.log import LOG_FILE, read_epochs
from common.storage.files import written_aside

# Okabe and Ito's colours, which the colour-blind tell apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
VALIDATION = "val_"
CONFIG_FILE = "config.json"
CURVES_FILE = "curves.png"
STEP_SECONDS = "step_seconds"
UNITS = {
    "learning_rate": "learning rate",
    "seconds": "seconds per epoch",
    STEP_SECONDS: "seconds per step, validation and saving included",
}


def read_run(folder: Path) -> pd.DataFrame:
    """Return the log of a run: a row per epoch, a column per loss, score and so on; NaN where nothing was written.

    The time of an epoch is also that of a step, `STEP_SECONDS`, where `config.json` says how many an epoch has.

    Raises:
        InputError: no log, or one without an epoch.
    """
    rows = read_epochs(folder / LOG_FILE)
    if not rows:
        raise InputError(f"{folder}: no {LOG_FILE} with an epoch; give the folder of a run, such as logs/small/001")
    try:
        table = pd.DataFrame(rows).replace("", None).astype(float)
    except ValueError as error:
        raise InputError(f"{folder / LOG_FILE}: not a log of numbers: {error}") from None
    steps = _steps_per_epoch(folder / CONFIG_FILE)
    if steps and "seconds" in table:
        table[STEP_SECONDS] = table["seconds"] / steps
    return table.set_index(table.pop("epoch").astype(int))


def save_curves(folder: Path) -> Path:
    """Draw the log of a run into its folder, see `draw_curves`.

    Returns:
        The image's path, `CURVES_FILE` in the folder.
    """
    path = folder / CURVES_FILE
    with written_aside(path) as aside:
        aside.write_bytes(figure_to_png(draw_curves({folder.name: read_run(folder)})))
    return path


def draw_curves(runs: Mapping[str, pd.DataFrame], names: Sequence[str] | None = None) -> Figure:
    """Draw each column of the runs' logs against the epoch; validation is dashed, in the plot of its loss.

    Args:
        runs: the logs by the name in the legend, see `read_run`.
        names: columns to draw; by default all, losses first.
    """
    columns = list(dict.fromkeys(name for run in runs.values() for name in run.columns))
    names = names or [name for name in columns if not name.startswith(VALIDATION)]
    num_columns = min(3, len(names))
    num_rows = -(-len(names) // num_columns)
    figure = Figure(figsize=(4.2 * num_columns, 2.8 * num_rows + 0.4), layout="constrained")
    for place, name in enumerate(names, start=1):
        axes = figure.add_subplot(num_rows, num_columns, place)
        axes.set_title(UNITS.get(name, name.replace("_", " ")), fontsize=10)
        for number, (run, log) in enumerate(runs.items()):
            for column, style in ((name, "-"), (VALIDATION + name, "--")):
                if column in log:
                    values = log[column].dropna()
                    label = literal(run if style == "-" else f"{run}, validation")
                    colour = COLOURS[number % len(COLOURS)]
                    axes.plot(values.index, values, style, color=colour, marker=".", label=label)
        if name == "learning_rate":
            axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlim(*_epochs(runs))
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=8)
    handles: dict[str, Artist] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(list(handles.values()), list(handles), loc="outside upper left", ncols=4, fontsize=8)
    return figure


def use_log_sizes(axes: Axes) -> None:
    """Make the horizontal axis logarithmic, with whole numbers at its ticks."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")


def _epochs(runs: Mapping[str, pd.DataFrame]) -> tuple[float, float]:
    """Return the limits of the axis of epochs, with room around the first and the last."""
    return min(log.index.min() for log in runs.values()) - 0.5, max(log.index.max() for log in runs.values()) + 0.5


def _steps_per_epoch(path: Path) -> int:
    """Return how many steps a run's epochs have; 0 if that is unknown."""
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["steps_per_epoch"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
