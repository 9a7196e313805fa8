"""Test-time augmentation: the 15 views of the third-place run, applied to images and undone on objects."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from common.images.colours import shift_channels
from common.masks.crops import tight_instances
from common.masks.instances import Instances

MIN_SHRINKABLE_SIDE = 512  # pixels; an image with a shorter side is never shrunk


@dataclass(frozen=True)
class View:
    """One way to augment an image. The changes are applied in the order of the fields.

    Attributes:
        flip_ud: flip up-down.
        flip_lr: flip left-right.
        turns: quarter turns, counter-clockwise.
        shift: largest shift of a channel in either direction, 0-255.
        scale_y: factor on the turned image's height.
        scale_x: factor on the turned image's width.
    """

    flip_ud: bool = False
    flip_lr: bool = False
    turns: int = 0
    shift: float = 0
    scale_y: float = 1
    scale_x: float = 1

    def swap_scales(self) -> "View":
        """Return the view as the author's write-up describes it, where the first scale is the width's."""
        return dataclasses.replace(self, scale_y=self.scale_x, scale_x=self.scale_y)


# The 2018 Data Science Bowl's third place; as in its code, the first scale is the height's.
VIEWS = (
    #     ud     lr  turns shift  s1   s2
    View(False, False, 0, 0.0, 1.0, 1.0),
    View(False, False, 0, 0.0, 2.0, 2.0),
    View(False, False, 0, 0.0, 0.7, 0.8),
    View(False, False, 0, 15.0, 1.5, 1.5),
    View(True, True, 1, 0.0, 0.9, 0.8),
    View(True, False, 2, 7.0, 1.1, 1.2),
    View(False, True, 3, 10.0, 0.5, 0.5),
    View(False, True, 3, 10.0, 1.0, 1.2),
    View(True, True, 2, 25.0, 1.0, 1.0),
    View(True, True, 2, 25.0, 1.0, 1.0),
    View(False, True, 3, 5.0, 1.0, 1.0),
    View(True, False, 1, 15.0, 1.0, 1.0),
    View(True, True, 3, 15.0, 1.0, 0.9),
    View(False, True, 3, 10.0, 1.5, 1.5),
    View(False, False, 3, 5.0, 1.2, 1.0),
)

# Every flip and turn, some of them scaled, for `elect_instances`.
TURNED_VIEWS = (
    *(View(flip_lr=flip, turns=turns) for flip in (False, True) for turns in range(4)),
    View(scale_y=1.25, scale_x=1.25),
    View(flip_lr=True, turns=1, scale_y=1.25, scale_x=1.25),
    View(turns=2, scale_y=1.5, scale_x=1.5),
    View(flip_lr=True, turns=3, scale_y=1.5, scale_x=1.5),
    View(turns=1, scale_y=0.8, scale_x=0.8),
    View(flip_lr=True, scale_y=0.8, scale_x=0.8),
)

# By their names in a config and in `Predictor.predict`.
VIEW_SETS = {"votes": VIEWS, "majority": TURNED_VIEWS}


def apply_view(image: np.ndarray, view: View, rng: np.random.Generator, *, channel_shift: bool = False) -> np.ndarray:
    """Flip, turn, shift the channels and scale an image.

    Args:
        image: (H, W, 3) uint8, RGB.
        view: what to change.
        rng: source of the channel shifts; unused if none is drawn.
        channel_shift: draw each channel's shift, clipped to the image's own minimum and maximum; published: off.

    Returns:
        (h, w, 3) uint8, contiguous, of the size that `scaled_shape` gives.
    """
    height, width = scaled_shape(view, image.shape[:2])
    if view.flip_ud:
        image = image[::-1]
    if view.flip_lr:
        image = image[:, ::-1]
    image = np.ascontiguousarray(np.rot90(image, view.turns))
    if channel_shift and view.shift:
        image = shift_channels(image, rng.uniform(-view.shift, view.shift, 3))
    if (height, width) == image.shape[:2]:
        return image
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)


def invert_view(
    instances: Instances, view: View, image_shape: tuple[int, int], *, published: bool = False
) -> Instances:
    """Map objects found in a view back to image pixels.

    Scaling is undone by nearest neighbour: pixel i of the turned image is pixel floor((i + 0.5) * scaled / turned) of
    the scaled one.

    Args:
        instances: N objects in the view's pixels.
        view: what was changed.
        image_shape: (height, width) of the image, before the view.
        published: undo scaling as the published third-place code does, with `scipy.ndimage.zoom`: the centres of the
            outermost pixels stay where they are, and rounding may cost the last row or column.

    Returns:
        N objects in their smallest boxes; empty if the sampling misses them.
    """
    boxes, masks = invert_crops(instances.boxes, instances.masks, view, image_shape, published=published)
    return tight_instances(Instances.from_crops(boxes, masks, instances.class_ids, instances.scores))


def invert_crops(
    boxes: np.ndarray,
    crops: Sequence[np.ndarray],
    view: View,
    image_shape: tuple[int, int],
    *,
    published: bool = False,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Map crops of any dtype back to image pixels, like `invert_view`; the boxes need not be tight.

    Args:
        boxes: (N, 4) int, y1, x1, y2, x2, in the view's pixels.
        crops: N arrays of the boxes' sizes.
        view: what was changed.
        image_shape: (height, width) of the image, before the view.
        published: see `invert_view`.

    Returns:
        (N, 4) int32 and N contiguous arrays, without pixels if the sampling misses them.
    """
    sources = _published_sources if published else _nearest_sources
    scaled, turned = scaled_shape(view, image_shape), _turned_shape(view, image_shape)
    if scaled != turned:
        boxes, crops = _resample(boxes, crops, *map(sources, scaled, turned))
    transposed, flip_ud, flip_lr = _steps_back(view)
    flips = (slice(None, None, -1 if flip_ud else 1), slice(None, None, -1 if flip_lr else 1))
    crops = [np.ascontiguousarray((crop.T if transposed else crop)[flips]) for crop in crops]
    return _turn_back(boxes, view, image_shape), crops


