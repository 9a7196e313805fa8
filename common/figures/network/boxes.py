"""The steps of Mask R-CNN that deal in boxes: proposals, suppression, classes, refinement, detections."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from common.figures.network.canvas import (
    COLOURS,
    FALSE,
    HIT,
    MISSED,
    TRUE,
    add_legend,
    draw_boxes,
    draw_moves,
    new_figure,
    show_image,
    write_labels,
)
from common.masks.boxes import box_ious
from common.prediction.steps import Lessons, Steps
from common.scoring.survival import best_box_ious

HIT_IOU = 0.5
GREY = "#bbbbbb"


def draw_refinement(steps: Steps, lessons: Lessons, count: int = 60) -> Figure:
    """Draw the best anchors, and how their deltas move them.

    Args:
        steps: of an image.
        lessons: of the same image, for the truth.
        count: most anchors to draw.
    """
    figure = new_figure(1, 2, steps.image.shape)
    first, second = figure.subplots(1, 2)
    best = steps.best[:count]
    colours = [COLOURS[steps.level_of(anchor)] for anchor in best.tolist()]
    show_image(first, steps.image, f"the {len(best)} best of {len(steps.anchors):,} anchors")
    _draw_truth(first, lessons)
    draw_boxes(first, steps.anchors[best], colours, style=":", width=0.9)
    show_image(second, steps.image, "refined")
    _draw_truth(second, lessons)
    draw_moves(second, steps.anchors[best], steps.clipped[:count], colours)
    levels = [(f"P{level}", colour, "-") for level, colour in enumerate(COLOURS[:5], start=2)]
    add_legend(figure, [("truth", TRUE, "-"), ("anchor", GREY, ":"), *levels])
    return figure


def draw_suppression(steps: Steps, lessons: Lessons, count: int = 300) -> Figure:
    """Draw the refined anchors before and after suppression, and the highest IoU of each object with either.

    Args:
        steps: of an image.
        lessons: of the same image, for the truth.
        count: most boxes to draw, the best ones.
    """
    figure = new_figure(1, 3, steps.image.shape, width=14)
    first, second, third = figure.subplots(1, 3)
    show_image(first, steps.image, f"before: the best {min(count, len(steps.clipped))} of {len(steps.clipped):,}")
    draw_boxes(first, steps.clipped[:count], HIT, style=":", width=0.7)
    _draw_truth(first, lessons)
    kept = steps.proposals[:count]
    show_image(second, steps.image, f"after: the best {len(kept)} of {len(steps.proposals):,} proposals")
    draw_boxes(second, kept, HIT, width=0.8)
    _draw_truth(second, lessons)
    _draw_reach(third, lessons, {"refined anchors": steps.clipped, "proposals": steps.proposals})
    add_legend(figure, [("truth", TRUE, "-"), ("before suppression", HIT, ":"), ("after", HIT, "-")])
    return figure


def draw_regions(steps: Steps, lessons: Lessons, class_names: Sequence[str], confidence: float) -> Figure:
    """Draw the proposals with class and score, and how the scores of objects and of background lie.

    Args:
        steps: of an image.
        lessons: of the same image, for the truth.
        class_names: that of class 1 first.
        confidence: lowest score of a detection.
    """
    figure = new_figure(1, 2, steps.image.shape)
    left, right = figure.subplots(1, 2)
    scores, sure = steps.class_scores, steps.class_scores >= confidence
    show_image(left, steps.image, f"{sure.sum()} of {len(scores)} proposals score at least {confidence:g}")
    draw_boxes(left, steps.proposals[~sure], GREY, style=":", width=0.5)
    colours = [COLOURS[(class_id - 1) % len(COLOURS)] for class_id in steps.class_ids[sure].tolist()]
    draw_boxes(left, steps.proposals[sure], colours, width=0.9)
    best = steps.detected  # labels of the others would cover each other
    write_labels(left, steps.proposals[best], _score_labels(steps, best, class_names))
    _draw_truth(left, lessons)
    on_object = best_box_ious(steps.proposals, lessons.true_boxes) >= HIT_IOU
    bins = np.linspace(0, 1, 41)
    for chosen, label, colour in ((on_object, "on an object", HIT), (~on_object, "elsewhere", FALSE)):
        right.hist(scores[chosen], bins, histtype="step", linewidth=1.8, color=colour, label=label)
    right.axvline(confidence, color="black", linestyle="--", linewidth=1, label=f"confidence {confidence:g}")
    right.set_yscale("symlog")
    right.set_xlabel("class score")
    right.set_ylabel("proposals")
    right.legend(fontsize=8)
    right.set_title("scores of all proposals", fontsize=9)
    add_legend(figure, [("truth", TRUE, "-"), ("sure enough", HIT, "-"), ("not", GREY, ":")])
    return figure


def draw_class_refinement(steps: Steps, lessons: Lessons, confidence: float) -> Figure:
    """Draw how the head of its class moves each proposal that is sure enough, and the IoU before and after.

    Args:
        steps: of an image.
        lessons: of the same image, for the truth.
        confidence: lowest score of a detection.
    """
    figure = new_figure(1, 2, steps.image.shape)
    left, right = figure.subplots(1, 2)
    chosen = np.flatnonzero(steps.class_scores >= confidence)
    before, after = steps.proposals[chosen], steps.class_boxes[chosen]
    show_image(left, steps.image, f"{len(chosen)} proposals, refined by class")
    _draw_truth(left, lessons)
    draw_moves(left, before, after, [COLOURS[number % len(COLOURS)] for number in range(len(chosen))])
    pairs = [best_box_ious(boxes, lessons.true_boxes) for boxes in (before, after)]
    right.plot([0, 1], [0, 1], color="black", linewidth=0.8, linestyle="--")
    right.scatter(*pairs, s=14, color=HIT, edgecolors="black", linewidths=0.4)
    right.set(xlim=(0, 1), ylim=(0, 1), xlabel="IoU of the proposal", ylabel="IoU of the refined box", aspect="equal")
    right.set_title("with the object that they overlap most", fontsize=9)
    add_legend(figure, [("truth", TRUE, "-"), ("proposal", HIT, ":"), ("refined", HIT, "-")])
    return figure


def draw_detections(steps: Steps, lessons: Lessons, class_names: Sequence[str]) -> Figure:
    """Draw the detections: hits, others, and the objects that none of them hits.

    Args:
        steps: of an image.
        lessons: of the same image, for the truth.
        class_names: that of class 1 first.
    """
    figure = new_figure(1, 1, steps.image.shape, width=8)
    axes = figure.subplots()
    ious = box_ious(steps.boxes, lessons.true_boxes)
    hits, found = ious.max(axis=1, initial=0) >= HIT_IOU, ious.max(axis=0, initial=0) >= HIT_IOU
    title = f"{len(hits)} detections, {hits.sum()} of them hits; {(~found).sum()} of {len(found)} objects missed"
    show_image(axes, steps.image, title)
    draw_boxes(axes, lessons.true_boxes[~found], MISSED, style="--")
    draw_boxes(axes, steps.boxes, [HIT if hit else FALSE for hit in hits])
    write_labels(axes, steps.boxes, _score_labels(steps, steps.detected, class_names))
    unsure = steps.boxes[~steps.sure]
    draw_boxes(axes, unsure, GREY, style=":", width=2)
    entries = [("hit", HIT, "-"), ("false", FALSE, "-"), ("missed", MISSED, "--")]
    add_legend(figure, [*entries, *([("mask too unsure", GREY, ":")] if len(unsure) else [])])
    return figure


def _score_labels(steps: Steps, chosen: np.ndarray, class_names: Sequence[str]) -> list[str]:
    """Return "class 0.97" for some proposals; without the class where there is only one."""
    ids, scores = steps.class_ids[chosen].tolist(), steps.class_scores[chosen].tolist()
    names = [f"{class_names[class_id - 1]} " if len(class_names) > 1 else "" for class_id in ids]
    return [f"{name}{score:.2f}" for name, score in zip(names, scores, strict=True)]


def _draw_truth(axes: Axes, lessons: Lessons) -> None:
    draw_boxes(axes, lessons.true_boxes, TRUE, width=1.0)


def _draw_reach(axes: Axes, lessons: Lessons, some: dict[str, np.ndarray]) -> None:
    """Draw the share of the objects that some boxes reach at an IoU or better."""
    thresholds = np.linspace(0, 1, 51)
    for (name, boxes), colour in zip(some.items(), (HIT, FALSE), strict=False):
        best = best_box_ious(lessons.true_boxes, boxes)
        shares = [(best >= threshold).mean() if len(best) else 0.0 for threshold in thresholds]
        axes.plot(thresholds, shares, color=colour, label=name)
    axes.axvline(HIT_IOU, color="black", linestyle="--", linewidth=1)
    axes.set(xlabel="IoU", ylabel="share of the objects", ylim=(-0.02, 1.02))
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    axes.set_title("objects with a box of this IoU or better", fontsize=9)
