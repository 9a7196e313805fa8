"""Learning curves of a run, as one image."""

from pathlib import Path

from common.runs.log import read_epochs
from common.storage.files import written_aside

LOG_FILE = "log.csv"
CURVES_FILE = "curves.png"


def save_curves(folder: Path) -> Path:
    """Draw the losses, scores and learning rate of a run by epoch, training and validation together.

    Args:
        folder: of the run; holds its log.

    Returns:
        The image's path, `CURVES_FILE` in the folder.
    """
    from matplotlib.figure import Figure  # slow to import

    rows = read_epochs(folder / LOG_FILE)
    columns = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in ("epoch", "seconds")]
    titles = [name for name in columns if not name.startswith("val_")]
    figure = Figure(figsize=(4 * max(len(titles), 1), 3.2), layout="constrained")
    for axes, title in zip(figure.subplots(1, max(len(titles), 1), squeeze=False)[0], titles, strict=False):
        for name, label in ((title, "training"), (f"val_{title}", "held out")):
            points = [(int(row["epoch"]), float(row[name])) for row in rows if row.get(name)]
            if points:
                axes.plot(*zip(*points, strict=True), marker="." if len(points) < 20 else "", label=label)
        axes.set_title(title.replace("_", " "))
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        if f"val_{title}" in columns:
            axes.legend()
    path = folder / CURVES_FILE
    with written_aside(path) as aside:
        figure.savefig(aside, dpi=100)
    return path
