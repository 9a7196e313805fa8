"""The mask stage of Mask R-CNN: small masks in their boxes, painted, and freed of overlaps; what regions learn."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from common.figures.network.canvas import (
    COLOURS,
    FALSE,
    HIT,
    MISSED,
    TRUE,
    add_legend,
    draw_contours,
    draw_moves,
    new_figure,
    show_image,
)
from common.masks.crops import cut_instances
from common.masks.instances import Instances
from common.prediction.steps import Lessons, Steps
from common.scoring.comparison import compare_masks

HIT_IOU = 0.5
COLUMNS = 8
MARGIN = 0.25  # of a box's sides, around it


def draw_region_lessons(steps: Steps, lessons: Lessons, count: int = 16) -> Figure:
    """Draw the regions that the heads would learn from: their boxes, and the masks of some.

    Args:
        steps: of an image.
        lessons: what it would teach.
        count: most masks to draw.
    """
    positive = len(lessons.roi_targets)
    figure = new_figure(1, 2, steps.image.shape, width=13)
    left, right = figure.subplots(1, 2)
    show_image(left, steps.image, f"{positive} positive regions of {len(lessons.rois)}, and where they are to move")
    colours = [COLOURS[number % len(COLOURS)] for number in range(positive)]
    draw_moves(left, lessons.rois[:positive], lessons.roi_targets, colours)
    masks = lessons.roi_masks[np.linspace(0, positive - 1, min(count, positive)).astype(int)]
    right.set_title(f"masks that {len(masks)} of them are to predict, each over its region", fontsize=9)
    right.axis("off")
    if len(masks):
        columns = -(-len(masks) // max(1, int(len(masks) ** 0.5)))
        spare = np.full((-len(masks) % columns, *masks.shape[1:]), 0.5)
        tiles = np.pad(np.concatenate([masks, spare]), ((0, 0), (1, 1), (1, 1)), constant_values=0.5)
        rows = [np.hstack(list(tiles[start : start + columns])) for start in range(0, len(tiles), columns)]
        right.imshow(np.vstack(rows), "gray", vmin=0, vmax=1, interpolation="nearest")
    add_legend(figure, [("region", HIT, ":"), ("its object", HIT, "-")])
    return figure


def draw_mini_masks(image: np.ndarray, steps: Steps, true: Instances, threshold: float, count: int = 24) -> Figure:
    """Draw detections with the probabilities that their masks have, beside the truth.

    Args:
        image: (H, W, 3) uint8, in whose pixels objects and detections lie.
        steps: of the image.
        true: its objects.
        threshold: lowest probability of a mask pixel.
        count: most detections to draw: the surest and the least sure ones.
    """
    found = steps.detections
    total = len(found.scores)
    first = np.arange(total) if total <= count else np.r_[: count // 2, total - (count - count // 2) : total]
    num_rows = max(1, -(-len(first) // COLUMNS))
    figure = Figure(figsize=(13, 3.4 * num_rows + 0.4), layout="constrained")
    painted = found.paint(threshold)
    boxes = found.boxes if found.mask_boxes is None else found.mask_boxes
    for place, index in enumerate(first.tolist()):
        row, column = divmod(place, COLUMNS)
        above = figure.add_subplot(2 * num_rows, COLUMNS, 2 * row * COLUMNS + column + 1)
        below = figure.add_subplot(2 * num_rows, COLUMNS, (2 * row + 1) * COLUMNS + column + 1)
        window = _around(boxes[index], image.shape[:2])
        y1, x1, y2, x2 = window
        show_image(above, image[y1:y2, x1:x2], f"{found.scores[index]:.2f}", (y2 - y1, x2 - x1))
        draw_contours(above, cut_instances(true, window), TRUE)
        draw_contours(above, cut_instances(painted.select([index]), window), HIT)
        below.imshow(found.mask_probs[index].astype(float), "viridis", vmin=0, vmax=1, interpolation="nearest")
        below.set_axis_off()
    add_legend(figure, [("truth", TRUE, "-"), (f"painted, from {threshold:g}", HIT, "-")])
    return figure


def draw_masks(
    image: np.ndarray, painted: Instances, final: Instances, true: Instances, crowd: np.ndarray | None = None
) -> Figure:
    """Draw masks as painted, after overlaps are removed, and beside the truth.

    Args:
        image: (H, W, 3) uint8.
        painted: objects as painted; they may overlap.
        final: objects of the prediction.
        true: the true ones.
        crowd: (N,) bool, see `compare_masks`.
    """
    figure = new_figure(1, 3, image.shape, width=14)
    first, second, third = figure.subplots(1, 3)
    claimed = _claims(painted, image.shape[:2])
    show_image(first, image, f"painted: {len(painted)} masks, {np.count_nonzero(claimed > 1):,} contested pixels")
    contested = np.zeros((*image.shape[:2], 4))
    contested[claimed > 1] = (0.0, 0.62, 0.45, 0.9)
    first.imshow(contested, extent=(0, image.shape[1], image.shape[0], 0), interpolation="nearest")
    draw_contours(first, painted)
    show_image(second, image, f"final: {len(final)} objects")
    draw_contours(second, final)
    ious = compare_masks(true, final, crowd).ious
    hits, found = ious.max(axis=0, initial=0) > HIT_IOU, ious.max(axis=1, initial=0) > HIT_IOU
    show_image(third, image, f"{hits.sum()} hits, {(~hits).sum()} false, {(~found).sum()} of {len(true)} missed")
    draw_contours(third, true.select(~found), MISSED, style="--")
    draw_contours(third, final, [HIT if hit else FALSE for hit in hits])
    entries = [("contested", "#009e73", "-"), ("hit", HIT, "-"), ("false", FALSE, "-"), ("missed", MISSED, "--")]
    add_legend(figure, entries)
    return figure


def _claims(instances: Instances, shape: Sequence[int]) -> np.ndarray:
    """Return how many objects claim each pixel, (H, W) int32."""
    claims = np.zeros(tuple(shape), np.int32)
    for mask, (y1, x1, y2, x2) in zip(instances.masks, instances.boxes.tolist(), strict=True):
        claims[y1:y2, x1:x2] += mask
    return claims


def _around(box: np.ndarray, shape: Sequence[int]) -> tuple[int, int, int, int]:
    """Return a window around a box, y1, x1, y2, x2, inside the image."""
    margins = np.maximum(MARGIN * (box[2:] - box[:2]), 2)
    lows = np.clip(np.floor(box[:2] - margins), 0, np.array(shape[:2]) - 1).astype(int)
    highs = np.clip(np.ceil(box[2:] + margins), lows + 1, shape[:2]).astype(int)
    return int(lows[0]), int(lows[1]), int(highs[0]), int(highs[1])
