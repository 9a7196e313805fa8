"""Chest radiographs with their boxes, an image a patient, in the size that the network sees."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from common.batches.sampler import size_balanced_indices
from common.errors import InputError
from common.files import open_tree
from common.images.image_set import ImageSet, open_image_set
from common.masks.boxes import box_areas, clip_boxes
from common.masks.instances import Instances, as_indices
from common.masks.layers import pack_layers
from rsna.files import CLASS_INFO, LABELS, TEST, TRAIN, find_beside, find_dicoms, find_images, match_labels
from rsna.labels import read_classes, read_labels

WITHOUT, WITH = "without boxes", "with boxes"  # the classes of patients where nobody says more


@dataclass(frozen=True, eq=False)
class RadiographSet:
    """N patients, an image each. May be pickled and used from any thread or process.

    Attributes:
        images: as they are stored.
        boxes: (K, 4) float64 of each patient, y1, x1, y2, x2, pixels of the stored image; no patient has any in a
            test set.
        classes: of each patient, a name.
        side: the images are handed out with a shorter side of so many pixels, where theirs is longer; None: as they
            are.
    """

    images: ImageSet
    boxes: Sequence[np.ndarray]
    classes: Sequence[str]
    side: int | None = None

    def __len__(self) -> int:
        """Return the number of patients."""
        return len(self.images)

    @property
    def image_ids(self) -> Sequence[str]:
        """The patients' ids."""
        return self.images.image_ids

    @property
    def image_names(self) -> Sequence[str]:
        """The images' names in the tree."""
        return self.images.image_names

    @property
    def stored_sizes(self) -> np.ndarray:
        """(N, 2) int, height and width of the stored images."""
        return self.images.sizes

    @cached_property
    def sizes(self) -> np.ndarray:
        """(N, 2) int, height and width of the images as they are handed out."""
        return shrunken_sizes(self.stored_sizes, self.side)

    @property
    def positive(self) -> np.ndarray:
        """(N,) bool, patients with boxes."""
        return np.array([len(boxes) > 0 for boxes in self.boxes], bool)

    def signature(self) -> str:
        """Return a text that changes when the files or the size of the images change."""
        return f"{self.images.signature()} {self.side}"

    def load_image(self, index: int) -> np.ndarray:
        """Return an image, (H, W, 3) uint8."""
        return shrink_image(self.images.load_image(index), self.side)

    def load_instances(self, index: int) -> Instances:
        """Return the boxes of an image as it is handed out, filled."""
        scale = self.sizes[index] / self.stored_sizes[index]
        # As the known runs drew them: a rectangle that ends on the pixel `x + width`.
        boxes = (self.boxes[index] + [0, 0, 1, 1]) * np.tile(scale, 2)
        return filled_boxes(boxes, tuple(self.sizes[index].tolist()))

    def load_label_layers(self, index: int) -> list[np.ndarray]:
        """Return the filled boxes of an image as label images, in as few as their overlaps need."""
        return pack_layers(self.load_instances(index), tuple(self.sizes[index].tolist()))

    def load_class_ids(self, index: int) -> np.ndarray:
        """Return the classes of an image's boxes, (K,) int32, all 1."""
        return np.ones(len(self.boxes[index]), np.int32)

    def select(self, indices: Sequence[int] | np.ndarray) -> "RadiographSet":
        """Return the set of the patients at `indices`, (K,) int, where one may stand twice, or (N,) bool."""
        order = as_indices(indices)
        boxes, classes = ([values[i] for i in order] for values in (self.boxes, self.classes))
        return replace(self, images=self.images.select(order), boxes=boxes, classes=classes)

    def balance(self, negatives: str, limit: int | None = None) -> "RadiographSet":
        """Return the set that is trained on.

        Args:
            negatives: what becomes of patients without boxes, see `RSNAConfig.negatives`.
            limit: keeps the first patients of those that would be trained on.

        Raises:
            InputError: nobody is left.
        """
        chosen = np.flatnonzero(self.positive | (negatives != "none"))[:limit]
        if not len(chosen):
            raise InputError(f"--negatives {negatives}: none of the {len(self)} patients has a box; choose all")
        if negatives == "even":
            chosen = chosen[size_balanced_indices(self.positive[chosen])]
        return self.select(chosen)


