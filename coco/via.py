"""Files of the VGG Image Annotator, 1 and 2: objects of one class beside the images, as for the balloons."""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from coco.photos import Photo, Photos, open_photos
from common.annotations.outlines import polygon_outline, report_outlines, touches_image
from common.errors import InputError
from common.images.decoding import decode_stored, to_rgb
from common.images.image_set import ImageSet
from common.images.stored import report_turned
from common.images.usable import Reader, read_in_threads, read_usable
from common.masks.polygons import polygon_instances
from common.storage.trees import FileTree, normal_name

FILE_NAME = "via_region_data.json"
ELLIPSE_POINTS = 360
OTHER_FORMATS = {"in COCO's format": {"images", "annotations"}, "of version 3": {"project", "file", "metadata"}}
PROJECT = "_via_img_metadata"  # key of the annotations in a project saved by version 2


def open_via_set(
    tree: FileTree, part: str, *, skip_bad: bool = False, reader: Reader = read_in_threads
) -> ImageSet[Photos]:
    """Open the images of `<part>/via_region_data.json`; those without a region were not annotated, and are left out.

    Args:
        tree: holds the files.
        part: "train" or "val".
        skip_bad: report unusable images and leave them out.
        reader: reads them.

    Raises:
        InputError: no such file, a missing or damaged image, or a region without an inside.
    """
    found = [name for name in tree.names() if PurePosixPath(name).parts[-2:] == (part, FILE_NAME)]
    if len(found) != 1:
        hint = "" if found else _other_exports(tree, part)
        held = f"{tree.path}: holds {part}/{FILE_NAME} {len(found)} times"
        raise InputError(f"{held}; {hint or 'give the folder or zip of one set'}")
    folder, source = PurePosixPath(found[0]).parent, f"{tree.path}/{found[0]}"
    annotated = {name: regions for name, regions in parse_via(tree.read(found[0]), source).items() if regions}
    if not annotated:
        raise InputError(f"{source}: no image has a region; draw some")
    read, items = functools.partial(_read_photo, tree, folder, source), list(annotated.items())
    usable = read_usable(read, items, source=source, name=lambda one: one[0], skip_bad=skip_bad, reader=reader)
    report_turned(source, sum(turned for _, (_, turned) in usable), upright=True)
    photos = [photo for _, (photo, _) in usable]
    outlines = (
        polygon_outline(f"region {number} of {PurePosixPath(photo.name).name}", one, photo.image_shape, photo.name)
        for photo in photos
        for number, one in enumerate(photo.outlines, start=1)
    )
    report_outlines(outlines, source)
    return open_photos(tree, photos, polygon_instances, source)


def _read_photo(
    tree: FileTree, folder: PurePosixPath, source: str, annotated: tuple[str, list[Any]]
) -> tuple[Photo, bool]:
    """Return a photograph of a name and its regions, and whether it is to be turned."""
    name, regions = annotated
    outlines = read_regions(regions, f"{source}: {name}")
    image = str(folder / normal_name(name))
    stored = decode_stored(tree.read(image), f"{tree.path}/{image}")
    to_rgb(stored, f"{tree.path}/{image}")  # which may refuse it
    count = len(outlines)
    shape = stored.upright_shape
    learnt = [touches_image(polygon_outline("", one, shape, "").box, shape) for one in outlines]
    fields = (np.ones(count, np.int32), np.zeros(count, bool), np.array(learnt), outlines)
    return Photo(PurePosixPath(name).stem, image, shape, *fields), stored.orientation != 1


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
    known = set(values) if isinstance(values, Mapping) else set()
    other = next((title for title, keys in OTHER_FORMATS.items() if keys <= known), "")
    if other:
        raise InputError(f"{name}: {other}; open the project in version 2, and export its annotations as JSON")
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


def read_regions(regions: list[Any], name: str) -> list[list[np.ndarray]]:
    """Return regions as `polygon_instances` takes them; the annotator's points are pixel centres.

    Polygons, rectangles, circles and ellipses are objects; lines and points have no inside.

    Args:
        regions: from `parse_via`.
        name: of file and image, for messages.

    Raises:
        InputError: a region that is no object; the message gives its number, from 1, and what it is.

    Example:
        >>> shape = {"name": "polygon", "all_points_x": [0, 9, 9], "all_points_y": [0, 0, 9]}
        >>> read_regions([{"shape_attributes": shape}], "a.json: a.jpg")[0][0].tolist()
        [[0.5, 0.5], [0.5, 9.5], [9.5, 9.5]]
    """
    outlines = []
    for number, region in enumerate(regions, start=1):
        try:
            points = _read_shape(region["shape_attributes"])
        except KeyError as error:
            raise InputError(f"{name}, region {number}: has no {error.args[0]}; redraw it") from None
        except (TypeError, ValueError) as error:
            raise InputError(f"{name}, region {number}: {error}; redraw it as a polygon") from None
        outlines.append([points + 0.5])
    return outlines


def _read_shape(shape: Mapping[str, Any]) -> np.ndarray:
    """Return the corners of a shape, (K, 2) float64, y and x."""
    kind = shape["name"]
    if kind == "polygon":
        x, y = (np.array(shape[key], np.float64) for key in ("all_points_x", "all_points_y"))
    elif kind == "rect":
        left, top, width, height = _positive(shape, ("x", "y"), ("width", "height"))
        x, y = left + np.array([0, width, width, 0]), top + np.array([0, 0, height, height])
    elif kind == "circle":
        cx, cy, radius = _positive(shape, ("cx", "cy"), ("r",))
        x, y = _ellipse(cx, cy, radius, radius, 0.0)
    elif kind == "ellipse":
        cx, cy, rx, ry = _positive(shape, ("cx", "cy"), ("rx", "ry"))
        x, y = _ellipse(cx, cy, rx, ry, float(shape.get("theta") or 0.0))
    else:
        raise ValueError(f"a {kind}, which has no inside")
    if x.ndim != 1 or x.shape != y.shape or len(x) < 3:
        raise ValueError("a polygon of fewer than three points")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("a shape whose numbers are not finite")
    return np.stack([y, x], axis=1)


def _positive(shape: Mapping[str, Any], places: Sequence[str], lengths: Sequence[str]) -> list[float]:
    """Return a shape's place and its lengths."""
    numbers = [float(shape[key]) for key in (*places, *lengths)]
    if min(numbers[len(places) :]) <= 0:
        raise ValueError(f"a {shape['name']} without {' or '.join(lengths)}")
    return numbers


def _ellipse(cx: float, cy: float, rx: float, ry: float, theta: float) -> tuple[np.ndarray, np.ndarray]:
    """Return points on an ellipse, x and y, (K,) each; `theta` turns it clockwise on the screen, radians."""
    angles = np.linspace(0, 2 * np.pi, ELLIPSE_POINTS, endpoint=False)
    across, along = rx * np.cos(angles), ry * np.sin(angles)
    return cx + across * np.cos(theta) - along * np.sin(theta), cy + across * np.sin(theta) + along * np.cos(theta)


def _other_exports(tree: FileTree, part: str) -> str:
    """Return a hint where the part's folder holds annotations under another name or in another format."""
    files = [path for path in map(PurePosixPath, tree.names()) if path.parent.name == part]
    jsons, tables = ([str(path) for path in files if path.suffix.lower() == suffix] for suffix in (".json", ".csv"))
    if jsons:
        return f"it holds {jsons[0]}; if that is the annotator's JSON, rename it"
    return f"it holds {tables[0]}; export the annotations as JSON, not as CSV, under that name" if tables else ""
