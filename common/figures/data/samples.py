"""Images with the contours of their objects, as found and as training sees them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from matplotlib.figure import Figure

from common.drawing.contours import ORANGE, SKY, draw_contours
from common.figures.data.survey import Survey
from common.figures.tiles import TILE_HEIGHT, tile_figure
from common.images.colours import stretch_contrast
from common.masks.crops import paint_masks
from common.masks.instances import Instances
from common.masks.layers import unpack_layers
from common.scoring.comparison import compare_masks

Drawn: TypeAlias = tuple[np.ndarray, Sequence[np.ndarray]]  # an image, (H, W, 3) uint8, and its label layers
Step: TypeAlias = Callable[[np.random.Generator], Drawn]
NUM_SAMPLES = 12
SMALL = 24  # pixels of a tile, of a usual object


def spread_samples(survey: Survey, count: int = NUM_SAMPLES) -> np.ndarray:
    """Return the rows of images from the darkest to the brightest at even steps, (K,) int, so that every kind shows."""
    order = np.argsort(survey.by_image[["red", "green", "blue"]].sum(axis=1).to_numpy(), kind="stable")
    return order[np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))]


def draw_samples(survey: Survey, rows: Sequence[int] | np.ndarray, class_names: Sequence[str] = ()) -> Figure:
    """Draw images with their objects' contours, under each id the size, the number of objects and the classes.

    Args:
        survey: of the set.
        rows: of the images.
        class_names: of the classes 1, 2, ...; named where there are several.
    """
    tiles, titles = [], []
    for row in np.asarray(rows).tolist():
        image, objects = survey.images.load_image(row), _objects(survey, row)
        tiles.append(draw_tile(image, objects))
        named = sorted({class_names[class_id - 1] for class_id in objects.class_ids.tolist()}) if class_names else []
        kinds = f", {', '.join(named)}" if len(class_names) > 1 and len(named) <= 2 else ""
        size = f"{image.shape[0]} x {image.shape[1]}"
        titles.append(f"{shorten(survey.images.image_ids[row])}\n{size}, {count_objects(objects)}{kinds}")
    return tile_figure(tiles, titles, columns=4, side=3.2)


def draw_steps(sample: Drawn, steps: Mapping[str, Step], seeds: Sequence[int] = range(6)) -> Figure:
    """Draw what steps of training make of a sample: one row a step, one column a seed, the sample itself first.

    Args:
        sample: what the steps start from.
        steps: by name; each draws a new version from a generator.
        seeds: of the generators; every step gets the same.
    """
    first = draw_tile(sample[0], unpack_layers(sample[1]))
    tiles, titles = [], []
    for step in steps.values():
        tiles.append(first)
        titles.append("the sample")
        for seed in seeds:
            image, layers = step(np.random.default_rng(seed))
            objects = unpack_layers(layers)
            tiles.append(draw_tile(image, objects))
            titles.append(f"seed {seed}: {image.shape[0]} x {image.shape[1]}, {count_objects(objects)}")
    return tile_figure(tiles, titles, columns=1 + len(seeds), row_names=list(steps))


def draw_mini_masks(image: np.ndarray, objects: Instances, mini_masks: np.ndarray, most: int = 12) -> Figure:
    """Draw objects beside their mini masks and what becomes of those at their own size, the worst first.

    Args:
        image: (H, W, 3) uint8.
        objects: N objects inside the image.
        mini_masks: (N, M, M) uint8, 0 or 1.
        most: objects drawn.
    """
    painted, ious = _painted_back(objects, mini_masks), mini_mask_ious(objects, mini_masks)
    tiles, titles = [], []
    for i in np.argsort(ious, kind="stable")[:most].tolist():
        box = objects.boxes[i]
        for one, of_what in ((objects, "annotated"), (painted, f"painted back, IoU {ious[i]:.2f}")):
            tiles.append(crop_around(image, one.select([i]), 0))
            titles.append(f"{box[2] - box[0]} x {box[3] - box[1]} pixels, {of_what}")
            tiles.append(mini_masks[i])
            titles.append(f"mini mask, {mini_masks.shape[1]} x {mini_masks.shape[2]}")
        tiles.pop()
        titles.pop()
    return tile_figure(tiles, titles, columns=6)


def mini_mask_ious(objects: Instances, mini_masks: np.ndarray) -> np.ndarray:
    """Return the IoU of each object with its mini mask, painted back at its own size, (N,) float64.

    Args:
        objects: N objects.
        mini_masks: (N, M, M) uint8, 0 or 1.

    Example:
        >>> square = Instances.from_crops(np.array([[2, 2, 9, 9]]), [np.ones((7, 7))])
        >>> mini_mask_ious(square, np.ones((1, 3, 3), np.uint8)).tolist()
        [1.0]
    """
    return np.diagonal(compare_masks(objects, _painted_back(objects, mini_masks)).ious)


def draw_tile(image: np.ndarray, objects: Instances) -> np.ndarray:
    """Draw the contours of objects on an image of the height of a tile, with thinner lines where they are small.

    Args:
        image: (H, W, 3) uint8.
        objects: N objects inside the image.

    Returns:
        (TILE_HEIGHT, w, 3) uint8.
    """
    sides = np.sqrt(np.maximum(objects.areas, 1)) * TILE_HEIGHT / image.shape[0]
    line = 1 if len(sides) and np.median(sides) < SMALL else 2
    return draw_contours(image, objects, height=TILE_HEIGHT, line=line)


def crop_around(image: np.ndarray, objects: Instances, index: int) -> np.ndarray:
    """Draw an object in orange in the part of an image around it, its contrast stretched; others there in blue.

    Args:
        image: (H, W, 3) uint8.
        objects: N objects inside the image.
        index: of the object; the part is a square twice as wide as its box, at least 24 pixels wider, if the image is.

    Returns:
        (h, w, 3) uint8.
    """
    y1, x1, y2, x2 = objects.boxes[index].tolist()
    side = max(y2 - y1, x2 - x1) + max(y2 - y1, x2 - x1, 24)
    top, left = (
        max(min((low + high - side) // 2, length - side), 0)
        for low, high, length in zip((y1, x1), (y2, x2), image.shape, strict=False)
    )
    window = stretch_contrast(image[top : top + side, left : left + side])
    boxes = objects.boxes - [top, left, top, left]
    near = (boxes[:, :2] < window.shape[:2]).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    near[index] = False
    order = np.append(np.flatnonzero(near), index)  # the last one lies on top
    some = replace(objects.select(order), boxes=boxes[order])
    colours = [SKY] * (len(order) - 1) + [ORANGE]
    return draw_contours(window, some, height=TILE_HEIGHT, colours=colours, line=2)


def count_objects(objects: Instances) -> str:
    """Return how many objects there are, in words.

    Example:
        >>> count_objects(Instances.empty())
        '0 objects'
    """
    return f"{len(objects)} object{'' if len(objects) == 1 else 's'}"


def shorten(name: str, most: int = 26) -> str:
    """Return a name that is cut in the middle if it is longer.

    Example:
        >>> shorten("abcdefghij", 7)
        'abc…hij'
    """
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[:half]}…{name[-half:]}"


def _objects(survey: Survey, row: int) -> Instances:
    return survey.images.load_instances(row) if survey.images.has_objects else Instances.empty()


def _painted_back(objects: Instances, mini_masks: np.ndarray) -> Instances:
    height, width = objects.boxes[:, 2:].max(axis=0, initial=0).tolist()
    return paint_masks(objects.boxes.astype(float), mini_masks.astype(np.float32), (height, width))
