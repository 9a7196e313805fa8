"""COCO's annotation files: images, categories and segmented objects in JSON."""

import json
from dataclasses import dataclass
from typing import Any

from coco.segmentation import RunLengths, Segmentation, read_segmentation
from common.errors import InputError


@dataclass(frozen=True, slots=True)
class Annotation:
    """One object, or one crowd.

    Attributes:
        annotation_id: as in the file.
        image_id: as in the file.
        category_id: as in the file.
        crowd: whether it is a region of many objects.
        segmentation: its outline.
        problem: what is wrong with it, if anything; the other fields are then unreliable.
    """

    annotation_id: Any
    image_id: Any
    category_id: Any
    crowd: bool
    segmentation: Segmentation
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """An image, as listed in the file.

    Attributes:
        image_id: as in the file.
        file_name: within the subset's folder.
        image_shape: (height, width), pixels.
        annotations: its objects and crowds.
    """

    image_id: Any
    file_name: str
    image_shape: tuple[int, int]
    annotations: list[Annotation]


@dataclass(frozen=True, eq=False)
class InstancesFile:
    """The content of an annotation file.

    Attributes:
        name: of the file, for messages.
        categories: names by id, ascending, with gaps.
        images: with their objects, in the file's order.
    """

    name: str
    categories: dict[Any, str]
    images: list[Listed]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes 1, 2, ...: the categories without gaps in their ids."""
        return tuple(self.categories.values())


def parse_instances(data: bytes, name: str) -> InstancesFile:
    """Parse an annotation file of COCO's type "instances".

    Args:
        data: the file's content. Annotations become arrays during parsing, which bounds memory to a few times its size.
        name: of the file, for messages.

    Raises:
        InputError: not such a file; a duplicate id of an image, category or annotation; image ids of mixed types; an
            annotation of an unlisted image. What is wrong with an annotation's own values is kept as its `problem`.
    """
    try:
        values = json.loads(data, object_hook=_compact)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: not JSON: {error}; download it again") from None
    parts = values if isinstance(values, dict) else {}
    if any(not isinstance(parts.get(part), list) for part in ("images", "annotations", "categories")):
        raise InputError(f"{name}: images, annotations or categories missing; give one of COCO's instances_*.json")
    categories = _read_categories(parts["categories"], name)
    images: dict[Any, Listed] = {}
    for record in parts["images"]:
        image = _read_image(record, name)
        if images.setdefault(image.image_id, image) is not image:
            raise InputError(f"{name}: image {image.image_id} is listed twice; remove one")
    if len({type(image_id) for image_id in images}) > 1:
        raise InputError(f"{name}: some image ids are numbers, others strings; use one type")
    _deal(parts["annotations"], images, name)
    return InstancesFile(name, categories, list(images.values()))


def find_problem(image: Listed, categories: dict[Any, str], name: str) -> str:
    """Return the first problem of an image's annotations; '' if there is none.

    Args:
        image: from `parse_instances`.
        categories: likewise.
        name: of the file.
    """
    for annotation in image.annotations:
        problem, segmentation = annotation.problem, annotation.segmentation
        if not problem and annotation.category_id not in categories:
            problem = f"unknown category_id {annotation.category_id}"
        if not problem and isinstance(segmentation, RunLengths) and segmentation.image_shape != image.image_shape:
            sizes = (" x ".join(map(str, shape)) for shape in (segmentation.image_shape, image.image_shape))
            problem = "run lengths for an image of {}, but it has {}".format(*sizes)
        if problem:
            where = f"{name}: annotation {annotation.annotation_id} of image {annotation.image_id}"
            return f"{where}: {problem}; fix it, or leave the image out"
    return ""


def _compact(values: dict[str, Any]) -> Any:
    """Turn what looks like an annotation into one as soon as it is parsed, which saves much memory."""
    if "image_id" not in values:
        return values
    segmentation: Segmentation = []
    problem = ""
    try:
        if "segmentation" not in values:
            raise ValueError("missing; boxes do not suffice")
        segmentation = read_segmentation(values["segmentation"])
    except (ValueError, TypeError, OverflowError) as error:
        problem = f"segmentation: {error}"
    own, image, category = (values.get(key) for key in ("id", "image_id", "category_id"))
    if not (_is_id(own) and _is_id(image) and _is_id(category)):
        problem = "ids must be numbers or strings"
        own, image, category = (part if _is_id(part) else str(part) for part in (own, image, category))
    return Annotation(own, image, category, bool(values.get("iscrowd")), segmentation, problem)


def _is_id(value: object) -> bool:
    return isinstance(value, int | str)


def _read_categories(records: list[Any], name: str) -> dict[Any, str]:
    try:
        categories = {record["id"]: str(record["name"]) for record in sorted(records, key=lambda record: record["id"])}
    except (KeyError, TypeError):
        raise InputError(f"{name}: a category without id or name; fix it") from None
    if not records or len(set(categories.values())) < len(records):
        raise InputError(f"{name}: no categories, or two with the same id or name; fix it")
    return categories


def _read_image(record: Any, name: str) -> Listed:
    try:
        image = Listed(record["id"], str(record["file_name"]), (int(record["height"]), int(record["width"])), [])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        shown = f"{type(error).__name__} {error}".removeprefix("KeyError ")
        raise InputError(f"{name}: an image without id, file_name, height or width ({shown}); fix it") from None
    if not _is_id(image.image_id) or min(image.image_shape) < 1:
        raise InputError(f"{name}: image {image.image_id} with {image.image_shape} pixels is invalid; fix it")
    return image


def _deal(annotations: list[Any], images: dict[Any, Listed], name: str) -> None:
    """Assign each annotation to its image."""
    known = set()
    for annotation in annotations:
        if not isinstance(annotation, Annotation):
            raise InputError(f"{name}: an annotation without image_id; fix it")
        if annotation.annotation_id in known:
            raise InputError(f"{name}: annotation {annotation.annotation_id} is listed twice; remove one")
        if annotation.image_id not in images:
            where = f"annotation {annotation.annotation_id} of image {annotation.image_id}"
            raise InputError(f"{name}: {where}, which is not listed; fix it")
        known.add(annotation.annotation_id)
        images[annotation.image_id].annotations.append(annotation)