def load_labelled(
    dataset: Path, *, skip_bad: bool = False, side: int | None = None, report: Callable[[str], object] = print
) -> RadiographSet:
    """Open the patients whose boxes are known, sorted by id.

    Args:
        dataset: a folder with Kaggle's files, their archives or the parts `train`, `val` and `test`; or one of these.
            The labels lie beside the images, or beside their folder or archive.
        skip_bad: report patients without a usable image or without labels, and leave them out.
        side: see `RadiographSet`.
        report: takes a line for the user.

    Raises:
        InputError: no such files, labels and images of different patients, or an unusable file.
    """
    images = find_images(dataset, TRAIN)
    labels_path = find_beside(images, LABELS)
    if labels_path is None:
        raise InputError(f"{images}: no {LABELS[0]} there or beside it; put it there")
    labels = read_labels(labels_path)
    class_path = find_beside(images, CLASS_INFO)
    classes = read_classes(class_path) if class_path else {}
    found = find_dicoms(images, TRAIN)
    files = match_labels(found, labels, labels_path, skip_bad=skip_bad, report=report)
    image_set = open_image_set(open_tree(images), files, skip_bad=skip_bad, report=report)
    boxes = [labels[patient] for patient in image_set.image_ids]
    _check_boxes(labels_path, image_set, boxes)
    named = [
        classes.get(patient, WITH if len(some) else WITHOUT)
        for patient, some in zip(image_set.image_ids, boxes, strict=True)
    ]
    return RadiographSet(image_set, boxes, named, side)


def load_unlabelled(dataset: Path, *, skip_bad: bool = False, report: Callable[[str], object] = print) -> RadiographSet:
    """Open the test part's patients, sorted by id; arguments and errors as of `load_labelled`."""
    images = find_images(dataset, TEST)
    image_set = open_image_set(open_tree(images), find_dicoms(images, TEST), skip_bad=skip_bad, report=report)
    count = len(image_set)
    return RadiographSet(image_set, [np.zeros((0, 4))] * count, [WITHOUT] * count)


def filled_boxes(boxes: np.ndarray, image_shape: tuple[int, int], scores: np.ndarray | None = None) -> Instances:
    """Return boxes as filled rectangles of whole pixels, cut at the border, a pixel wide and high at least.

    Args:
        boxes: (N, 4) float, y1, x1, y2, x2, pixels; they touch the image.
        image_shape: (height, width), pixels.
        scores: (N,) float in [0, 1]; 1.0 by default.

    Example:
        >>> filled_boxes(np.array([[-3, 1.6, 2.4, 5]]), (4, 4)).boxes.tolist()
        [[0, 2, 2, 4]]
    """
    whole = clip_boxes(np.rint(boxes).astype(np.int32), image_shape)
    whole[:, :2] = np.minimum(whole[:, :2], np.array(image_shape) - 1)
    whole[:, 2:] = np.maximum(whole[:, 2:], whole[:, :2] + 1)
    masks = [np.ones((height, width), bool) for height, width in (whole[:, 2:] - whole[:, :2]).tolist()]
    return Instances.from_crops(whole, masks, scores=scores)


def shrink_image(image: np.ndarray, side: int | None) -> np.ndarray:
    """Shrink an image (H, W, 3) uint8 to a shorter side, pixels; each pixel is the mean of what it covers."""
    height, width = shrunken_sizes(np.array([image.shape[:2]]), side)[0].tolist()
    same = (height, width) == image.shape[:2]
    return image if same else cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def shrunken_sizes(sizes: np.ndarray, side: int | None) -> np.ndarray:
    """Return what images of (N, 2) int, height and width, are shrunk to; shorter ones, and all for None, stay."""
    if side is None or not len(sizes):
        return sizes
    return np.rint(sizes * np.minimum(1, side / sizes.min(axis=1, keepdims=True))).astype(int)


def _check_boxes(labels_path: Path, images: ImageSet, boxes: Sequence[np.ndarray]) -> None:
    for patient, size, some in zip(images.image_ids, images.sizes.tolist(), boxes, strict=True):
        if (box_areas(clip_boxes(some, (size[0], size[1]))) <= 0).any():
            raise InputError(f"{labels_path}: {patient}: a box lies outside of the image of {size[0]} x {size[1]}")
