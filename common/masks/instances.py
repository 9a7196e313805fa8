"""Exchange types: `Instances`, objects as crops; `SoftInstances`, with probabilities; `Sample`, with their image."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from common.masks.boxes import label_boxes


def as_indices(indices: np.ndarray | Sequence[int]) -> np.ndarray:
    """Return indices, (K,) int, or a mask, (N,) bool, as indices, (K,) int64.

    Example:
        >>> as_indices([2, 0]).tolist(), as_indices(np.array([True, False, True])).tolist()
        ([2, 0], [0, 2])
    """
    indices = np.asarray(indices)
    return np.flatnonzero(indices) if indices.dtype == bool else indices.astype(np.int64)


@dataclass(frozen=True, eq=False)
class Instances:
    """The objects of one image; every field has N entries, and N = 0 is an ordinary value.

    An object without pixels has the box (0, 0, 0, 0) and a crop of shape (0, 0). The class methods check that the
    fields agree; the constructor trusts them. No array is modified afterwards.

    Attributes:
        boxes: (N, 4) int32, y1, x1, y2, x2, pixels, half-open.
        masks: N bool crops, each the size of its box.
        class_ids: (N,) int32, 1-based.
        scores: (N,) float32 in [0, 1].
        known_areas: `areas`, if already counted.
    """

    boxes: np.ndarray
    masks: Sequence[np.ndarray]
    class_ids: np.ndarray
    scores: np.ndarray
    known_areas: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.masks)

    @cached_property
    def areas(self) -> np.ndarray:
        """(N,) int64, pixels in each mask."""
        if self.known_areas is not None:
            return self.known_areas
        return np.fromiter(map(np.count_nonzero, self.masks), dtype=np.int64, count=len(self))

    def select(self, indices: np.ndarray | Sequence[int]) -> "Instances":
        """Return the objects at `indices`, (K,) int or (N,) bool, in that order."""
        order = as_indices(indices)
        masks = [self.masks[i] for i in order.tolist()]
        return Instances(self.boxes[order], masks, self.class_ids[order], self.scores[order])

    @classmethod
    def empty(cls) -> "Instances":
        """Return no objects."""
        return cls.from_crops(np.zeros((0, 4)), [])

    @classmethod
    def from_crops(
        cls,
        boxes: np.ndarray,
        masks: Sequence[np.ndarray],
        class_ids: Sequence[int] | np.ndarray | None = None,
        scores: Sequence[float] | np.ndarray | None = None,
    ) -> "Instances":
        """Build from boxes (N, 4) and bool crops of the same sizes.

        Class ids default to 1, scores to 1.0.

        Raises:
            ValueError: the fields differ in N, or a crop and its box in size.
        """
        count = len(masks)
        instances = cls(
            np.asarray(boxes, dtype=np.int32).reshape(-1, 4),
            [np.asarray(mask, dtype=bool) for mask in masks],
            np.ones(count, np.int32) if class_ids is None else np.asarray(class_ids, dtype=np.int32),
            np.ones(count, np.float32) if scores is None else np.asarray(scores, dtype=np.float32),
        )
        _check_fields(instances)
        return instances

    @classmethod
    def from_masks(
        cls,
        masks: np.ndarray,
        class_ids: Sequence[int] | np.ndarray | None = None,
        scores: Sequence[float] | np.ndarray | None = None,
    ) -> "Instances":
        """Build from full-size masks, cropping each to its smallest box.

        Args:
            masks: (N, H, W) bool.
            class_ids: (N,) int, 1-based; 1 by default.
            scores: (N,) float; 1.0 by default.

        Example:
            >>> Instances.from_masks(np.eye(3, dtype=bool)[None]).boxes.tolist()
            [[0, 0, 3, 3]]
        """
        masks = np.asarray(masks, dtype=bool)
        boxes = [_tight_box(mask) for mask in masks]
        crops = [mask[y1:y2, x1:x2].copy() for mask, (y1, x1, y2, x2) in zip(masks, boxes, strict=True)]
        return cls.from_crops(np.array(boxes), crops, class_ids, scores)

    def to_masks(self, image_shape: tuple[int, int]) -> np.ndarray:
        """Return full-size masks, (N, H, W) bool. For tests and small images: memory is N x H x W."""
        masks = np.zeros((len(self), *image_shape), dtype=bool)
        for mask, (y1, x1, y2, x2), crop in zip(masks, self.boxes.tolist(), self.masks, strict=True):
            mask[y1:y2, x1:x2] = crop
        return masks

    @classmethod
    def from_label_image(
        cls,
        label_image: np.ndarray,
        class_ids: Sequence[int] | np.ndarray | None = None,
        scores: Sequence[float] | np.ndarray | None = None,
    ) -> "Instances":
        """Build from a label image, (H, W) int, 0 = background: one object per label, ascending.

        Example:
            >>> len(Instances.from_label_image(np.array([[0, 2], [7, 7]])))
            2
        """
        labels, boxes = label_boxes(label_image)
        corners = zip(labels.tolist(), boxes.tolist(), strict=True)
        crops = [label_image[y1:y2, x1:x2] == label for label, (y1, x1, y2, x2) in corners]
        return cls.from_crops(boxes, crops, class_ids, scores)

    def labelled(self, class_ids: np.ndarray, scores: np.ndarray) -> "Instances":
        """Return the same objects with other class ids, (N,) int32, and scores, (N,) float32."""
        return replace(self, class_ids=class_ids, scores=scores)

    def transpose(self) -> "Instances":
        """Return the objects of the transposed image.

        Example:
            >>> Instances.from_masks(np.array([[[0, 1, 1]]])).transpose().boxes.tolist()
            [[1, 0, 3, 1]]
        """
        masks = [np.ascontiguousarray(mask.T) for mask in self.masks]
        return Instances(self.boxes[:, [1, 0, 3, 2]], masks, self.class_ids, self.scores)

    def to_label_image(self, image_shape: tuple[int, int]) -> np.ndarray:
        """Return an (H, W) int32 label image: object i has label i + 1; the earlier keeps a contested pixel."""
        label_image = np.zeros(image_shape, dtype=np.int32)
        boxes = self.boxes.tolist()
        for i in reversed(range(len(self))):
            y1, x1, y2, x2 = boxes[i]
            label_image[y1:y2, x1:x2][self.masks[i]] = i + 1
        return label_image


@dataclass(frozen=True, eq=False)
class SoftInstances:
    """The objects of one image, of one class, with a probability per pixel.

    Attributes:
        boxes: (N, 4) int, y1, x1, y2, x2, pixels, half-open; not tight.
        probs: N float32 crops in [0, 1], each the size of its box.
        scores: (N,) float32 in [0, 1].
    """

    boxes: np.ndarray
    probs: Sequence[np.ndarray]
    scores: np.ndarray

    def cut(self, threshold: float) -> Instances:
        """Return the objects' pixels of at least this probability, in the same boxes."""
        return Instances.from_crops(self.boxes, [probs >= threshold for probs in self.probs], scores=self.scores)

    def select(self, indices: np.ndarray) -> "SoftInstances":
        """Return the objects at `indices`, (K,) int, in that order."""
        return SoftInstances(self.boxes[indices], [self.probs[i] for i in indices.tolist()], self.scores[indices])


@dataclass(frozen=True, eq=False)
class Sample:
    """An image with its objects.

    Attributes:
        image_id: the competition's name for the image.
        image: (H, W, 3) uint8, RGB.
        instances: the objects.
    """

    image_id: str
    image: np.ndarray
    instances: Instances


def _check_fields(instances: Instances) -> None:
    boxes, count = instances.boxes, len(instances.masks)
    if not len(boxes) == len(instances.class_ids) == len(instances.scores) == count:
        raise ValueError(
            f"boxes {boxes.shape}, masks {count}, class_ids {instances.class_ids.shape} and scores "
            f"{instances.scores.shape} must share one N"
        )
    for mask, box in zip(instances.masks, boxes.tolist(), strict=True):
        if mask.shape != (box[2] - box[0], box[3] - box[1]):
            raise ValueError(f"mask crop {mask.shape} does not have the size of its box {box}")


def _tight_box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Return the smallest half-open box around the set pixels of an (H, W) mask; zeros if there are none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 0, 0, 0, 0
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
