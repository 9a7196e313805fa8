"""Figures of how well submissions meet the ground truth."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from common.drawing.contours import ORANGE, SKY, draw_contours
from common.figures.curves import COLOURS, use_log_sizes
from common.figures.page import literal
from common.masks.instances import Instances
from common.scoring.average_precision import COCO_THRESHOLDS
from common.scoring.comparison import compare_masks
from common.scoring.evaluation import Pair
from common.scoring.tally import Tally

SHOWN_IOUS = {0.5: "-", 0.75: "--"}
MOST_BINS, LEAST_IN_BIN = 8, 10  # groups by size, and objects of each
MOST_CLASSES = 20  # in a confusion matrix
MOST_NUMBERS = 14  # rows and columns of a matrix that are numbered
WORST_HEIGHT = 480  # pixels


def draw_precision_recall(tallies: Mapping[str, Tally]) -> Figure:
    """Draw precision over recall of all objects together, solid at an IoU of 0.5, dashed at 0.75.

    A dot marks the confidence of the other figures. Without scores that differ there is only the dot.

    Args:
        tallies: by the submission's name.
    """
    figure = Figure(figsize=(6.5, 4.6), layout="constrained")
    axes = figure.add_subplot()
    for (name, tally), colour in zip(tallies.items(), _cycle(tallies), strict=True):
        for iou, style in SHOWN_IOUS.items():
            scores, precision, recall = precision_recall(tally, iou)
            chosen = int(np.count_nonzero(scores >= tally.confidence)) - 1
            if tally.is_scored:
                axes.plot(recall, precision, style, color=colour, linewidth=1.2)
            if chosen >= 0:
                label = literal(f"{name}, IoU {iou:g}")
                marker = "o" if style == "-" else "s"
                axes.plot(recall[chosen], precision[chosen], marker + style, color=colour, label=label)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02))
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=8, loc="lower left")
    axes.grid(alpha=0.3)
    return figure


def draw_thresholds(tallies: Mapping[str, Tally]) -> Figure:
    """Draw precision, recall and F1 at an IoU of 0.5 against the lowest score that counts; dotted: the confidence."""
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    for (name, tally), colour in zip(tallies.items(), _cycle(tallies), strict=True):
        scores, precision, recall = precision_recall(tally, 0.5)
        if not (len(scores) and tally.is_scored):
            continue
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
        best = int(f1.argmax())
        told = f"{name}: {f1[best]:.3f} from {scores[best]:.2f}"
        for axes, values, label in zip(panels, (precision, recall, f1), (name, name, told), strict=True):
            axes.plot(scores, values, color=colour, label=literal(label))
            axes.axvline(tally.confidence, color="black", linestyle=":", linewidth=1)
        panels[2].plot(scores[best], f1[best], "o", color=colour)
    for axes, title in zip(panels, ("precision", "recall", "F1"), strict=True):
        axes.set(title=title, xlabel="lowest score that counts", ylim=(0, 1.02))
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=8, loc="lower left")
    return figure


def draw_by_size(tallies: Mapping[str, Tally]) -> Figure:
    """Draw the shares of true objects that are found, and of predictions that are right, by size of equal counts."""
    figure = Figure(figsize=(13, 3.8), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for (name, tally), colour in zip(tallies.items(), _cycle(tallies), strict=True):
        for axes, table in zip(panels, (tally.true, tally.predicted), strict=True):
            sides, shares = shares_by_size(table["area"].to_numpy(), table["iou"].to_numpy())
            for iou, style in SHOWN_IOUS.items():
                axes.plot(sides, shares[iou], f".{style}", color=colour, label=literal(f"{name}, IoU {iou:g}"))
    titles = ("true objects that are found (recall)", "predictions that are right (precision)")
    for axes, title in zip(panels, titles, strict=True):
        axes.set(title=title, xlabel="square root of the area, pixels", ylim=(0, 1.02))
        use_log_sizes(axes)
        axes.grid(alpha=0.3, which="both")
    panels[0].legend(fontsize=8)
    return figure


def draw_confusion(confusion: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Draw a confusion matrix, each field the darker the larger its share of its row, or in the first row its column.

    Args:
        confusion: (K, K) int, see `confusion_matrix`.
        class_names: of the classes 1, 2, ...; of many, those with the most objects and predictions are drawn.
    """
    counts = confusion.sum(axis=0) + confusion.sum(axis=1)
    chosen = 1 + np.argsort(-counts[1:], kind="stable")[: MOST_CLASSES if len(counts) > MOST_CLASSES else len(counts)]
    order = np.append(0, np.sort(chosen))
    part = confusion[np.ix_(order, order)]
    names = [literal(class_names[class_id - 1]) for class_id in order[1:].tolist()]
    side = 2.2 + 0.42 * len(order)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.add_subplot()
    totals = np.vstack([part.sum(axis=0), *np.broadcast_to(part.sum(axis=1, keepdims=True), part.shape)[1:]])
    shares = part / np.maximum(totals, 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(part):
        if count:
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", fontsize=7, color=colour)
    axes.set_xticks(range(len(order)), ["missed", *names], rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(order)), ["nothing", *names], fontsize=8)
    axes.set(xlabel="predicted", ylabel="true")
    return figure


