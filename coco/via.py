"""Files of the VGG Image Annotator, 1 and 2: polygons of one class beside the images, as for the balloons."""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from coco.photos import Photo, Photos, open_photos
from common.errors import InputError
from common.files import FileTree, normal_name
from common.images.decoding import decode_stored, to_rgb
from common.images.image_set import ImageSet
from common.images.stored import report_turned
from common.images.usable import read_usable
from common.masks.polygons import polygon_instances

FILE_NAME = "via_region_data.json"
PROJECT = "_via_img_metadata"  # key of the annotations in a project saved by version 2


def open_via_set(tree: FileTree, part: str, *, skip_bad: bool = False) -> ImageSet[Photos]:
    """Open the images of `<part>/via_region_data.json`; those without a region were not annotated, and are left out.

    Args:
        tree: holds the files.
        part: "train" or "val".
        skip_bad: report unusable images and leave them out.

    Raises:
        InputError: no such file, a missing or damaged image, or a region that is not a polygon.
    """
    found = [name for name in tree.names() if PurePosixPath(name).parts[-2:] == (part, FILE_NAME)]
    if len(found) != 1:
        raise InputError(f"{tree.path}: holds {part}/{FILE_NAME} {len(found)} times; give the folder or zip of one set")
    folder, source = PurePosixPath(found[0]).parent, f"{tree.path}/{found[0]}"
    annotated = {name: regions for name, regions in parse_via(tree.read(found[0]), source).items() if regions}
    if not annotated:
        raise InputError(f"{source}: no image has a region; draw some")

    def read(name: str) -> tuple[Photo, bool]:
        outlines = read_polygons(annotated[name], f"{source}: {name}")
        image = str(folder / normal_name(name))
        stored = decode_stored(tree.read(image), f"{tree.path}/{image}")
        to_rgb(stored, f"{tree.path}/{image}")  # which may refuse it
        count = len(outlines)
        fields = (np.ones(count, np.int32), np.zeros(count, bool), outlines)
        return Photo(PurePosixPath(name).stem, image, stored.upright_shape, *fields), stored.orientation != 1

    usable = [facts for _, facts in read_usable(read, list(annotated), source=source, skip_bad=skip_bad)]
    report_turned(source, sum(turned for _, turned in usable), upright=True)
    return open_photos(tree, [photo for photo, _ in usable], polygon_instances, source)


def parse_via(data: bytes, name: str) -> dict[str, list[Any]]:
    """Return the regions of each image by its file name.

    Args:
        data: content of an export or a project; regions are a list or, in version 1, an object.
        name: of the file, for messages.

    Raises:
        InputError: not such a file, or an image is listed twice.
    """
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: not JSON: {error}; export it again") from None
    entries = values.get(PROJECT, values) if isinstance(values, Mapping) else None
    if not isinstance(entries, Mapping):
        raise InputError(f"{name}: not a file of the VGG Image Annotator; export its annotations as JSON")
    images: dict[str, list[Any]] = {}
    for key, entry in entries.items():
        regions = entry.get("regions") if isinstance(entry, Mapping) else None
        if not isinstance(regions, Mapping | list) or not isinstance(entry.get("filename"), str):
            raise InputError(f"{name}: {key} has no filename or no regions; export its annotations as JSON")
        if entry["filename"] in images:
            raise InputError(f"{name}: {entry['filename']} is listed twice; remove one")
        images[entry["filename"]] = list(regions.values() if isinstance(regions, Mapping) else regions)
    return images


def read_polygons(regions: list[Any], name: str) -> list[list[np.ndarray]]:
    """Return regions as `polygon_instances` takes them; the annotator's points are pixel centres.

    Args:
        regions: from `parse_via`.
        name: of file and image, for messages.

    Raises:
        InputError: a region is not a polygon of at least three points; the message gives its number, from 1.

    Example:
        >>> shape = {"name": "polygon", "all_points_x": [0, 9, 9], "all_points_y": [0, 0, 9]}
        >>> read_polygons([{"shape_attributes": shape}], "a.json: a.jpg")[0][0].tolist()
        [[0.5, 0.5], [0.5, 9.5], [9.5, 9.5]]
    """
    outlines = []
    for number, region in enumerate(regions, start=1):
        try:
            shape = region["shape_attributes"]
            points = np.array([shape["all_points_y"], shape["all_points_x"]], np.float64).T
        except (KeyError, TypeError, ValueError):
            points = np.zeros((0, 2))
        if points.ndim != 2 or len(points) < 3 or not np.isfinite(points).all():
            raise InputError(f"{name}, region {number}: not a polygon of at least three points; redraw it as one")
        outlines.append([points + 0.5])
    return outlines
