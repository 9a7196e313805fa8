"""One pass over an image set: the facts about its images and objects that reports are made of."""

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from common.images.image_set import ImageSet
from common.images.usable import read_usable
from common.masks.instances import Instances
from common.masks.overlaps import shared_pixels

TENTH = 10
LOOK_SIDE = 16  # of the grid whose neighbours a perceptual hash compares
STEP = 3  # 0-255, by which they must differ: in flat parts, compression alone would set bits
OBJECT = np.dtype(
    [
        ("class_id", "i2"),
        ("area", "i4"),
        ("height", "i4"),
        ("width", "i4"),
        ("parts", "i4"),
        ("apart", "f4"),
        ("hole", "f4"),
        ("tail", "f4"),
        ("contact", "i4"),
        ("shared", "f4"),
    ]
)


@dataclass(frozen=True, eq=False)
class Survey:
    """The facts about N images with K objects: a few hundred bytes an image, some 60 an object.

    Attributes:
        images: those that could be read; the others are in its `left_out`.
        by_image: N rows: height, width, red, green, blue (means, 0-255), contrast (standard deviation of the grey
            values), colour (mean difference of the largest and smallest channel), objects, digest (of the pixels).
        by_object: K rows, in order: image and number (row in `images`, and place among its objects), class_id, area,
            height and width of the box in pixels, parts, apart (share of the pixels outside the largest part), hole
            (enclosed pixels over all within the outline), tail (share of the pixels in parts thinner than about a tenth
            of the object), contact (pixels on the image's border), shared (largest IoU with another object of the
            image).
        levels: (256, 3) float64, how often each value occurs in each channel, mean over the images.
        looks: (N, 8) uint64, a perceptual hash of 512 bits, see `look_of`.
    """

    images: ImageSet
    by_image: pd.DataFrame
    by_object: pd.DataFrame
    levels: np.ndarray
    looks: np.ndarray


class _Facts(NamedTuple):
    """The facts about an image."""

    image: tuple[float, ...]
    digest: str
    look: np.ndarray
    objects: np.ndarray


def survey_images(images: ImageSet, *, skip_bad: bool = False) -> Survey:
    """Read each image and its objects once, in threads, a few at a time.

    Args:
        images: at least one; their objects are taken as they are learnt.
        skip_bad: report images that cannot be read, and leave them out.

    Raises:
        InputError: an image cannot be read, without `skip_bad`; none can.
    """
    levels, adding = np.zeros((256, 3)), threading.Lock()

    def examine(index: int) -> _Facts:
        image = images.load_image(index)
        objects = images.load_instances(index) if images.has_objects else Instances.empty()
        counts = np.column_stack([np.bincount(image[..., channel].ravel(), minlength=256) for channel in range(3)])
        with adding:
            levels[...] += counts / (image.size / 3)
        return _facts(image, objects)

    names = images.image_ids.__getitem__
    usable = read_usable(examine, range(len(images)), source=images.path.name, name=names, skip_bad=skip_bad)
    kept = np.array([index for index, _ in usable])
    bad = np.setdiff1d(np.arange(len(images)), kept)
    left_out = (*images.left_out, *(images.image_ids[index] for index in bad.tolist()))
    facts = [one for _, one in usable]
    looks = np.stack([one.look for one in facts])
    return Survey(replace(images.select(kept), left_out=left_out), *_tables(facts), levels / len(facts), looks)


def examine_objects(instances: Instances, image_shape: tuple[int, int]) -> np.ndarray:
    """Return the facts about an image's N objects, (N,) of dtype `OBJECT`; see `Survey.by_object`.

    Example:
        >>> ring = Instances.from_masks(np.array([[[1, 1, 1], [1, 0, 1], [1, 1, 1]]]))
        >>> [examine_objects(ring, (3, 4))[name].item() for name in ("area", "parts", "contact")]
        [8, 1, 7]
    """
    facts = np.zeros(len(instances), OBJECT)
    facts["class_id"], facts["area"] = instances.class_ids, instances.areas
    facts["height"], facts["width"] = (instances.boxes[:, 2:] - instances.boxes[:, :2]).T
    for row, mask, box in zip(facts, instances.masks, instances.boxes.tolist(), strict=True):
        row["parts"], row["apart"] = _parts(mask)
        row["hole"], row["tail"] = _hole_share(mask), _tail_share(mask)
        row["contact"] = _contact(mask, box, image_shape)
    first, second, shared = shared_pixels(instances, instances)
    union = facts["area"][first] + facts["area"][second] - shared
    others = (first != second) & (union > 0)
    np.maximum.at(facts["shared"], first[others], shared[others] / union[others])
    return facts