def invert_boxes(boxes: np.ndarray, view: View, image_shape: tuple[int, int]) -> np.ndarray:
    """Map boxes found in a view back to image pixels.

    Args:
        boxes: (N, 4) float, y1, x1, y2, x2, in the view's pixels.
        view: what was changed.
        image_shape: (height, width) of the image, before the view.

    Returns:
        (N, 4) float.

    Example:
        >>> invert_boxes(np.array([[0.0, 0.0, 2.0, 3.0]]), View(flip_lr=True, scale_x=2), (10, 20)).tolist()
        [[0.0, 18.5, 2.0, 20.0]]
    """
    scale = np.array(_turned_shape(view, image_shape)) / scaled_shape(view, image_shape)
    return _turn_back(boxes * np.tile(scale, 2), view, image_shape)


def scaled_shape(view: View, image_shape: tuple[int, int]) -> tuple[int, int]:
    """Return the size of an image after the view.

    Scales are ignored if one is below 1 and the turned image's height or width is below 512.

    Args:
        view: what to change.
        image_shape: (height, width) of the image.

    Returns:
        (height, width).

    Example:
        >>> scaled_shape(View(turns=1, scale_y=1.5), (100, 60)), scaled_shape(View(scale_y=0.5), (600, 500))
        ((90, 100), (600, 500))
    """
    height, width = _turned_shape(view, image_shape)
    if min(view.scale_y, view.scale_x) < 1 and min(height, width) < MIN_SHRINKABLE_SIDE:
        return height, width
    return round(height * view.scale_y), round(width * view.scale_x)


