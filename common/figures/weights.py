"""What the weights of a file look like, layer by layer, and how two files differ."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from common.figures.page import literal
from common.runs.weights_file import Key, WeightsFile

LARGE = 1000.0  # absolute value; the Mask R-CNN library's notebook reports weights beyond it
FAINT = 1e-3  # of the median norm of a layer's output channels; a fainter one passes nothing on
BINS = 50
COLUMNS = 6  # of histograms in a figure
MOST_ROWS = 12
BLUE, ORANGE = "#0072b2", "#d55e00"  # told apart by the colour-blind, too


def weights_table(file: WeightsFile) -> pd.DataFrame:
    """Return one row per array of weights, with what is wrong with it.

    Returns:
        Indexed by "layer/weight": shape, parameters, min, max, mean, std, and "problem", empty for a healthy one; see
        `find_problems`.
    """
    rows = {}
    for key, values in _arrays(file):
        rows["/".join(key)] = {
            "shape": " x ".join(map(str, values.shape)),
            "parameters": values.size,
            "min": float(values.min(initial=np.inf)),
            "max": float(values.max(initial=-np.inf)),
            "mean": float(values.mean()) if values.size else 0.0,
            "std": float(values.std()) if values.size else 0.0,
            "problem": "; ".join(find_problems(key[1], values)),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("weights")


def find_problems(weight: str, values: np.ndarray) -> list[str]:
    """Return what is wrong with an array of weights.

    Args:
        weight: "kernel", "bias", "gamma", "beta", "moving_mean" or "moving_variance".
        values: of any shape; a kernel's last axis is the output channels.

    Returns:
        Any of: values beyond `LARGE`; a kernel, scale or variance with one value throughout, which has learnt nothing;
        output channels of a kernel that are (nearly) zero; a variance that is not positive.

    Example:
        >>> find_problems("kernel", np.zeros((3, 3, 4, 8)))
        ['constant: 0']
        >>> find_problems("bias", np.zeros(8)), find_problems("gamma", np.array([1.0, 2e3]))
        ([], ['exploding: up to 2000'])
    """
    problems = []
    largest = float(np.abs(values).max(initial=0))
    if largest > LARGE:
        problems.append(f"exploding: up to {largest:.0f}")
    if values.size > 1 and weight in ("kernel", "moving_variance") and values.min() == values.max():
        return [*problems, f"constant: {values.flat[0]:g}"]
    if weight == "moving_variance" and values.min(initial=1) <= 0:
        problems.append("not positive")
    if weight == "kernel" and values.ndim > 1 and largest:
        norms = np.linalg.norm(values.reshape(-1, values.shape[-1]), axis=0)
        if dead := int(np.count_nonzero(norms <= FAINT * np.median(norms))):
            problems.append(f"dead: {dead} of {len(norms)} channels")
    return problems


def compare_weights(first: WeightsFile, second: WeightsFile) -> pd.DataFrame:
    """Return how far each array moved from one file to another.

    Returns:
        Indexed by "layer/weight", the most changed first: change, the norm of the difference over the first's norm;
        cosine of the angle between both; and "note" for arrays that only one file has, or of another shape.
    """
    rows: dict[str, dict[str, object]] = {}
    for key in [*first.shapes, *(key for key in second.shapes if key not in first.shapes)]:
        name = "/".join(key)
        if key not in second.shapes or key not in first.shapes:
            rows[name] = {"note": "only in the first" if key in first.shapes else "only in the second"}
        elif first.shapes[key] != second.shapes[key]:
            rows[name] = {"note": f"{first.shapes[key]} and {second.shapes[key]}"}
        else:
            rows[name] = _difference(first.read([key])[key], second.read([key])[key])
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["change", "cosine", "note"])
    return table.rename_axis("weights").sort_values("change", ascending=False, kind="stable", na_position="first")


def weights_histograms(files: Mapping[str, WeightsFile]) -> Iterator[Figure]:
    """Yield figures with a histogram of each kernel and bias, in the file's order; two files lie over each other.

    Args:
        files: one or two, by the name in the legend; the first decides on the layers.
    """
    first = next(iter(files.values()))
    keys = [key for key in first.shapes if key[1] in ("kernel", "bias")]
    for start in range(0, len(keys), COLUMNS * MOST_ROWS):
        yield _histograms(files, keys[start : start + COLUMNS * MOST_ROWS])


def _histograms(files: Mapping[str, WeightsFile], keys: Sequence[Key]) -> Figure:
    num_rows = -(-len(keys) // COLUMNS)
    figure = Figure(figsize=(2.4 * COLUMNS, 1.7 * num_rows + 0.5), layout="constrained")
    for place, key in enumerate(keys, start=1):
        axes = figure.add_subplot(num_rows, COLUMNS, place)
        for (name, file), colour in zip(files.items(), (BLUE, ORANGE), strict=False):
            if key in file.shapes:
                values = file.read([key])[key].ravel()
                axes.hist(
                    values, BINS, color=colour, histtype="step" if len(files) > 1 else "stepfilled", label=literal(name)
                )
        axes.set_title("\n".join(key), fontsize=7)
        axes.set_yticks([])
        axes.locator_params(axis="x", nbins=4)
        axes.tick_params(labelsize=6)
    if len(files) > 1:
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", fontsize=8)
    return figure


def _difference(first: np.ndarray, second: np.ndarray) -> dict[str, object]:
    norm, other = float(np.linalg.norm(first)), float(np.linalg.norm(second))
    moved = float(np.linalg.norm(second - first))
    cosine = float(np.vdot(first, second)) / (norm * other) if norm and other else float(norm == other)
    return {"change": moved / norm if norm else float(moved > 0), "cosine": cosine, "note": ""}


def _arrays(file: WeightsFile) -> Iterable[tuple[Key, np.ndarray]]:
    """Yield the arrays one at a time, so that memory holds one."""
    for key in file.shapes:
        yield key, file.read([key])[key]
