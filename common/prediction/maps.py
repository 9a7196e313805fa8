"""Maps of probabilities: the views that are averaged, and the mask that a map gives."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.masks.components import largest_components
from common.masks.instances import Instances
from common.masks.resize import resize_image
from common.prediction.views import View

_SCALES = (0.75, 1, 1.25)
# By their names in `UNetConfig.views`. A scale is that of the square which the network sees.
MAP_VIEWS: dict[str, tuple[View, ...]] = {
    "none": (View(),),
    "flip": (View(), View(flip_lr=True)),
    "scales": tuple(View(flip_lr=flip, scale_y=scale, scale_x=scale) for scale in _SCALES for flip in (False, True)),
}


def view_input(image: np.ndarray, view: View, side: int, stride: int) -> np.ndarray:
    """Return what the network sees of an image in a view.

    Args:
        image: (H, W, 3) uint8.
        view: its flips and its scale along both axes; turns and shifts are not for maps.
        side: of the square that an image is resized to at scale 1, pixels.
        stride: of which the side in a view is a multiple.

    Returns:
        (s, s, 3) uint8, contiguous.
    """
    scaled = stride * max(1, round(side * view.scale_y / stride))
    return np.ascontiguousarray(_flip(resize_image(image, (scaled, scaled)), view))


def average_views(maps: Sequence[np.ndarray], views: Sequence[View], side: int) -> np.ndarray:
    """Undo each view on its map, and average.

    Args:
        maps: (s, s) float32 each, probabilities.
        views: one per map.
        side: of the average, pixels.

    Returns:
        (side, side) float32.
    """
    undone = (resize_image(_flip(one, view), (side, side)) for one, view in zip(maps, views, strict=True))
    return sum(undone, start=np.zeros((side, side), np.float32)) / np.float32(len(maps))


@dataclass(frozen=True, eq=False)
class MapPrediction:
    """What a network says of an image, and how that becomes a mask.

    Attributes:
        probs: (S, S) float32, probabilities over the whole image, which need not be a square.
        image_shape: (height, width) of the image, pixels.
        threshold: lowest probability of a pixel of the mask.
        largest: keep only this many connected parts of the mask; 0: all.
    """

    probs: np.ndarray
    image_shape: tuple[int, int]
    threshold: float
    largest: int = 0

    def mask(self) -> np.ndarray:
        """Return the mask in the image's own size, (H, W) bool."""
        return self._cut()[0]

    def instances(self) -> Instances:
        """Return the mask as one object, whose score is its mean probability; none if it is empty."""
        mask, probs = self._cut()
        if not mask.any():
            return Instances.empty()
        return Instances.from_masks(mask[None], scores=[float(probs[mask].mean())])

    def _cut(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mask and probabilities in the image's own size: resized first, then cut."""
        probs = resize_image(self.probs, self.image_shape)
        mask = probs >= self.threshold
        return (largest_components(mask, self.largest) if self.largest else mask), probs


def _flip(image: np.ndarray, view: View) -> np.ndarray:
    return image[:: -1 if view.flip_ud else 1, :: -1 if view.flip_lr else 1]
