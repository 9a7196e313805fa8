"""The pages of a report: which figures, in which order, and what to look for in each."""

from collections.abc import Mapping

import pandas as pd

from common.figures.curves import draw_curves
from common.figures.page import Page
from common.figures.weights import compare_weights, weights_histograms, weights_table
from common.runs.weights_file import WeightsFile


def weights_page(files: Mapping[str, WeightsFile]) -> Page:
    """Return the page on the weights of one file, or of two.

    Args:
        files: by the name they were given by.
    """
    page = Page(f"Weights: {' and '.join(files)}")
    for name, file in files.items():
        table = weights_table(file)
        problems = table[table["problem"] != ""]
        page.introduction += f"{name}: {table['parameters'].sum():,} parameters in {len(table)} arrays. "
        page.add(
            f"Problems in {name}",
            problems,
            "Arrays that look sick; none is best. A constant kernel has learnt nothing. Dead channels pass nothing on: "
            "a few are usual, most of a layer means that its learning rate was too high. Exploding values come before "
            "a loss that is not finite.",
        )
        page.add(f"All weights of {name}", table, "One row per array; frozen statistics (moving_...) are no weights.")
    if len(files) == 2:
        page.add(
            "What changed",
            compare_weights(*files.values()),
            "Norm of the difference over the norm of the first. Frozen layers have 0. A fine-tuned network moves most "
            "in its heads; a backbone that changes by more than about 1 has forgotten what it started from.",
        )
    for number, figure in enumerate(weights_histograms(files), start=1):
        page.add(
            f"Histograms {number}",
            figure,
            "Kernels and biases of each layer. Healthy kernels form one peak around 0. A single bar is a constant; "
            "long flat tails are outliers that one bad batch may have left.",
        )
    return page


def add_runs(page: Page, runs: Mapping[str, pd.DataFrame]) -> None:
    """Add the sections on runs to a page.

    Args:
        page: gets the sections.
        runs: logs by name, see `read_run`; at least one.
    """
    page.add(
        "Learning curves",
        draw_curves(runs),
        "Training is solid, validation dashed. Both fall in a healthy run. Validation that rises while training falls "
        "is overfitting; a loss that jumps up wants a lower learning rate; one that stays flat learns nothing. The "
        "learning rate should warm up, then fall; the time of a step should stay the same: a step that grows slower "
        "leaks, one that jumps shared its machine.",
    )
    last = {
        name: {column: log[column].dropna().iloc[-1] for column in log if log[column].notna().any()}
        for name, log in runs.items()
    }
    page.add("Last epoch", pd.DataFrame(last).T, "The latest value of each column.")
    if any("score" in log for log in runs.values()):
        best = {
            name: {"best score": log["score"].max(), "at epoch": log["score"].idxmax(), "epochs": len(log)}
            for name, log in runs.items()
            if "score" in log and log["score"].notna().any()
        }
        page.add("Best score", pd.DataFrame(best).T, "By the competition's score; best.h5 holds that epoch's weights.")
