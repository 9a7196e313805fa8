"""COCO's annotation files: images, categories and segmented objects in JSON."""

import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from coco.segmentation import RunLengths, Segmentation, box_fits, read_segmentation
from common.annotations.values import read_flag, read_id
from common.errors import InputError

Id = int | str


@dataclass(frozen=True, slots=True)
class Annotation:
    """One object, or one crowd.

    Attributes:
        annotation_id: as in the file; None if it has none.
        image_id: as `read_id` returns it.
        category_id: likewise.
        crowd: whether it is a region of many objects.
        segmentation: its outline.
        box_fits: whether its `bbox`, if it has one, is about that of the outline.
        problem: what is wrong with it, if anything; the other fields are then unreliable.
    """

    annotation_id: Any
    image_id: Any
    category_id: Any
    crowd: bool
    segmentation: Segmentation
    box_fits: bool = True
    problem: str = ""

    @property
    def where(self) -> str:
        """Which one it is, for messages."""
        own = "an annotation without id" if self.annotation_id is None else f"annotation {self.annotation_id}"
        return f"{own} of image {self.image_id}"


@dataclass(frozen=True, slots=True)
class Listed:
    """An image, as listed in the file.

    Attributes:
        image_id: as in the file.
        file_name: within the subset's folder.
        image_shape: (height, width), pixels.
        annotations: its objects and crowds.
    """

    image_id: Id
    file_name: str
    image_shape: tuple[int, int]
    annotations: list[Annotation]


