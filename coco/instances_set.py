"""COCO's layout: annotations/instances_<subset><year>.json, and images in folders named after the subsets."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np

from coco.annotations import Id, InstancesFile, Listed, find_problem, parse_instances
from coco.oddities import report_annotations
from coco.photos import Photo, Photos, load_photo, open_photos
from coco.segmentation import outer_box, segmentation_instances
from common.annotations.outlines import touches_image
from common.annotations.values import read_id
from common.errors import InputError
from common.images.image_set import ImageSet
from common.images.usable import Reader, read_in_threads, read_usable, refuse_or_report
from common.log import logger
from common.storage.trees import FileTree, normal_name

_OF_ANOTHER_YEAR = {"instances_val2014.json", "instances_val2017.json", "instances_valminusminival2014.json"}
IMAGE_SUBSETS = {"minival": "val", "valminusminival": "val"}  # subsets whose images are in another's folder


@dataclass(frozen=True, eq=False)
class Subset:
    """A subset's annotations.

    Attributes:
        file_name: of the annotations, in the tree.
        folder: of its images, such as "train2017".
        file: content of the annotations.
    """

    file_name: str
    folder: str
    file: InstancesFile

    def find_image(self, file_name: str, names: set[str], source: str) -> str:
        """Return an image's name in the tree: in the subset's folder, also below `images`, or beside the annotations.

        Args:
            file_name: as in the annotations.
            names: of all files in the tree.
            source: the tree, for messages.

        Raises:
            InputError: it is not found there.
        """
        root = PurePosixPath(self.file_name).parent
        root = root.parent if root.name == "annotations" else root
        folders = (root / self.folder, root / "images" / self.folder, root / "images", root)
        places = [str(folder / normal_name(file_name)) for folder in folders]
        # Other tools write other folders, such as those of the machine that the annotations are from.
        places += [str(folder / PurePosixPath(normal_name(file_name)).name) for folder in folders[:2]]
        found = [place for place in places if place in names]
        if not found:
            raise InputError(f"{source}: has no {places[0]}{_alike(places, names)}; unpack the images there")
        return found[0]


def training_subsets(tree: FileTree, year: str) -> list[Subset]:
    """Read what the library trains on: "train", and for 2014 "valminusminival", if it and "minival" exist.

    Raises:
        InputError: no annotations of "train".
    """
    # Without "minival", all of "val" is held out.
    parted = year == "2014" and all(_annotation_files(tree, name, year) for name in ("minival", "valminusminival"))
    return [read_subset(tree, name, year) for name in ["train", *(["valminusminival"] if parted else [])]]


def validation_subsets(tree: FileTree, year: str) -> list[Subset]:
    """Read what the library validates on: "val", or for 2014 "minival", if it exists; nothing without either.

    Raises:
        InputError: there is neither, but a file whose name was meant to be one.
    """
    names = ["minival", "val"] if year == "2014" else ["val"]
    found = [read_subset(tree, name, year) for name in names if _annotation_files(tree, name, year)][:1]
    if not found:
        wanted = f"instances_val{year}.json"
        meant = [name for name in tree.names() if PurePosixPath(name).match("instances_val*.json")]
        meant = [name for name in meant if PurePosixPath(name).name not in _OF_ANOTHER_YEAR]
        if meant:
            raise InputError(f"{tree.path}/{meant[0]}: the annotations of val are called {wanted}; rename it")
        logger.info(f"{tree.path}: has no {wanted}, so no images are held out to validate and score on")
    return found


def read_subset(tree: FileTree, name: str, year: str) -> Subset:
    """Read a subset's annotations.

    Args:
        tree: holds them.
        name: "train", "val", "minival", "valminusminival", or a custom one.
        year: "2014" or "2017".

    Raises:
        InputError: they are missing, duplicated or damaged.
    """
    found = _annotation_files(tree, name, year)
    if len(found) != 1:
        wanted = f"annotations/instances_{name}{year}.json"
        others = [] if found else [name for name in tree.names() if PurePosixPath(name).match("instances_*.json")]
        held = f"; it holds {', '.join(others[:3])}" if others else ""
        remedy = "give COCO's folder, and its --year"
        raise InputError(f"{tree.path}: holds {wanted} {len(found)} times; {remedy}{held}")
    file = parse_instances(tree.read(found[0]), f"{tree.path}/{found[0]}")
    return Subset(found[0], IMAGE_SUBSETS.get(name, name) + year, file)


def open_instances_set(
    tree: FileTree,
    subsets: Sequence[Subset],
    class_names: Sequence[str],
    *,
    skip_bad: bool = False,
    reader: Reader = read_in_threads,
) -> ImageSet[Photos]:
    """Return the images of subsets with the objects of some classes; other categories are left out.

    Args:
        tree: holds the files.
        subsets: of the tree.
        class_names: of the classes 1, 2, ...: categories by name, whatever their ids.
        skip_bad: report unusable images and leave them out. This decodes every image up front, which takes a while;
            otherwise a damaged image raises an error when it is loaded.
        reader: decodes them.

    Raises:
        InputError: no category of these names, a missing image, or an unusable annotation.
    """
    names = set(tree.names())
    photos = [_read_photos(tree, subset, class_names, names, skip_bad, reader) for subset in subsets]
    return open_photos(tree, itertools.chain(*photos), segmentation_instances, str(tree.path))


def class_ids_by_category(file: InstancesFile, class_names: Sequence[str]) -> dict[Id, int]:
    """Return the class id of each category that is a class, by its id in the file.

    Raises:
        InputError: none is.

    Example:
        >>> class_ids_by_category(InstancesFile("a.json", {3: "cat", 7: "dog", 9: "cow"}, []), ["cow", "cat"])
        {3: 2, 9: 1}
    """
    class_of = {name: class_id for class_id, name in enumerate(class_names, start=1)}
    known = {category_id: class_of[name] for category_id, name in file.categories.items() if name in class_of}
    if not known:
        shown = f"{', '.join(file.class_names[:3])}, ..."
        raise InputError(f"{file.name}: none of its categories ({shown}) is among --class-names {class_names[0]},...")
    return known


@dataclass(frozen=True, eq=False)
class _PhotoReader:
    """Makes photos of listed images.

    Attributes:
        tree: holds them.
        subset: whose images they are; the list itself is not needed.
        names: of all files in the tree.
        class_of: class ids by category.
        known: ids of all categories.
        decodes: whether each image is decoded.
    """

    tree: FileTree
    subset: Subset
    names: set[str]
    class_of: Mapping[Id, int]
    known: set[Id]
    decodes: bool

    def __call__(self, image: Listed) -> Photo:
        """Return the photo of an image.

        Raises:
            InputError: it or one of its annotations is unusable.
        """
        problem = find_problem(image, self.known, self.subset.file.name)
        if problem:
            raise InputError(problem)
        name = self.subset.find_image(image.file_name, self.names, str(self.tree.path))
        photo = _to_photo(image, name, self.class_of)
        if self.decodes:
            load_photo(self.tree, photo)
        return photo


def _read_photos(
    tree: FileTree, subset: Subset, class_names: Sequence[str], names: set[str], skip_bad: bool, reader: Reader
) -> list[Photo]:
    file = subset.file
    class_of = {read_id(own): class_id for own, class_id in class_ids_by_category(file, class_names).items()}
    known = {read_id(own) for own in file.categories}
    refuse_or_report([*file.problems, ""], file.name, skip_bad=skip_bad)
    bare = replace(subset, file=replace(file, images=[], problems=()))
    read = _PhotoReader(tree, bare, names, class_of, known, decodes=skip_bad)
    reader = reader if skip_bad else read_in_threads  # nothing is read then
    usable = read_usable(
        read, file.images, source=file.name, name=lambda one: one.file_name, skip_bad=skip_bad, reader=reader
    )
    report_annotations([image for image, _ in usable], class_of, file)
    return [photo for _, photo in usable]


def _to_photo(image: Listed, name: str, class_of: Mapping[Id, int]) -> Photo:
    shape = image.image_shape
    used = [annotation for annotation in image.annotations if annotation.category_id in class_of]
    return Photo(
        str(image.image_id),
        name,
        image.image_shape,
        np.array([class_of[annotation.category_id] for annotation in used], np.int32),
        np.array([annotation.crowd for annotation in used], bool),
        np.array([not one.crowd and touches_image(outer_box(one.segmentation), shape) for one in used], bool),
        [annotation.segmentation for annotation in used],
    )


def _alike(places: Sequence[str], names: Iterable[str]) -> str:
    """Return a hint for a name that differs from a file's by upper and lower case, or by its ending."""
    wanted = {str(PurePosixPath(place).with_suffix("")).lower() for place in places}
    alike = [name for name in names if str(PurePosixPath(name).with_suffix("")).lower() in wanted]
    return f", but {min(alike)}" if alike else ""


def _annotation_files(tree: FileTree, name: str, year: str) -> list[str]:
    wanted = f"instances_{name}{year}.json"
    return [found for found in tree.names() if PurePosixPath(found).name == wanted]
