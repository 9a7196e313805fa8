"""Labels in makesense.ai's COCO-like export, read leniently: what is unusable is reported and left out."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.annotations.outlines import Outline, polygon_outline, report_outlines
from common.annotations.values import read_flag, read_id, read_polygon
from common.errors import InputError
from common.log import logger


@dataclass(frozen=True)
class Lesion:
    """An annotation.

    Attributes:
        class_id: 1-based.
        polygons: its parts, (K, 2) float64 each, y and x of the corners, pixels; their union is the lesion.
    """

    class_id: int
    polygons: Sequence[np.ndarray]


@dataclass(frozen=True)
class LabelledImage:
    """An image, as listed in the labels.

    Attributes:
        file_name: as in the labels.
        image_shape: (height, width), pixels.
        lesions: at least one.
    """

    file_name: str
    image_shape: tuple[int, int]
    lesions: list[Lesion] = field(default_factory=list)


def parse_labels(data: bytes, name: str, class_names: Sequence[str]) -> list[LabelledImage]:
    """Parse the images with annotations.

    Reported and left out: images without annotations, which may not have been annotated yet; images that share an id or
    a file; incomplete images, annotations and polygons; crowds. Outlines that cannot be meant are told.

    Args:
        data: the file's content.
        name: of the file, for messages.
        class_names: of the categories, in order of class id.

    Raises:
        InputError: not such a file, a category with an id below 1 or another name, or no image is left.
    """
    try:
        root = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: not JSON: {error}; export the labels again") from None
    parts = root if isinstance(root, dict) else {}
    missing = [key for key in ("images", "annotations", "categories") if not isinstance(parts.get(key), list)]
    if missing:
        raise InputError(f"{name}: has no list of {missing[0]}; export the labels in COCO format")
    class_ids = _read_categories(parts["categories"], name, class_names)
    images = _read_images(parts["images"], name)
    num_crowds = sum(_add_lesion(annotation, images, class_ids, name) for annotation in parts["annotations"])
    if num_crowds:
        logger.info(f"{name}: left out {num_crowds} crowds (iscrowd 1), which are not learnt")
    bare = [image.file_name for image in images.values() if not image.lesions]
    if bare:
        logger.info(f"{name}: left out {len(bare)} images without annotations, such as {bare[0]}")
    labelled = [image for image in images.values() if image.lesions]
    if not labelled:
        why = f"only {num_crowds} crowds" if num_crowds else "no usable annotation"
        raise InputError(f"{name}: its {len(parts['images'])} images have {why}; draw some, with iscrowd 0")
    report_outlines((outline for image in labelled for outline in _outlines(image)), name)
    return labelled


def _outlines(image: LabelledImage) -> Iterator[Outline]:
    for number, lesion in enumerate(image.lesions, start=1):
        where = f"lesion {number} of {image.file_name}"
        yield polygon_outline(where, lesion.polygons, image.image_shape, (image.file_name, lesion.class_id))


def _read_categories(categories: Sequence[Any], name: str, class_names: Sequence[str]) -> dict[Any, int]:
    """Return the class id of each category, by `read_id`."""
    class_ids = {}
    for category in categories:
        values = category if isinstance(category, dict) else {}
        try:
            category_id = read_id(values.get("id"))
        except ValueError:
            category_id = 0
        if not isinstance(category_id, int) or category_id < 1:
            raise InputError(f"{name}: category {category}: ids are integers from 1, as 0 is background; renumber it")
        if values.get("name") not in class_names:
            raise InputError(
                f"{name}: category {values.get('name')!r} is none of {', '.join(class_names)}; check --class-names"
            )
        if category_id in class_ids:
            raise InputError(f"{name}: two categories have the id {category_id}; renumber one")
        class_ids[category_id] = list(class_names).index(values["name"]) + 1
    return class_ids


def _read_images(images: Sequence[Any], name: str) -> dict[Any, LabelledImage]:
    """Return the usable images, without lesions, by `read_id`."""
    read: list[tuple[Any, LabelledImage]] = []
    for image in images:
        try:
            read.append((read_id(_value(image, "id")), _read_image(image)))
        except ValueError as error:
            logger.info(f"{name}: left out image {_name_of(image, 'file_name')}: {error}")
    ids = Counter(image_id for image_id, _ in read)
    files = Counter(image.file_name for _, image in read)
    for image_id, image in read:
        if ids[image_id] > 1:
            others = [other.file_name for own, other in read if own == image_id and other is not image]
            logger.info(f"{name}: left out image {image.file_name}: {others[0]} has the same id, {image_id}")
        elif files[image.file_name] > 1:
            logger.info(f"{name}: left out image {image.file_name}: it is listed {files[image.file_name]} times")
    return {image_id: image for image_id, image in read if ids[image_id] == files[image.file_name] == 1}


def _read_image(values: Any) -> LabelledImage:
    """Return an image without lesions.

    Raises:
        ValueError: a value is missing or unusable.
    """
    file_name = _value(values, "file_name")
    height, width = (_value(values, side) for side in ("height", "width"))
    for key, value, usable in (
        ("file_name", file_name, isinstance(file_name, str)),
        *((key, side, _is_whole(side)) for key, side in (("height", height), ("width", width))),
    ):
        if not usable:
            raise ValueError(f"{key} is {value!r}")
    return LabelledImage(file_name, (int(height), int(width)))


def _add_lesion(annotation: Any, images: Mapping[Any, LabelledImage], class_ids: Mapping[Any, int], name: str) -> bool:
    """Add an annotation to its image, or report why not; return whether it is a crowd, which is not added."""
    try:
        image_id, category_id = (read_id(_value(annotation, key)) for key in ("image_id", "category_id"))
        outline = _value(annotation, "segmentation")
        if read_flag(annotation.get("iscrowd")):
            return True
        if not isinstance(outline, list) or not outline:
            raise ValueError(f"segmentation is {outline!r}, not a list of polygons")
        polygons = [read_polygon(numbers).reshape(-1, 2)[:, ::-1] for numbers in outline]
        if image_id not in images:
            raise ValueError(f"no usable image has the id {image_id}")
        if category_id not in class_ids:
            raise ValueError(f"unknown category_id {category_id}")
    except (ValueError, TypeError) as error:
        logger.info(f"{name}: left out annotation {_name_of(annotation, 'id')}: {error}")
    else:
        images[image_id].lesions.append(Lesion(class_ids[category_id], polygons))
    return False


def _value(values: Any, key: str) -> Any:
    """Return a value of a JSON object.

    Raises:
        ValueError: there is none.
    """
    if not isinstance(values, dict):
        raise ValueError("not a JSON object")
    if key not in values:
        raise ValueError(f"{key} is missing")
    return values[key]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | float) and value >= 1 and float(value).is_integer()


def _name_of(values: Any, key: str) -> str:
    return str(values.get(key, "without a name")) if isinstance(values, dict) else repr(values)[:60]