def look_of(image: np.ndarray) -> np.ndarray:
    """Return a perceptual hash: whether each cell of a coarse grey version is brighter, or darker, than its neighbour.

    Args:
        image: (H, W, 3) uint8, RGB.

    Returns:
        (8,) uint64: 512 bits, of which similar images share nearly all.

    Source: the difference hash of N. Krawetz, 2013, on a grid of 16 by 16, with a least difference.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (LOOK_SIDE + 1, LOOK_SIDE), interpolation=cv2.INTER_AREA).astype(int)
    steps = np.diff(small, axis=1)
    return np.packbits([steps > STEP, steps < -STEP]).view(np.uint64)


def _facts(image: np.ndarray, objects: Instances) -> _Facts:
    height, width = image.shape[:2]
    red, green, blue, _ = cv2.mean(image)
    contrast = float(cv2.meanStdDev(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[1].item())
    colour = float(np.ptp(image, axis=2).mean())
    key = f"{height}x{width}".encode()
    digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=8, key=key).hexdigest()
    numbers = (height, width, red, green, blue, contrast, colour)
    return _Facts(numbers, digest, look_of(image), examine_objects(objects, (height, width)))


def _tables(facts: Sequence[_Facts]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the tables of images and of objects."""
    columns = {"height": int, "width": int} | dict.fromkeys(("red", "green", "blue", "contrast", "colour"), float)
    by_image = pd.DataFrame([one.image for one in facts], columns=list(columns)).astype(columns)
    counts = [len(one.objects) for one in facts]
    by_object = pd.DataFrame(np.concatenate([one.objects for one in facts]))
    by_object.insert(0, "image", np.repeat(np.arange(len(facts)), counts))
    by_object.insert(1, "number", np.concatenate([np.arange(count) for count in counts]))
    return by_image.assign(objects=counts, digest=[one.digest for one in facts]), by_object


def _parts(mask: np.ndarray) -> tuple[int, float]:
    """Return the number of connected parts, and the share of pixels outside the largest."""
    if not mask.any():
        return 0, 0.0
    stats = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)[2]
    areas = stats[1:, cv2.CC_STAT_AREA]  # without the background
    return len(areas), 1 - int(areas.max()) / int(areas.sum())


def _hole_share(mask: np.ndarray) -> float:
    """Return the enclosed pixels over all pixels within the outline."""
    if mask.all():
        return 0.0
    around = np.pad(~mask, 1, constant_values=True).view(np.uint8)
    _, labels = cv2.connectedComponents(around, connectivity=4)
    enclosed = int(np.count_nonzero(~mask)) - int(np.count_nonzero((labels == labels[0, 0])[1:-1, 1:-1]))
    return enclosed / (enclosed + int(np.count_nonzero(mask)))


def _tail_share(mask: np.ndarray) -> float:
    """Return the share of pixels that an opening with a disc of a tenth of the mask's size removes."""
    radius = round(np.sqrt(np.count_nonzero(mask)) / TENTH / 2)
    if radius < 1 or mask.all():
        return 0.0
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    padded = np.pad(mask.view(np.uint8), radius + 1, mode="edge")  # what the image's border cuts is no tail
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, disc)[radius + 1 : -radius - 1, radius + 1 : -radius - 1]
    return 1 - np.count_nonzero(opened) / np.count_nonzero(mask)


def _contact(mask: np.ndarray, box: list[int], image_shape: tuple[int, int]) -> int:
    """Return how many pixels of a mask crop lie on the border of the image."""
    if not mask.size:
        return 0
    on_border = np.zeros(mask.shape, bool)
    on_border[0] |= box[0] == 0
    on_border[-1] |= box[2] == image_shape[0]
    on_border[:, 0] |= box[1] == 0
    on_border[:, -1] |= box[3] == image_shape[1]
    return int(np.count_nonzero(mask & on_border))
