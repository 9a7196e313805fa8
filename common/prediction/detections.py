"""The network's detections in an image, and the padded frame in which it sees the image."""

import math
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from common.images.colours import median_colour
from common.masks.crops import paint_masks, paint_probs
from common.masks.instances import Instances, SoftInstances
from common.settings.mask_rcnn import LONGEST_STRIP, Padding, usual_scale

MULTIPLE = 64  # the coarsest level of the pyramid has stride 64
MOST_PIXELS = 1 << 23  # of an enlarged image, however large `min_dim` is


class Paintable(Protocol):
    """The detections of an image, in one piece or in tiles, before their masks are painted."""

    @property
    def image_shape(self) -> tuple[int, int]:
        """(height, width) of the image."""

    @property
    def full(self) -> bool:
        """Whether the image may hold more objects than the network's limits let it return."""

    def paint(self, threshold: float) -> Instances:
        """Return the objects with masks of full resolution, thresholded at a probability."""

    def paint_soft(self, threshold: float) -> SoftInstances:
        """Return the same objects before thresholding; where that is unknown, their pixels have probability 1."""

    def resized(self, image_shape: tuple[int, int]) -> "Paintable":
        """Return the same objects in an image of another size, (height, width)."""


@dataclass(frozen=True, eq=False)
class Detections:
    """The objects found in one image, before their masks are painted; small enough to send to another process.

    Attributes:
        boxes: (N, 4) float32, y1, x1, y2, x2, pixels of the image.
        scores: (N,) float32, descending.
        class_ids: (N,) int32, 1-based.
        mask_probs: (N, h, w) float16, spread over `mask_boxes`.
        image_shape: (height, width) of the image.
        zero_border: see `paint_masks`.
        mask_boxes: (N, 4) float32, by default `boxes`; may leave the image.
        scale: factor at which the network saw the image.
        full: whether the image may hold more objects than the network's limits let it return.
    """

    boxes: np.ndarray
    scores: np.ndarray
    class_ids: np.ndarray
    mask_probs: np.ndarray
    image_shape: tuple[int, int]
    zero_border: bool = False
    mask_boxes: np.ndarray | None = None
    scale: float = 1.0
    full: bool = False

    def paint(self, threshold: float) -> Instances:
        """Return the objects with masks of full resolution, thresholded at a probability."""
        painted = paint_masks(
            self._painted_boxes,
            self.mask_probs.astype(np.float32),
            self.image_shape,
            threshold=threshold,
            zero_border=self.zero_border,
        )
        return painted.labelled(self.class_ids, self.scores)

    def paint_soft(self, threshold: float) -> SoftInstances:
        """Return the objects with a probability per pixel, at full resolution."""
        probs = self.mask_probs.astype(np.float32)
        boxes, crops = paint_probs(self._painted_boxes, probs, self.image_shape, zero_border=self.zero_border)
        return SoftInstances(boxes, list(crops), self.scores)

    def select(self, indices: np.ndarray) -> "Detections":
        """Return the detections at `indices`, (K,) int or (N,) bool."""
        mask_boxes = None if self.mask_boxes is None else self.mask_boxes[indices]
        return replace(
            self,
            boxes=self.boxes[indices],
            scores=self.scores[indices],
            class_ids=self.class_ids[indices],
            mask_probs=self.mask_probs[indices],
            mask_boxes=mask_boxes,
        )

    def resized(self, image_shape: tuple[int, int]) -> "Detections":
        """Return the same objects in an image of another size, (height, width)."""
        factor = np.tile(np.array(image_shape, np.float32) / np.array(self.image_shape, np.float32), 2)
        mask_boxes = None if self.mask_boxes is None else self.mask_boxes * factor
        return replace(self, boxes=self.boxes * factor, mask_boxes=mask_boxes, image_shape=image_shape)

    @property
    def _painted_boxes(self) -> np.ndarray:
        return self.boxes if self.mask_boxes is None else self.mask_boxes


