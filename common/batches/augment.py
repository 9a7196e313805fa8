"""Training augmentation on an image and its label layers: rescale, crop, flip, turn, rotate, shift the channels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from common.images.colours import shift_channels
from common.settings.mask_rcnn import LONGEST_STRIP, usual_scale

# Flips and turns are OpenCV's: NumPy's are views, and copying those takes ten times as long.
_TURNS = (None, cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)


@dataclass(frozen=True, kw_only=True)
class Rescaling:
    """How much training images are rescaled.

    Attributes:
        min_dim: shorter side at the usual scale, pixels, less for strips; detection enlarges to it, too, but never
            shrinks to it.
        longest_strip: what a strip is, see `usual_scale`.
        max_dim: largest longer side at the usual scale, pixels; 0: no limit.
        aspect_ratio: largest extra stretch of one axis, at least 1.
        min_enlarge: the largest scale is at least this.
        zoom: the largest scale is at least the usual one times this, at least 1.
        min_zoom: the smallest scale is the usual one times this, at most 1.
        log_zoom: draw scales evenly by their logarithm, so that half and double are as likely; otherwise evenly.
    """

    min_dim: int
    longest_strip: float = LONGEST_STRIP
    max_dim: int = 0
    aspect_ratio: float = 1.0
    min_enlarge: float = 0.0
    zoom: float = 1.0
    min_zoom: float = 1.0
    log_zoom: bool = False

    def draw_shape(self, image_shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, int]:
        """Draw the shape to rescale an image to.

        Args:
            image_shape: (height, width), pixels.
            rng: source of the scale, the stretched axis and its stretch, drawn in this order.

        Returns:
            (height, width), pixels.

        Example:
            >>> Rescaling(min_dim=512).draw_shape((256, 320), np.random.default_rng(0))
            (512, 640)
        """
        usual = usual_scale(image_shape, self.min_dim, self.longest_strip)
        if self.max_dim:
            usual = min(usual, self.max_dim / max(image_shape))
        low, high = usual * self.min_zoom, max(self.min_enlarge, usual * self.zoom)
        scale = math.exp(rng.uniform(math.log(low), math.log(high))) if self.log_zoom else rng.uniform(low, high)
        scales = [scale, scale]
        scales[int(rng.integers(2))] *= rng.uniform(1.0, self.aspect_ratio)
        height, width = (max(1, round(length * factor)) for length, factor in zip(image_shape, scales, strict=True))
        return height, width


def rescale_and_crop(
    image: np.ndarray,
    layers: Sequence[np.ndarray],
    rng: np.random.Generator,
    rescaling: Rescaling,
    *,
    crop_size: int,
    places: int | None = 1,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Rescale by a random factor, stretch one random axis, and cut a random square crop.

    Args:
        image: (H, W, 3) uint8.
        layers: its objects, (H, W) int32 label images, 0 = background.
        rng: source of the rescaled shape and of each place's top and left, drawn in this order.
        rescaling: by how much.
        crop_size: side of the crop, pixels.
        places: how many places are drawn; the crop with the most objects is taken. None: always crop at (0, 0).

    Returns:
        The crops: (crop_size, crop_size, 3) uint8, and (crop_size, crop_size) int32 of each layer; padded with zeros at
        the bottom and right if the rescaled image is smaller.

    Source:
        Third-place solution of the Data Science Bowl 2018, with one place; it submitted a run with `places=None`.
    """
    shape = rescaling.draw_shape(image.shape[:2], rng)
    spare = [max(length - crop_size, 0) + 1 for length in shape]
    corners = [(int(rng.integers(spare[0])), int(rng.integers(spare[1]))) for _ in range(places or 0)] or [(0, 0)]
    drawn = [
        (corner, [crop_rescaled_labels(layer, shape, *corner, crop_size) for layer in layers]) for corner in corners
    ]
    corner, cropped = max(drawn, key=lambda one: _num_objects(one[1])) if len(drawn) > 1 else drawn[0]
    return crop(rescale(image, shape), *corner, crop_size), cropped