def distinct_views(
    views: Sequence[View], image_shape: tuple[int, int], enlargement: float = 1, *, channel_shift: bool = False
) -> list[tuple[View, list[int]]]:
    """Group views that show the same image, so that each is predicted once.

    Flips and turns are compared by their combined effect, scales by the resulting size. A view that draws a channel
    shift equals no other. An enlargement that detection exceeds is dropped: going from 256 pixels to 512 by way of 384
    shows nothing new.

    Args:
        views: the views.
        image_shape: (height, width) of the image.
        enlargement: the factor by which detection enlarges the image or its tiles, see `usual_scale`.
        channel_shift: whether channel shifts are drawn.

    Returns:
        Each distinct view and its indices in `views`, in the order of first appearance.

    Example:
        >>> views = [View(), View(True, True, 2), View(turns=1), View(scale_y=1.5, scale_x=1.5)]
        >>> [indices for _, indices in distinct_views(views, (512, 512))]
        [[0, 1], [2], [3]]
        >>> [indices for _, indices in distinct_views(views, (512, 512), enlargement=1.6)]
        [[0, 1, 3], [2]]
    """
    groups: dict[tuple, tuple[View, list[int]]] = {}
    for i, view in enumerate(views):
        if 1 <= view.scale_y == view.scale_x <= enlargement:
            view = dataclasses.replace(view, scale_y=1, scale_x=1)
        corners = np.arange(4).reshape(2, 2)
        corners = corners[::-1] if view.flip_ud else corners
        corners = np.rot90(corners[:, ::-1] if view.flip_lr else corners, view.turns)
        draws = channel_shift and view.shift > 0
        key = (corners.tobytes(), scaled_shape(view, image_shape), i if draws else -1)
        groups.setdefault(key, (view, []))[1].append(i)
    return list(groups.values())


def _steps_back(view: View) -> tuple[bool, bool, bool]:
    """Return which of transposing, then flipping up-down, then left-right undo a view's flips and turns."""
    turns = -view.turns % 4
    return turns % 2 == 1, view.flip_ud ^ (turns in (1, 2)), view.flip_lr ^ (turns in (2, 3))


def _turn_back(boxes: np.ndarray, view: View, image_shape: tuple[int, int]) -> np.ndarray:
    """Undo a view's flips and turns on boxes (N, 4) of the turned image."""
    transposed, flip_ud, flip_lr = _steps_back(view)
    height, width = image_shape
    if transposed:
        boxes = boxes[:, [1, 0, 3, 2]]
    if flip_ud:
        boxes = np.array([height, 0, height, 0]) + boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1]
    if flip_lr:
        boxes = np.array([0, width, 0, width]) + boxes[:, [0, 3, 2, 1]] * [1, -1, 1, -1]
    return boxes


def _turned_shape(view: View, image_shape: tuple[int, int]) -> tuple[int, int]:
    height, width = image_shape
    return (width, height) if view.turns % 2 else (height, width)


def _nearest_sources(source: int, target: int) -> np.ndarray:
    """Return which of `source` pixels lies at the centre of each of `target` pixels, (target,) int, ascending."""
    return (2 * np.arange(target) + 1) * source // (2 * target)


def _published_sources(source: int, target: int) -> np.ndarray:
    """Return the same by `scipy.ndimage.zoom` at order 0; `source`, which is no pixel, for one that it leaves blank."""
    places = np.arange(target) * ((source - 1) / (target - 1) if target > 1 else 1.0)
    return np.where(places > source - 1, source, np.floor(places + 0.5)).astype(np.int64)


def _resample(
    boxes: np.ndarray, crops: Sequence[np.ndarray], rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, Sequence[np.ndarray]]:
    """Return boxes and crops of an image that is made of the given rows and columns, ascending, of another."""
    resized = np.empty_like(boxes)
    resized[:, ::2] = np.searchsorted(rows, boxes[:, ::2])
    resized[:, 1::2] = np.searchsorted(columns, boxes[:, 1::2])
    spans = zip(crops, boxes[:, :2].tolist(), resized.tolist(), strict=True)
    return resized, [
        crop.take(rows[y1:y2] - top, axis=0).take(columns[x1:x2] - left, axis=1)
        for crop, (top, left), (y1, x1, y2, x2) in spans
    ]
