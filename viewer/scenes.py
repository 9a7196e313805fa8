"""Images with their objects and outlines, as they are drawn; the latest few are kept in memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import cv2
import numpy as np
from skimage.measure import find_contours

from common.images.colours import stretch_contrast
from common.masks.instances import Instances
from common.scoring.comparison import compare_masks
from viewer.study import Study

NUM_KEPT = 12  # images in memory

Value = TypeVar("Value")


class Latest(Generic[Value]):
    """Remembers the values of the latest few keys, nowhere but in memory. Thread-safe.

    Args:
        most: how many.
    """

    def __init__(self, most: int = NUM_KEPT) -> None:
        self._most = most
        self._values: OrderedDict[object, Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: object, make: Callable[[], Value]) -> Value:
        """Return the value of a key, made now if it is not remembered."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        self.put(key, value)
        return value

    def put(self, key: object, value: Value) -> None:
        """Remember a value, and forget the oldest one if there are too many."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)

    def peek(self, key: object) -> Value | None:
        """Return the value of a key, if it is remembered."""
        with self._lock:
            return self._values.get(key)


@dataclass(frozen=True, eq=False)
class Scene:
    """An image's objects and their outlines.

    Attributes:
        image_shape: (height, width), pixels.
        true: N true objects; None if they are not known.
        found: predicted objects by submission.
        true_outlines: N outlines, see `find_outline`.
        found_outlines: outlines by submission.
        shared: (M, L) IoU of the objects of two submissions, if there are two.
    """

    image_shape: tuple[int, int]
    true: Instances | None
    found: Mapping[str, Instances]
    true_outlines: Sequence[np.ndarray] = ()
    found_outlines: Mapping[str, Sequence[np.ndarray]] = field(default_factory=dict)
    shared: np.ndarray | None = None

    @classmethod
    def of(cls, image_shape: tuple[int, int], true: Instances | None, found: Mapping[str, Instances]) -> "Scene":
        """Find the outlines of an image's objects."""
        sides = list(found.values())
        shared = compare_masks(sides[0], sides[1]).ious if len(sides) == 2 else None
        outlines = {name: find_outlines(objects) for name, objects in found.items()}
        return cls(image_shape, true, found, find_outlines(true) if true else (), outlines, shared)


class Scenes:
    """The images of a study, read when they are first shown.

    Args:
        study: what is shown.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._scenes: Latest[Scene] = Latest()
        self._files: Latest[bytes] = Latest()

    def scene(self, index: int) -> Scene:
        """Return an image's objects.

        Raises:
            InputError: they cannot be read.
        """
        return self._scenes.get(index, lambda: self._load(index))

    def png(self, index: int, *, stretched: bool) -> bytes:
        """Return an image as a PNG file, with its contrast stretched or as it is.

        Raises:
            InputError: it cannot be read.
        """
        return self._files.get(
            (index, stretched), lambda: encode_fast(self._study.images.load_image(index), stretched=stretched)
        )

    def _load(self, index: int) -> Scene:
        study = self._study
        truth = study.load_truth(index)
        found = {name: study.load_found(index, name) for name in study.submissions}
        return Scene.of(study.images.shape(index), truth[0] if truth else None, found)


def encode_fast(image: np.ndarray, *, stretched: bool) -> bytes:
    """Encode an image, (H, W, 3) uint8, as a PNG file: quickly rather than small, for the way to the next window."""
    image = stretch_contrast(image) if stretched else image
    return cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def find_outlines(instances: Instances) -> list[np.ndarray]:
    """Return the outline of each object, see `find_outline`."""
    corners = instances.boxes[:, :2].tolist()
    return [find_outline(mask, top, left) for mask, (top, left) in zip(instances.masks, corners, strict=True)]


def find_outline(mask: np.ndarray, top: int, left: int) -> np.ndarray:
    """Return an object's outline along the edges of its pixels.

    Args:
        mask: (h, w) bool.
        top: its first row in the image.
        left: its first column.

    Returns:
        (K, 2) float32, x and y; closed, its parts separated by NaN.

    Example:
        >>> find_outline(np.ones((1, 2), bool), 3, 5).tolist()
        [[5.0, 3.0], [7.0, 3.0], [7.0, 4.0], [5.0, 4.0], [5.0, 3.0]]
    """
    height, width = mask.shape
    if mask.all():  # boxes
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height], [0, 0]], np.float32)
        return corners + np.array([left, top], np.float32)
    gap = np.full((1, 2), np.nan)
    parts = [part for contour in find_contours(np.pad(mask, 1), 0.5) for part in (contour - 0.5, gap)]
    return (np.concatenate(parts[:-1])[:, ::-1] + [left, top]).astype(np.float32)