def flip_rotate_shift(
    image: np.ndarray,
    layers: Sequence[np.ndarray],
    rng: np.random.Generator,
    *,
    rotation_range: float,
    channel_shift_range: float,
    upright: bool = False,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Flip at random, turn by quarters, rotate by a small angle half of the time, and shift each channel.

    Args:
        image: (H, W, 3) uint8.
        layers: its objects, (H, W) int32 label images, 0 = background.
        rng: source of both flips, the quarter turns, the rotation and the shifts, drawn in this order.
        rotation_range: largest angle either way, degrees.
        channel_shift_range: largest shift of a channel either way, 0-255.
        upright: neither flip up-down nor turn by quarters.

    Returns:
        The same shapes and dtypes; height and width are swapped after an odd number of quarter turns.

    Source:
        Third-place solution of the Data Science Bowl 2018.
    """
    left_right, up_down = (rng.random() < 0.5 for _ in range(2))
    turns = int(rng.integers(4))
    if upright:
        up_down, turns = False, 0
    both = [image, *layers]
    if left_right != up_down:  # both are half a turn, so up-down is left-right and half a turn
        both = [cv2.flip(one, 1) for one in both]
    turn = _TURNS[(turns + 2 * up_down) % 4]
    if turn is not None:
        both = [cv2.rotate(one, turn) for one in both]
    if rng.random() < 0.5:
        degrees = rng.uniform(-rotation_range, rotation_range)
        both = [rotate(one, degrees) for one in both]
    shifts = rng.uniform(-channel_shift_range, channel_shift_range, 3)
    return shift_channels(both[0], shifts), both[1:]


def rescale(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize an image bilinearly, with pixel centres at halves and the border repeated.

    Args:
        image: (H, W, 3) uint8.
        shape: (height, width) of the result, pixels.

    Returns:
        (height, width, 3) uint8.
    """
    return cv2.resize(image, shape[::-1], interpolation=cv2.INTER_LINEAR)


def crop(image: np.ndarray, top: int, left: int, size: int) -> np.ndarray:
    """Crop a square, padded with zeros at the bottom and right where the image ends.

    Args:
        image: (H, W, ...) of any dtype.
        top: first row.
        left: first column.
        size: side, pixels.

    Returns:
        (size, size, ...) of the same dtype.
    """
    part = image[top : top + size, left : left + size]
    missing = [(0, size - length) for length in part.shape[:2]]
    return np.pad(part, [*missing, *[(0, 0)] * (image.ndim - 2)])


def crop_rescaled_labels(label_image: np.ndarray, shape: tuple[int, int], top: int, left: int, size: int) -> np.ndarray:
    """Return `crop` of the label image resized to `shape`, by nearest neighbour with the geometry of `rescale`.

    Only the crop's pixels are read. Source pixels are computed in integers: OpenCV's nearest neighbour is off by up to
    half a pixel, and its exact one does not take int32.

    Args:
        label_image: (H, W) int32.
        shape: (height, width) of the whole resized label image, pixels.
        top: first row of the crop.
        left: first column of the crop.
        size: side of the crop, pixels.

    Returns:
        (size, size) int32; zeros beyond the resized label image.

    Example:
        >>> crop_rescaled_labels(np.array([[1, 2]]), (2, 4), 0, 1, 3).tolist()
        [[1, 2, 2], [1, 2, 2], [0, 0, 0]]
    """
    rows, columns = (
        (2 * np.arange(start, min(start + size, new)) + 1) * old // (2 * new)
        for start, old, new in zip((top, left), label_image.shape, shape, strict=True)
    )
    return crop(label_image[rows][:, columns], 0, 0, size)


def rotate(image: np.ndarray, degrees: float) -> np.ndarray:
    """Rotate about the centre on the same canvas, by nearest neighbour; zeros outside.

    Args:
        image: (H, W, 3) uint8 or (H, W) int32.
        degrees: angle, counter-clockwise.

    Returns:
        The same shape and dtype.
    """
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_NEAREST)


def _num_objects(layers: Sequence[np.ndarray]) -> int:
    """Return how many labels are in (H, W) int32 layers, 0 = background."""
    return sum(int(np.count_nonzero(np.bincount(layer.ravel())[1:])) for layer in layers)
