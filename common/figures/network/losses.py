"""Where true objects are lost on their way through Mask R-CNN."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from common.figures.network.canvas import FALSE, HIT
from common.masks.boxes import box_ious
from common.masks.crops import mean_inside
from common.masks.instances import Instances
from common.prediction.steps import Steps
from common.scoring.survival import FOUND, best_box_ious, best_mask_ious, find_losses

HIT_IOU = 0.5
ANCHOR_IOU = 0.3  # an anchor below it is taught to be background, unless it is an object's best
TICKS = (2, 5, 10, 20, 50, 100, 200, 500, 1000)
# The steps that may lose an object, in their order; the last three compare masks.
STEPS = (
    "no anchor",
    "anchor's deltas",
    "anchor's score",
    "suppression of anchors",
    "class's deltas",
    "class score",
    "suppression of detections",
    "unsure mask",
    "mask's shape",
    "overlap removal",
)
THRESHOLDS = dict.fromkeys(STEPS, HIT_IOU) | {STEPS[0]: ANCHOR_IOU}


def trace_objects(steps: Steps, true: Instances, final: Instances, threshold: float, confidence: float) -> pd.DataFrame:
    """Return how well each step of an image still shows each object, and which step loses it.

    Args:
        steps: of the image.
        true: its N objects, in pixels of the image.
        final: those predicted from these steps.
        threshold: lowest probability of a mask pixel.
        confidence: lowest score of a detection.

    Returns:
        One row per object: area in pixels; the highest IoU with what each of `STEPS` returns; of the boxes with an IoU
        above 0.5, the highest "best score" of their class and, if detected, "mask confidence", see `mean_inside`, NaN
        without such a box; and "lost at".
    """
    boxes = steps.frame.from_image(true.boxes)
    scored = steps.class_scores >= confidence
    found = steps.detections.paint(threshold)
    seen = (
        steps.anchors,
        steps.anchor_boxes,
        steps.clipped,
        steps.proposals,
        steps.class_boxes,
        steps.class_boxes[scored],
        steps.boxes,
        steps.boxes[steps.sure],
    )
    ious = {name: best_box_ious(boxes, some) for name, some in zip(STEPS, seen, strict=False)}
    ious |= {
        name: best_mask_ious(true, some)
        for name, some in zip(STEPS[-2:], (found.select(steps.sure), final), strict=True)
    }
    values = {
        "best score": _best_value(boxes, steps.class_boxes, steps.class_scores),
        "mask confidence": _best_value(boxes, steps.boxes, mean_inside(steps.detections.mask_probs.astype(np.float32))),
    }
    return pd.DataFrame({"area": true.areas, **ious, **values, "lost at": find_losses(ious, THRESHOLDS)})


def _best_value(true_boxes: np.ndarray, boxes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the highest value of the boxes that overlap each true one, (N,) float64; NaN without any."""
    overlaps = box_ious(true_boxes, boxes) > HIT_IOU
    best = np.where(overlaps, values, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(overlaps.any(axis=1), best, np.nan)


def draw_losses(tables: Sequence[pd.DataFrame]) -> Figure:
    """Draw how many objects are left after each step, and how large those are that each step loses.

    Args:
        tables: see `trace_objects`, one per image.
    """
    objects = pd.concat(tables, ignore_index=True)
    figure = Figure(figsize=(12, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(STEPS))
    lost = objects["lost at"].value_counts().reindex(STEPS, fill_value=0)
    remaining = len(objects) - lost.cumsum()
    left.barh(places, remaining, color=HIT, label="left after it")
    left.barh(places, lost, left=remaining, color=FALSE, label="lost")
    for row, count in enumerate(lost.tolist()):
        left.annotate(str(count), (len(objects), row), (3, 0), textcoords="offset points", va="center", fontsize=8)
    left.set(yticks=places, yticklabels=STEPS, xlabel=f"objects, of {len(objects)}")
    left.invert_yaxis()
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper left", ncols=2, fontsize=8, frameon=False)
    rng = np.random.default_rng(0)  # spreads points that would cover each other
    sides = np.sqrt(objects["area"].to_numpy(float))
    for place, step in zip(places, STEPS, strict=True):
        some = sides[(objects["lost at"] == step).to_numpy()]
        right.scatter(
            some, place + rng.uniform(-0.3, 0.3, len(some)), s=9, color=FALSE, edgecolors="black", linewidths=0.2
        )
    usual = (
        np.median(sides[(objects["lost at"] == FOUND).to_numpy()]) if (objects["lost at"] == FOUND).any() else np.nan
    )
    right.axvline(usual, color="black", linestyle="--", linewidth=1, label="median of those found")
    reach = (max(1.0, sides.min(initial=8.0) / 1.5), sides.max(initial=8.0) * 1.5)
    right.set(xscale="log", xlim=reach, xlabel="square root of a lost object's area, pixels")
    right.set_xticks([tick for tick in TICKS if reach[0] <= tick <= reach[1]], minor=False)
    right.xaxis.set_major_formatter(ScalarFormatter())
    right.xaxis.set_minor_formatter(NullFormatter())
    right.legend(fontsize=8, loc="lower right")
    return figure
