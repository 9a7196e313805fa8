"""Labels in makesense.ai's COCO-like export, read leniently: what is unusable is reported and left out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.errors import InputError
from common.log import logger

LARGEST_NUMBER = 1e9  # of a coordinate; NaN is not below it either


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

    Reported and left out: images without annotations, which may not have been annotated yet; duplicate ids; incomplete
    images, annotations and polygons. Crowds are left out silently.

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
    for annotation in parts["annotations"]:
        _add_lesion(annotation, images, class_ids, name)
    bare = [image.file_name for image in images.values() if not image.lesions]
    if bare:
        logger.info(f"{name}: left out {len(bare)} images without annotations, such as {bare[0]}")
    labelled = [image for image in images.values() if image.lesions]
    if not labelled:
        raise InputError(f"{name}: none of its {len(parts['images'])} images has annotations; draw some")
    return labelled


def _read_categories(categories: Sequence[Any], name: str, class_names: Sequence[str]) -> dict[Any, int]:
    """Return the class id of each category id."""
    class_ids = {}
    for category in categories:
        values = category if isinstance(category, dict) else {}
        if not isinstance(values.get("id"), int) or values["id"] < 1:
            raise InputError(f"{name}: category {category}: ids are integers from 1, as 0 is background; renumber it")
        if values.get("name") not in class_names:
            raise InputError(
                f"{name}: category {values.get('name')!r} is none of {', '.join(class_names)}; check --class-names"
            )
        class_ids[values["id"]] = list(class_names).index(values["name"]) + 1
    return class_ids


def _read_images(images: Sequence[Any], name: str) -> dict[Any, LabelledImage]:
    """Return the usable images by their ids, without lesions."""
    by_id: dict[Any, LabelledImage] = {}
    listed = set()
    for image in images:
        problem = _find_problem(image, {"id": (int, str), "file_name": str, "width": int, "height": int})
        if not problem and image["id"] in by_id:
            problem = f"id {image['id']} belongs to {by_id[image['id']].file_name}"
        if not problem and image["file_name"] in listed:
            problem = "listed before"
        if problem:
            logger.info(f"{name}: left out image {_name_of(image, 'file_name')}: {problem}")
        else:
            listed.add(image["file_name"])
            by_id[image["id"]] = LabelledImage(image["file_name"], (image["height"], image["width"]))
    return by_id


def _add_lesion(
    annotation: Any,
    images: Mapping[Any, LabelledImage],
    class_ids: Mapping[Any, int],
    name: str,
) -> None:
    """Add an annotation to its image, or report why not."""
    kinds = {"image_id": (int, str), "category_id": (int, str), "segmentation": list}
    problem, polygons = _find_problem(annotation, kinds), []
    if not problem and annotation.get("iscrowd"):
        return
    if not problem:
        polygons = [polygon for polygon in map(_read_polygon, annotation["segmentation"]) if polygon is not None]
        if len(polygons) < len(annotation["segmentation"]) or not polygons:
            problem = "a polygon is not a list of at least three x, y pairs"
        elif annotation["image_id"] not in images:
            problem = f"unknown image_id {annotation['image_id']}"
        elif annotation["category_id"] not in class_ids:
            problem = f"unknown category_id {annotation['category_id']}"
    if problem:
        logger.info(f"{name}: left out annotation {_name_of(annotation, 'id')}: {problem}")
    else:
        lesion = Lesion(class_ids[annotation["category_id"]], polygons)
        images[annotation["image_id"]].lesions.append(lesion)


def _find_problem(values: Any, kinds: Mapping[str, Any]) -> str:
    """Return why a JSON object is unusable: a missing key, or a value of the wrong type; '' if it is usable."""
    if not isinstance(values, dict):
        return "not a JSON object"
    for key, kind in kinds.items():
        if key not in values:
            return f"{key} is missing"
        if not isinstance(values[key], kind):
            return f"{key} is {values[key]!r}"
    return ""


def _read_polygon(numbers: Any) -> np.ndarray | None:
    """Return the corners (K, 2) float64, y and x, of a flat list of x and y, or None if it is malformed."""
    if not isinstance(numbers, list) or len(numbers) < 6 or len(numbers) % 2:
        return None
    if not all(isinstance(number, int | float) and abs(number) < LARGEST_NUMBER for number in numbers):
        return None
    return np.array(numbers, np.float64).reshape(-1, 2)[:, ::-1]


def _name_of(values: Any, key: str) -> str:
    return str(values.get(key, "without a name")) if isinstance(values, dict) else repr(values)[:60]
