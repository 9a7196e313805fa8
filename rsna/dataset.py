"""Chest radiographs with their boxes, one image per patient, in the size that the network sees."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.batches.sampler import size_balanced_indices
from common.errors import InputError
from common.images.image_set import ImageSet, Source
from common.images.mask_files import MaskFiles, open_mask_files
from common.images.usable import Reader, read_in_threads, refuse_or_report
from common.masks.boxes import clip_boxes
from common.masks.instances import Instances
from common.masks.layers import pack_layers
from common.prediction.detections import shrink_image, shrunken_shape
from common.storage.trees import open_tree
from rsna.files import CLASS_INFO, LABELS, TEST, TRAIN, find_beside, find_dicoms, find_images, match_labels
from rsna.labels import read_classes, read_labels

WITHOUT, WITH = "without boxes", "with boxes"  # classes of patients without detailed class info


@dataclass(frozen=True, eq=False)
class Radiographs(Source):
    """M patients, one image each, with their boxes as objects.

    Attributes:
        stored: the images as stored.
        boxes: (K, 4) float64 for each patient, y1, x1, y2, x2, pixels of the stored image; none in a test set.
        classes: name of each patient's class.
        side: images whose shorter side is longer are shrunk to it, pixels; None keeps the stored size.
    """

    stored: MaskFiles
    boxes: Sequence[np.ndarray]
    classes: Sequence[str]
    side: int | None = None

    @property
    def path(self) -> Path:
        """The folder or archive."""
        return self.stored.path

    @property
    def stored_sizes(self) -> np.ndarray:
        """(M, 2) int, height and width of the stored images."""
        return self.stored.index.sizes

    @property
    def positive(self) -> np.ndarray:
        """(M,) bool, patients with boxes."""
        return np.array([len(boxes) > 0 for boxes in self.boxes], bool)

    def stored_shape(self, row: int) -> tuple[int, int]:
        """Return (height, width) of a stored image, pixels."""
        height, width = self.stored_sizes[row].tolist()
        return height, width

    def image_name(self, row: int) -> str:
        """Return the name of an image's file in the tree."""
        return self.stored.image_name(row)

    def signature(self, rows: np.ndarray) -> str:
        """Return a text that changes when the files or the size of these images changes."""
        return f"{self.stored.signature(rows)} {self.side}"

    def fingerprint(self, row: int) -> str:
        """Return the fingerprint of an image's file."""
        return self.stored.fingerprint(row)

    def load_image(self, row: int) -> np.ndarray:
        """Return an image, (H, W, 3) uint8."""
        return self.loader(row)()

    def loader(self, row: int) -> Callable[[], np.ndarray]:
        """Return what loads an image in another process."""
        return functools.partial(_load_shrunken, self.stored.loader(row), self.side)

    def load_instances(self, row: int) -> Instances:
        """Return the boxes of the shrunken image, filled."""
        shape = self.shape(row)
        # As in the known runs, a rectangle ends on the pixel `x + width`.
        return filled_boxes(scale_boxes(self.boxes[row] + [0, 0, 1, 1], self.stored_shape(row), shape), shape)

    def load_label_layers(self, row: int) -> list[np.ndarray]:
        """Return the filled boxes of an image as label images, as few as their overlaps allow."""
        return pack_layers(self.load_instances(row), self.shape(row))

    def load_class_ids(self, row: int) -> np.ndarray:
        """Return the classes of an image's boxes, (K,) int32, all 1."""
        return np.ones(len(self.boxes[row]), np.int32)

    def shape(self, row: int) -> tuple[int, int]:
        """Return (height, width) of an image, shrunken if it is, pixels."""
        shape = self.stored_shape(row)
        return shape if self.side is None else shrunken_shape(shape, self.side)


def load_labelled(
    dataset: Path,
    *,
    part: Sequence[str] = TRAIN,
    labels: Path | None = None,
    skip_bad: bool = False,
    side: int | None = None,
    reader: Reader = read_in_threads,
) -> ImageSet[Radiographs]:
    """Open the labelled patients, sorted by id.

    Args:
        dataset: a folder with Kaggle's files, their archives or the parts `train`, `val` and `test`; or one of these.
        part: possible names of the part's folder.
        labels: CSV of the labels; by default beside the images, or beside their folder or archive.
        skip_bad: report patients without a usable image or labels, and leave them out.
        side: see `Radiographs`.
        reader: reads the images.

    Raises:
        InputError: no such files, labels and images of different patients, or an unusable file.
    """
    folder = find_images(dataset, part)
    labels_path = labels or find_beside(folder, LABELS)
    if labels_path is None:
        raise InputError(f"{folder}: no {LABELS[0]} in or beside it; add it")
    known = read_labels(labels_path)
    class_path = find_beside(folder, CLASS_INFO)
    classes = read_classes(class_path) if class_path else {}
    files = match_labels(find_dicoms(folder, part), known, labels_path, skip_bad=skip_bad)
    stored = open_mask_files(open_tree(folder), files, skip_bad=skip_bad, reader=reader)
    stored = _with_boxes_inside(labels_path, stored, known, skip_bad=skip_bad)
    boxes = [known[file.image_id] for file in files]
    named = [
        classes.get(file.image_id, WITH if len(some) else WITHOUT) for file, some in zip(files, boxes, strict=True)
    ]
    return with_side(_as_radiographs(stored, boxes, named, has_objects=True), side)