@dataclass(frozen=True, eq=False)
class InstancesFile:
    """The content of an annotation file.

    Attributes:
        name: of the file, for messages.
        categories: names by id, as in the file, ascending, with gaps.
        images: with their objects, in the file's order.
        problems: of what is not among `images`: unusable entries of images, and annotations of no image.
    """

    name: str
    categories: dict[Id, str]
    images: list[Listed]
    problems: tuple[str, ...] = ()

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
        InputError: not such a file, or unusable categories. What is wrong with an image or an annotation is kept as
            a problem.
    """
    try:
        values = json.loads(data, object_hook=_compact)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: not JSON: {error}; download it again") from None
    parts = values if isinstance(values, dict) else {}
    if any(not isinstance(parts.get(part), list) for part in ("images", "annotations", "categories")):
        raise InputError(f"{name}: images, annotations or categories missing; give one of COCO's instances_*.json")
    categories = _read_categories(parts["categories"], name)
    images, problems = _read_images(parts["images"], name)
    problems += _deal(parts["annotations"], images, name)
    return InstancesFile(name, categories, list(images.values()), tuple(problems))


def find_problem(image: Listed, category_ids: set[Id], name: str) -> str:
    """Return the first problem of an image's annotations; '' if there is none.

    Args:
        image: from `parse_instances`.
        category_ids: of the file, as `read_id` returns them.
        name: of the file.
    """
    for annotation in image.annotations:
        problem, segmentation = annotation.problem, annotation.segmentation
        if not problem and annotation.category_id not in category_ids:
            problem = f"unknown category_id {annotation.category_id}"
        if not problem and isinstance(segmentation, RunLengths) and segmentation.image_shape != image.image_shape:
            sizes = (" x ".join(map(str, shape)) for shape in (segmentation.image_shape, image.image_shape))
            problem = "run lengths for an image of {}, but it has {}".format(*sizes)
        if problem:
            return f"{name}: {annotation.where}: {problem}; fix it, or leave the image out"
    return ""


def _compact(values: dict[str, Any]) -> Any:
    """Turn what looks like an annotation into one as soon as it is parsed, which saves much memory."""
    if "image_id" not in values or "file_name" in values:
        return values
    segmentation: Segmentation = []
    problem, crowd, fits = "", False, True
    own, image, category = (values.get(key) for key in ("id", "image_id", "category_id"))
    try:
        own = None if own is None else read_id(own)
        image, category = read_id(image), read_id(category)
    except ValueError as error:
        problem = str(error)
        own, image, category = (part if isinstance(part, int | str) else str(part) for part in (own, image, category))
    try:
        crowd = read_flag(values.get("iscrowd"))
    except ValueError as error:
        problem = problem or f"iscrowd: {error}"
    try:
        if "segmentation" not in values:
            raise ValueError("missing; boxes do not suffice")
        segmentation = read_segmentation(values["segmentation"])
        fits = box_fits(values.get("bbox"), segmentation)
    except (ValueError, TypeError, OverflowError) as error:
        problem = problem or f"segmentation: {error}"
    return Annotation(own, image, category, crowd, segmentation, fits, problem)


def _read_categories(records: list[Any], name: str) -> dict[Id, str]:
    """Return the names of the categories by their ids, ascending; whole floats become integers."""
    categories: dict[Id, str] = {}
    written: dict[Id, Id] = {}
    for record in records:
        try:
            key, own = read_id(record["id"]), record["id"]
            if not isinstance(record["name"], str):
                raise TypeError
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{name}: a category without id or name: {str(record)[:60]}; fix it") from None
        twin = next((other for other, title in categories.items() if title == record["name"]), None)
        if key in categories or twin is not None:
            same = f"two categories have the id {key}" if key in categories else ""
            same = same or f"categories {twin} and {key} have the same name {record['name']!r}"
            raise InputError(f"{name}: {same}; renumber, rename or remove one")
        categories[key], written[key] = record["name"], own if isinstance(own, str) else key
    if not categories:
        raise InputError(f"{name}: has no categories; add them")
    return {written[key]: categories[key] for key in sorted(categories, key=lambda key: (isinstance(key, str), key))}


def _read_images(records: list[Any], name: str) -> tuple[dict[Id, Listed], list[str]]:
    """Return the usable images by `read_id`, and the problems of others."""
    images, problems = [], []
    for record in records:
        try:
            images.append(_read_image(record))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            shown = f"{type(error).__name__} {error}".removeprefix("KeyError ").removeprefix("ValueError ")
            problems.append(f"{name}: an image without id, file_name, height or width ({shown}); fix it")
    ids = Counter(read_id(image.image_id) for image in images)
    files = Counter(image.file_name for image in images)
    for image_id, times in ids.items():
        if times > 1:
            problems.append(f"{name}: image {image_id} is listed twice; remove one")
    for file_name, times in files.items():
        own = [image.image_id for image in images if image.file_name == file_name] if times > 1 else []
        if len(set(map(read_id, own))) > 1:
            problems.append(f"{name}: images {own[0]} and {own[1]} are one file, {file_name}; merge them")
    kept = [image for image in images if ids[read_id(image.image_id)] == files[image.file_name] == 1]
    return {read_id(image.image_id): image for image in kept}, problems


def _read_image(record: Any) -> Listed:
    key, file_name = read_id(record["id"]), record["file_name"]
    if not isinstance(file_name, str) or not file_name:
        raise ValueError(f"file_name {file_name!r}")
    height, width = (float(record[side]) for side in ("height", "width"))
    if min(height, width) < 1 or not (height.is_integer() and width.is_integer()):
        raise ValueError(f"image {key} with {height:g} x {width:g} pixels")
    return Listed(record["id"] if isinstance(record["id"], str) else key, file_name, (int(height), int(width)), [])


def _deal(annotations: list[Any], images: dict[Id, Listed], name: str) -> list[str]:
    """Assign each annotation to its image; return the problems of those that belong to none."""
    known = set()
    homeless, foreign = [], 0
    for annotation in annotations:
        if not isinstance(annotation, Annotation):
            foreign += 1
            continue
        if annotation.annotation_id is not None and annotation.annotation_id in known:
            annotation = replace(annotation, problem="another annotation has the same id")
        known.add(annotation.annotation_id)
        if annotation.image_id in images:
            images[annotation.image_id].annotations.append(annotation)
        else:
            homeless.append(annotation)
    problems = [f"{name}: an annotation without image_id{_and_more(foreign)}; fix it"] if foreign else []
    if homeless:
        where = f"{name}: {homeless[0].where}: no usable image has this id{_and_more(len(homeless))}"
        problems.append(f"{where}; list the image, or remove the annotation")
    return problems


def _and_more(count: int) -> str:
    return f" ({count} such annotations)" if count > 1 else ""
