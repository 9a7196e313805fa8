"""A U-Net's map of probabilities, its threshold, and its errors."""

from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from common.figures.network.canvas import FALSE, HIT, MISSED, TRUE, add_legend, draw_contours, new_figure, show_image
from common.masks.components import largest_components
from common.masks.instances import Instances
from common.masks.resize import resize_image
from common.prediction.maps import MapPrediction
from common.scoring.dice import score_mask

THRESHOLDS = np.linspace(0.02, 0.98, 49)


def draw_map(image: np.ndarray, prediction: MapPrediction, true: np.ndarray) -> Figure:
    """Draw an image, its map of probabilities, and how these lie inside and outside the truth.

    Args:
        image: (H, W, 3) uint8.
        prediction: its map.
        true: (H, W) bool.
    """
    figure = new_figure(1, 3, image.shape, width=14)
    first, second, third = figure.subplots(1, 3)
    show_image(first, image, "image")
    draw_contours(first, _as_instances(true), TRUE)
    draw_contours(first, _as_instances(prediction.mask()), HIT)
    probs = resize_image(prediction.probs, prediction.image_shape)
    height, width = image.shape[:2]
    drawn = second.imshow(prediction.probs, "viridis", vmin=0, vmax=1, extent=(0, width, height, 0))
    second.set(xticks=[], yticks=[])
    second.set_title("probability", fontsize=9)
    figure.colorbar(drawn, ax=second, shrink=0.7)
    bins = np.linspace(0, 1, 51)
    for chosen, label, colour in ((true, "inside the truth", HIT), (~true, "outside", FALSE)):
        third.hist(probs[chosen], bins, histtype="step", color=colour, linewidth=1.8, label=label)
    third.axvline(prediction.threshold, color="black", linestyle="--", linewidth=1)
    third.set(yscale="symlog", xlabel="probability", ylabel="pixels")
    third.legend(fontsize=8)
    third.set_title("probabilities of pixels", fontsize=9)
    add_legend(figure, [("truth", TRUE, "-"), ("prediction", HIT, "-")])
    return figure


def sweep_thresholds(
    prediction: MapPrediction, true: np.ndarray, thresholds: Sequence[float] | np.ndarray = THRESHOLDS
) -> pd.DataFrame:
    """Return the scores of the masks that thresholds would make of a map.

    Args:
        prediction: of an image.
        true: (H, W) bool, its mask.
        thresholds: lowest probabilities of a mask pixel.

    Returns:
        Indexed by threshold: dice, jaccard, precision and recall of the pixels, each in [0, 1].
    """
    probs, rows = resize_image(prediction.probs, prediction.image_shape), []
    for threshold in thresholds:
        mask = probs >= threshold
        mask = largest_components(mask, prediction.largest) if prediction.largest else mask
        score, shared = score_mask(true, mask), np.count_nonzero(mask & true)
        precision, recall = (shared / count if (count := np.count_nonzero(part)) else 1.0 for part in (mask, true))
        rows.append({"dice": score.dice, "jaccard": score.jaccard, "precision": precision, "recall": recall})
    return pd.DataFrame(rows, index=pd.Index(np.asarray(thresholds), name="threshold"))


def draw_sweep(sweeps: Sequence[pd.DataFrame], threshold: float) -> Figure:
    """Draw scores against the threshold: each image thin, the mean thick.

    Args:
        sweeps: see `sweep_thresholds`; all with the same thresholds.
        threshold: that of the config.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    mean = sum(sweeps[1:], start=sweeps[0]) / len(sweeps)
    colours = {"dice": "#0072b2", "jaccard": "#d55e00", "precision": "#009e73", "recall": "#cc79a7"}
    for place, names in enumerate((("dice", "jaccard"), ("precision", "recall")), start=1):
        axes = figure.add_subplot(1, 2, place)
        for name in names:
            for sweep in sweeps if len(sweeps) > 1 else ():
                axes.plot(sweep.index, sweep[name], color=colours[name], linewidth=0.4, alpha=0.5)
            best = mean[name].idxmax()
            label = f"{name}, best {mean[name].max():.4f} at {best:.2f}" if place == 1 else name
            axes.plot(mean.index, mean[name], color=colours[name], label=label, linewidth=2)
        axes.axvline(threshold, color="black", linestyle="--", linewidth=1, label=f"threshold {threshold:g}")
        axes.set(xlabel="threshold", xlim=(0, 1))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8, loc="lower center")
    return figure


def draw_errors(image: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> Figure:
    """Draw which pixels are wrong, and how far they lie from the true edge.

    Args:
        image: (H, W, 3) uint8.
        predicted: (H, W) bool.
        true: (H, W) bool.
    """
    figure = new_figure(1, 2, image.shape, width=11)
    left, right = figure.subplots(1, 2)
    false, missed = predicted & ~true, true & ~predicted
    score = score_mask(true, predicted)
    show_image(left, image, f"Dice {score.dice:.4f}; {false.sum():,} px false, {missed.sum():,} px missed")
    errors = np.zeros((*image.shape[:2], 4))
    errors[false], errors[missed] = (0.84, 0.37, 0.0, 0.85), (0.94, 0.89, 0.26, 0.85)
    left.imshow(errors, extent=(0, image.shape[1], image.shape[0], 0), interpolation="nearest")
    draw_contours(left, _as_instances(true), TRUE, width=0.8)
    distance = _edge_distances(true)
    reach = max(2.0, float(distance[false | missed].max(initial=0)))
    for chosen, label, colour in ((false, "false", FALSE), (missed, "missed", "#a89b00")):
        right.hist(distance[chosen], np.linspace(0, reach, 41), histtype="step", color=colour, label=label, linewidth=2)
    right.set(yscale="symlog", xlabel="distance from the true edge, pixels", ylabel="pixels")
    right.legend(fontsize=8)
    right.set_title("how far wrong pixels lie from the edge", fontsize=9)
    add_legend(figure, [("truth", TRUE, "-"), ("false", FALSE, "-"), ("missed", MISSED, "-")])
    return figure


def _edge_distances(mask: np.ndarray) -> np.ndarray:
    """Return each pixel's distance from the edge of a mask, (H, W) float32."""
    inside, outside = (
        cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, 5) if part.any() and not part.all() else part * 0.0
        for part in (mask, ~mask)
    )
    return np.maximum(inside, outside)


def _as_instances(mask: np.ndarray) -> Instances:
    return Instances.from_masks(mask[None]) if mask.any() else Instances.empty()