def load_unlabelled(
    dataset: Path, *, skip_bad: bool = False, reader: Reader = read_in_threads
) -> ImageSet[Radiographs]:
    """Open the test patients, sorted by id; arguments and errors as for `load_labelled`."""
    folder = find_images(dataset, TEST)
    files = find_dicoms(folder, TEST)
    stored = open_mask_files(open_tree(folder), files, skip_bad=skip_bad, reader=reader)
    return _as_radiographs(stored, [np.zeros((0, 4))] * len(files), [WITHOUT] * len(files), has_objects=False)


def with_side(images: ImageSet[Radiographs], side: int | None) -> ImageSet[Radiographs]:
    """Return the set with images of another size, see `Radiographs`."""
    source = dataclasses.replace(images.source, side=side)
    sizes = np.array([source.shape(row) for row in images.rows.tolist()], int).reshape(-1, 2)
    return dataclasses.replace(images, source=source, sizes=sizes)


def have_boxes(images: ImageSet[Radiographs]) -> np.ndarray:
    """Return which patients of a set have boxes, (N,) bool."""
    return images.source.positive[images.rows]


def true_boxes(images: ImageSet[Radiographs]) -> dict[str, np.ndarray]:
    """Return the boxes of each patient of a set in pixels of the stored image, see `Radiographs`."""
    return {patient: images.source.boxes[row] for patient, row in zip(images.image_ids, images.rows, strict=True)}


def balance(images: ImageSet[Radiographs], negatives: str, limit: int | None = None) -> ImageSet[Radiographs]:
    """Return the set to train on.

    Args:
        images: N patients.
        negatives: how to use patients without boxes, see `RSNAConfig.negatives`.
        limit: keeps only the first patients.

    Raises:
        InputError: no patient is left.
    """
    positive = have_boxes(images)
    chosen = np.flatnonzero(positive | (negatives != "none"))[:limit]
    if not len(chosen):
        raise InputError(f"--negatives {negatives}: none of the {len(images)} patients has a box; choose all")
    if negatives == "even":
        chosen = chosen[size_balanced_indices(positive[chosen])]
    return images.select(chosen)


def filled_boxes(boxes: np.ndarray, image_shape: tuple[int, int], scores: np.ndarray | None = None) -> Instances:
    """Return boxes as filled rectangles of whole pixels, clipped to the image, at least one pixel wide and high.

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


def scale_boxes(boxes: np.ndarray, shape: tuple[int, int], other_shape: tuple[int, int]) -> np.ndarray:
    """Scale boxes (N, 4) from one shape of an image, (height, width), to another."""
    return boxes * np.tile(np.array(other_shape) / shape, 2)


def _as_radiographs(
    stored: ImageSet[MaskFiles], boxes: Sequence[np.ndarray], classes: Sequence[str], *, has_objects: bool
) -> ImageSet[Radiographs]:
    """Return stored images with the boxes and classes of all files of their source."""
    source = Radiographs(stored.source, boxes, classes)
    return ImageSet(source, stored.image_ids, stored.sizes, stored.rows, has_objects, stored.left_out)


def _with_boxes_inside(
    labels_path: Path, images: ImageSet[MaskFiles], labels: dict[str, np.ndarray], *, skip_bad: bool
) -> ImageSet[MaskFiles]:
    """Refuse patients with a box that leaves the image by more than a pixel, or report them and leave them out."""
    problems = []
    for index, patient in enumerate(images.image_ids):
        height, width = images.shape(index)
        leaving = np.abs(labels[patient] - clip_boxes(labels[patient], (height, width))).max(axis=1, initial=0) > 1
        outside = [f"{x1:g},{y1:g},{x2 - x1:g},{y2 - y1:g}" for y1, x1, y2, x2 in labels[patient][leaving].tolist()]
        problem = f"the box {outside[0]} leaves the image of {height} x {width} pixels; correct it" if outside else ""
        problems.append(problem and f"{labels_path}: {patient}: {problem}")
    refuse_or_report(problems, str(labels_path), skip_bad=skip_bad)
    bad = [patient for patient, problem in zip(images.image_ids, problems, strict=True) if problem]
    kept = images.select([not problem for problem in problems])
    return dataclasses.replace(kept, left_out=(*images.left_out, *bad))


def _load_shrunken(load: Callable[[], np.ndarray], side: int | None) -> np.ndarray:
    image = load()
    return image if side is None else shrink_image(image, side)
