"""Test-time augmentation: what each view finds, and how the views vote."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from common.figures.network.canvas import HIT, TRUE, add_legend, draw_contours, new_figure, show_image
from common.masks.instances import Instances
from common.prediction.postprocess import Look
from common.prediction.views import View, apply_view

COLUMNS = 5


def draw_views(image: np.ndarray, looks: Sequence[Look], threshold: float) -> Figure:
    """Draw each distinct view as the network sees it, with what it finds there.

    Args:
        image: (H, W, 3) uint8.
        looks: of its views; a view that stands for several is drawn once.
        threshold: lowest probability of a mask pixel.
    """
    num_rows = -(-len(looks) // COLUMNS)
    square = (1, 1) if any(look.view.turns % 2 for look in looks) else image.shape
    figure = new_figure(num_rows, COLUMNS, square, width=14)
    for place, look in enumerate(looks, start=1):
        axes = figure.add_subplot(num_rows, COLUMNS, place)
        seen = apply_view(image, look.view, np.random.default_rng(0))
        found = look.detections.paint(threshold)
        numbers = ", ".join(str(number) for number in look.places)
        height, width = seen.shape[:2]
        title = f"view {numbers}: {len(found)} objects in {height} x {width} px\n{describe_view(look.view)}"
        show_image(axes, seen, title)
        axes.title.set_fontsize(7.5)
        draw_contours(axes, found, width=0.8)
    return figure


def draw_votes(image: np.ndarray, votes: np.ndarray, num_views: int, final: Instances, true: Instances) -> Figure:
    """Draw how many views see an object at each pixel, and the objects that are elected.

    Args:
        image: (H, W, 3) uint8.
        votes: (H, W) uint8, see `count_votes`.
        num_views: highest possible number.
        final: the merged objects; none if they are not merged.
        true: the true objects.
    """
    figure = new_figure(1, 2, image.shape, width=13)
    left, right = figure.subplots(1, 2)
    height, width = image.shape[:2]
    drawn = left.imshow(votes, "magma", vmin=0, vmax=num_views, extent=(0, width, height, 0), interpolation="nearest")
    left.set(xticks=[], yticks=[])
    left.set_title("votes", fontsize=9)
    draw_contours(left, true, TRUE, width=0.8)
    figure.colorbar(drawn, ax=left, shrink=0.7, label="views")
    show_image(right, image, f"{len(final)} elected objects")
    draw_contours(right, true, TRUE, width=0.8)
    draw_contours(right, final, HIT)
    add_legend(figure, [("truth", TRUE, "-"), ("elected", HIT, "-")])
    return figure


def describe_view(view: View) -> str:
    """Return how a view flips and turns.

    Example:
        >>> describe_view(View(flip_lr=True, turns=3)), describe_view(View())
        ('flipped left-right, turned by 270', 'upright')
        >>> describe_view(View(flip_ud=True, flip_lr=True))
        'flipped up-down and left-right'
    """
    flips = [name for name, flipped in (("up-down", view.flip_ud), ("left-right", view.flip_lr)) if flipped]
    parts = [f"flipped {' and '.join(flips)}"] if flips else []
    parts += [f"turned by {90 * view.turns}"] if view.turns else []
    return ", ".join(parts) or "upright"
