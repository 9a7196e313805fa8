"""The first stage of Mask R-CNN: anchors, what they learn, and what the network says of them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from common.figures.network.canvas import (
    COLOURS,
    FALSE,
    HIT,
    LARGEST_SIDE,
    TRUE,
    add_legend,
    draw_boxes,
    draw_moves,
    new_figure,
    show_image,
)
from common.masks.resize import resize_image
from common.prediction.steps import Lessons, Steps
from common.scoring.survival import best_box_ious

NEUTRAL = "#cc79a7"
DELTAS = ("dy", "dx", "log dh", "log dw")


def draw_anchors(steps: Steps, lessons: Lessons, scales: Sequence[float]) -> Figure:
    """Draw the anchors of one cell per level, and how well all anchors cover the objects.

    Args:
        steps: of an image.
        lessons: of the same image, for the truth.
        scales: side of the square anchor of each level, pixels.
    """
    figure = new_figure(1, 3, steps.image.shape, width=14)
    first, second, third = figure.subplots(1, 3)
    show_image(first, steps.image, f"{len(steps.anchors):,} anchors; those of the middle cell of each level")
    draw_boxes(first, lessons.true_boxes, TRUE, width=0.8)
    for level, (some, (rows, columns)) in enumerate(zip(steps.levels, steps.grids, strict=True)):
        middle = some.start + (rows // 2 * columns + columns // 2) * steps.num_ratios
        draw_boxes(first, steps.anchors[middle : middle + steps.num_ratios], COLOURS[level])
    sides = np.sqrt(np.prod(lessons.true_boxes[:, 2:] - lessons.true_boxes[:, :2], axis=1))
    edges = np.geomspace(2, max(steps.image.shape), 31)
    second.hist(np.clip(sides, edges[0], edges[-1]), edges, color=HIT, edgecolor="black", linewidth=0.4)
    for level, scale in enumerate(scales):
        second.axvline(scale, color=COLOURS[level], linewidth=2, label=f"P{level + 2}: {scale:g} px")
    second.set(xscale="log", xlabel="side of an object's box as the network sees it, pixels", ylabel="objects")
    second.legend(fontsize=7)
    second.set_title("sizes of objects and anchors", fontsize=9)
    third.hist(best_box_ious(lessons.true_boxes, steps.anchors), np.linspace(0, 1, 21), color=HIT, edgecolor="black")
    third.axvline(0.3, color=FALSE, linestyle="--", label="background below 0.3")
    third.axvline(0.7, color="black", linestyle="--", label="object from 0.7 on")
    third.set(xlabel="IoU of an object with its best anchor", ylabel="objects")
    third.legend(fontsize=7)
    third.set_title("how well anchors cover objects", fontsize=9)
    add_legend(figure, [("truth", TRUE, "-"), *[(f"P{i + 2}", COLOURS[i], "-") for i in range(5)]])
    return figure


def draw_anchor_lessons(steps: Steps, lessons: Lessons, count: int = 100) -> Figure:
    """Draw which anchors training takes for objects, for background, and for neither.

    Args:
        steps: of an image.
        lessons: what it would teach.
        count: most neutral anchors to draw, evenly chosen.
    """
    figure = new_figure(1, 3, steps.image.shape, width=14)
    axes = figure.subplots(1, 3)
    num_positive = len(lessons.deltas)
    drawn, others = lessons.sampled[:num_positive], lessons.sampled[num_positive:]
    neutral = np.flatnonzero(~lessons.positive & ~lessons.negative)
    some = neutral[np.linspace(0, len(neutral) - 1, min(count, len(neutral))).astype(int)]
    titles = (
        f"positive: {lessons.positive.sum():,}, {len(drawn)} sampled",
        f"negative: {lessons.negative.sum():,}, {len(others)} sampled",
        f"neutral: {len(neutral):,}, {len(some)} drawn",
    )
    for one, title in zip(axes, titles, strict=True):
        show_image(one, steps.image, title)
        draw_boxes(one, lessons.true_boxes, TRUE, width=0.8)
    draw_moves(axes[0], steps.anchors[drawn], lessons.true_boxes[lessons.objects[drawn]], HIT)
    draw_boxes(axes[1], steps.anchors[others], FALSE, width=0.7)
    draw_boxes(axes[2], steps.anchors[some], NEUTRAL, width=0.7)
    entries = [("truth", TRUE, "-"), ("positive anchor", HIT, ":"), ("what it learns", HIT, "-")]
    add_legend(figure, [*entries, ("negative", FALSE, "-"), ("neutral", NEUTRAL, "-")])
    return figure


def draw_deltas(steps: Steps, lessons: Lessons) -> Figure:
    """Draw the deltas that the sampled positive anchors are to learn against those that the network predicts."""
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    positive = lessons.sampled[: len(lessons.deltas)]
    for number, name in enumerate(DELTAS):
        axes = figure.add_subplot(1, 4, number + 1)
        wanted, predicted = lessons.deltas[:, number], steps.anchor_deltas[positive, number]
        reach = max(1.0, float(np.abs(np.concatenate([wanted, predicted, [0]])).max())) * 1.05
        axes.plot([-reach, reach], [-reach, reach], color="black", linewidth=0.8, linestyle="--")
        axes.scatter(wanted, predicted, s=12, color=HIT, edgecolors="black", linewidths=0.3)
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), xlabel="to learn", aspect="equal")
        axes.set_title(name, fontsize=10)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("predicted")
    return figure


def draw_anchor_scores(steps: Steps, lessons: Lessons) -> Figure:
    """Draw each level's best score in every cell, and how the scores of positive and negative anchors lie."""
    figure = new_figure(2, 3, steps.image.shape, width=14)
    axes = figure.subplots(2, 3).ravel()
    grey = resize_image(steps.image, _shown_shape(steps.image)).mean(axis=2)
    height, width = steps.image.shape[:2]
    for level, (some, (rows, columns)) in enumerate(zip(steps.levels, steps.grids, strict=True)):
        scores = steps.anchor_scores[some].reshape(rows, columns, steps.num_ratios).max(axis=2)
        one = axes[level]
        one.imshow(grey, "gray", extent=(0, width, height, 0))
        drawn = one.imshow(scores, "viridis", vmin=0, vmax=1, extent=(0, width, height, 0), alpha=0.75)
        draw_boxes(one, lessons.true_boxes, TRUE, width=0.5)
        one.set(xticks=[], yticks=[], xlim=(0, width), ylim=(height, 0))
        one.set_title(f"P{level + 2}: {rows} x {columns} cells, up to {scores.max():.2f}", fontsize=9)
    figure.colorbar(drawn, ax=list(axes), shrink=0.6, label="score of the best anchor of a cell")
    bins = np.linspace(0, 1, 41)
    for chosen, label, colour in ((lessons.positive, "positive", HIT), (lessons.negative, "negative", FALSE)):
        axes[5].hist(steps.anchor_scores[chosen], bins, histtype="step", color=colour, label=label, linewidth=1.8)
    last = steps.anchor_scores[steps.best[-1]] if len(steps.best) else 0
    axes[5].axvline(last, color="black", linestyle="--", linewidth=1, label=f"best {len(steps.best):,}")
    axes[5].set(yscale="symlog", xlabel="score", ylabel="anchors")
    axes[5].legend(fontsize=8)
    axes[5].set_title("all levels", fontsize=9)
    return figure


def _shown_shape(image: np.ndarray) -> tuple[int, int]:
    scale = min(1.0, LARGEST_SIDE / max(image.shape[:2]))
    return round(image.shape[0] * scale), round(image.shape[1] * scale)