def shrink_image(image: np.ndarray, side: int) -> np.ndarray:
    """Shrink an image to a shorter side, by area averaging; a smaller one stays as it is.

    Args:
        image: (H, W, 3) uint8.
        side: pixels.

    Returns:
        (h, w, 3) uint8.
    """
    height, width = shrunken_shape(image.shape[:2], side)
    same = (height, width) == image.shape[:2]
    return image if same else cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def shrunken_shape(image_shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """Return (height, width) of an image after `shrink_image`.

    Example:
        >>> shrunken_shape((1024, 768), 256), shrunken_shape((100, 200), 256)
        ((341, 256), (100, 200))
    """
    height, width = (round(length * min(1.0, side / min(image_shape))) for length in image_shape)
    return height, width


@dataclass(frozen=True)
class Frame:
    """Where an image lies in the array that the network sees: scaled, then padded evenly.

    Attributes:
        image_shape: (height, width) of the image.
        scaled_shape: after scaling.
        padded_shape: after padding, multiples of 64.

    Source: the Mask R-CNN library's resize modes `pad64`, and `square` where there is a `max_dim`.
    """

    image_shape: tuple[int, int]
    scaled_shape: tuple[int, int]
    padded_shape: tuple[int, int]

    @classmethod
    def for_image(
        cls, image_shape: tuple[int, int], min_dim: int, max_dim: int = 0, longest_strip: float = LONGEST_STRIP
    ) -> "Frame":
        """Scale so that the shorter side is at least `min_dim`, and pad to multiples of 64.

        Strips are enlarged less, see `usual_scale`; nothing is enlarged beyond `MOST_PIXELS`. `max_dim`, a multiple of
        64, limits the longer side, even if that leaves the shorter one below `min_dim`, and all images are padded to a
        square of that side.

        Example:
            >>> Frame.for_image((256, 320), 512)
            Frame(image_shape=(256, 320), scaled_shape=(512, 640), padded_shape=(512, 640))
            >>> Frame.for_image((480, 640), 800, 1024)
            Frame(image_shape=(480, 640), scaled_shape=(768, 1024), padded_shape=(1024, 1024))
        """
        scale = max(1.0, usual_scale(image_shape, min_dim, longest_strip))
        if max_dim:
            scale = min(scale, max_dim / max(image_shape))
        scale = min(scale, max(1.0, math.sqrt(MOST_PIXELS / math.prod(image_shape))))
        # A side needs two pixels: `corners_to_image` divides by the distance between the first and the last.
        height, width = (max(round(side * scale), 2) for side in image_shape)
        padded = (max_dim, max_dim) if max_dim else (-height % MULTIPLE + height, -width % MULTIPLE + width)
        return cls(image_shape, (height, width), padded)

    @classmethod
    def at_scale(cls, image_shape: tuple[int, int], scale: float) -> "Frame":
        """Scale by a factor, and pad to multiples of 64.

        Example:
            >>> Frame.at_scale((100, 300), 2.0)
            Frame(image_shape=(100, 300), scaled_shape=(200, 600), padded_shape=(256, 640))
        """
        height, width = (max(round(side * scale), 2) for side in image_shape)
        return cls(image_shape, (height, width), (-height % MULTIPLE + height, -width % MULTIPLE + width))

    @property
    def scale(self) -> float:
        """Factor on the image's longer side."""
        return max(self.scaled_shape) / max(self.image_shape)

    @property
    def window(self) -> tuple[int, int, int, int]:
        """The image's box in the padded array."""
        top, left = (
            (padded - scaled) // 2 for padded, scaled in zip(self.padded_shape, self.scaled_shape, strict=True)
        )
        return top, left, top + self.scaled_shape[0], left + self.scaled_shape[1]

    def place(self, image: np.ndarray, padding: Padding = "black") -> np.ndarray:
        """Return the padded array (*padded_shape, 3) uint8 of an image (*image_shape, 3) uint8.

        Args:
            image: of `image_shape`.
            padding: its colour; "median": that of the image, channel by channel.
        """
        top, left, bottom, right = self.window
        padded = np.zeros((*self.padded_shape, 3), np.uint8)
        if padding == "median" and self.padded_shape != self.scaled_shape:
            padded[:] = median_colour(image)
        size = (self.scaled_shape[1], self.scaled_shape[0])
        padded[top:bottom, left:right] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
        return padded

    def to_image(self, boxes: np.ndarray) -> np.ndarray:
        """Map boxes (N, 4) float32 from the padded array to the image's pixels."""
        scale = np.array(self.image_shape, np.float32) / np.array(self.scaled_shape, np.float32)
        origin = np.array(self.window[:2], np.float32)
        return (boxes - np.tile(origin, 2)) * np.tile(scale, 2)

    def from_image(self, boxes: np.ndarray) -> np.ndarray:
        """Map boxes (N, 4) from the image's pixels to the padded array, (N, 4) float32: the inverse of `to_image`."""
        scale = np.array(self.scaled_shape, np.float32) / np.array(self.image_shape, np.float32)
        origin = np.array(self.window[:2], np.float32)
        return (boxes * np.tile(scale, 2) + np.tile(origin, 2)).astype(np.float32)

    def corners_to_image(self, boxes: np.ndarray) -> np.ndarray:
        """Map boxes (N, 4) float32 that end on their last pixel to integer, half-open image pixels.

        Source: the Mask R-CNN library: the window's first and last pixels map to those of the image.
        """
        ends = np.array([0, 0, 1, 1], np.float32)
        window = np.array(self.window, np.float32) - ends
        shares = (boxes - np.tile(window[:2], 2)) / np.tile(window[2:] - window[:2], 2)
        return np.round(shares * (np.tile(self.image_shape, 2) - 1) + ends).astype(np.float32)