def draw_worst(image: np.ndarray, pair: Pair) -> Figure:
    """Draw an image with its true objects, with its predictions, and the IoU of each with each.

    Blue objects have a partner at an IoU above 0.5, orange ones have none.

    Args:
        image: (H, W, 3) uint8.
        pair: its N true and M predicted objects.
    """
    ious = compare_masks(pair.true, pair.predicted).ious
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    panels = figure.subplots(1, 3)
    for axes, objects, met, what in (
        (panels[0], pair.true, ious.max(axis=1, initial=0) > 0.5, ("true", "found")),
        (panels[1], pair.predicted, ious.max(axis=0, initial=0) > 0.5, ("predicted", "right")),
    ):
        axes.imshow(_drawn(image, objects, met))
        axes.set_title(f"{len(objects)} {what[0]}, {np.count_nonzero(met)} {what[1]}", fontsize=10)
        axes.set_axis_off()
    _draw_matrix(panels[2], ious)
    return figure


def precision_recall(tally: Tally, iou: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores in descending order, and precision and recall of the predictions down to each, (P,) float64.

    Args:
        tally: of a submission.
        iou: one of `COCO_THRESHOLDS`.
    """
    outcome = tally.outcome
    row = int(np.abs(COCO_THRESHOLDS - iou).argmin())
    counted = np.flatnonzero(outcome.counts[row])
    order = counted[np.argsort(-outcome.scores[counted], kind="stable")]
    scores = outcome.scores[order].astype(float)
    hits = np.cumsum(outcome.hit[row][order])
    last = np.append(np.diff(scores) != 0, True)[: len(scores)]  # of equal scores, all count or none
    num_true = max(sum(outcome.num_true.values()), 1)
    return scores[last], (hits / np.arange(1, len(hits) + 1))[last], (hits / num_true)[last]


def shares_by_size(areas: np.ndarray, ious: np.ndarray) -> tuple[np.ndarray, dict[float, np.ndarray]]:
    """Return the geometric mean size of up to `MOST_BINS` groups of equal counts, and each one's share of matches.

    Args:
        areas: (N,) float, pixels.
        ious: (N,) float, of the best partner.

    Returns:
        Sizes, (B,) float, pixels; for each IoU of `SHOWN_IOUS` the share of its group above it, (B,) float.

    Example:
        >>> sizes, shares = shares_by_size(np.repeat([4.0, 16.0], 10), np.repeat([0.9, 0.6], 10))
        >>> sizes.tolist(), shares[0.75].tolist()
        ([2.0, 4.0], [1.0, 0.0])
    """
    order = np.argsort(areas, kind="stable")
    groups = [
        group for group in np.array_split(order, int(np.clip(len(order) // LEAST_IN_BIN, 1, MOST_BINS))) if len(group)
    ]
    sizes = [float(np.exp(np.log(np.sqrt(areas[group].clip(1))).mean())) for group in groups]
    return np.array(sizes).round(9), {
        iou: np.array([float((ious[group] > iou).mean()) for group in groups]) for iou in SHOWN_IOUS
    }


def _draw_matrix(axes: Axes, ious: np.ndarray) -> None:
    """Draw IoUs; rows as they are, columns in the order of the row that each meets best."""
    if not ious.size:
        axes.set_axis_off()
        axes.set_title("no IoU: one side is empty", fontsize=10)
        return
    shown = ious[:, np.lexsort((-ious.max(axis=0), ious.argmax(axis=0)))]
    drawn = axes.imshow(shown, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    if max(ious.shape) <= MOST_NUMBERS:
        for (row, column), value in np.ndenumerate(shown):
            if value >= 0.005:
                colour = "white" if value > 0.5 else "black"
                axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    for axis, count in ((axes.yaxis, len(shown)), (axes.xaxis, shown.shape[1])):
        axis.set_ticks(range(0, count, -(-count // MOST_NUMBERS)))
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title("IoU of each with each", fontsize=10)
    axes.figure.colorbar(drawn, ax=axes)


def _drawn(image: np.ndarray, objects: Instances, met: np.ndarray) -> np.ndarray:
    colours = [SKY if one else ORANGE for one in met.tolist()]
    return draw_contours(image, objects, height=WORST_HEIGHT, colours=colours, line=2)


def _cycle(names: Mapping[str, Tally]) -> list[str]:
    return [COLOURS[number % len(COLOURS)] for number in range(len(names))]
