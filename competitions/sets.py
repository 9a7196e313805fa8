"""Open a set of any competition, recognised by its files."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from coco.config import BALLOON_SMALL, COCO_SMALL
from common.errors import InputError
from common.settings.config import RunConfig
from common.storage.trees import FileTree, open_tree
from dsb.config import SMALL as DSB_SMALL
from isic.config import SMALL as ISIC_SMALL
from lung.config import SMALL as LUNG_SMALL
from rsna.config import SMALL as RSNA_SMALL
from wbc.config import SMALL as WBC_SMALL

if TYPE_CHECKING:
    from common.images.image_set import ImageSet

COCO_FILE = re.compile(r"instances_(\w+)(20\d\d)\.json")


@dataclass(frozen=True, kw_only=True)
class Request:
    """Which set to open.

    Attributes:
        dataset: folder or zip archive.
        part: of the set, such as "train"; empty: all of it, or its part that has objects.
        config: names the classes.
        labels: file of the labels; None: that in the set or beside it.
        skip_bad: report unusable images and leave them out.
    """

    dataset: Path
    part: str
    config: RunConfig
    labels: Path | None
    skip_bad: bool


@dataclass(frozen=True)
class Competition:
    """What is known of a competition.

    Attributes:
        name: to choose it by.
        config: its preset for a CPU.
        parts: of a set, with objects or without; the first is the usual one.
        open: opens a set.
        reads_labels: whether its labels may lie in a file elsewhere.
    """

    name: str
    config: RunConfig
    parts: Sequence[str]
    open: Callable[[Request], "ImageSet"]
    reads_labels: bool = False


def open_images(
    dataset: Path,
    competition: str | None = None,
    *,
    part: str | None = None,
    labels: Path | None = None,
    skip_bad: bool = False,
) -> "tuple[Competition, ImageSet]":
    """Open a set of images, with their objects if it has them.

    Args:
        dataset: folder or zip archive.
        competition: its name, one of `COMPETITIONS`; None: recognised by the files.
        part: of the set, such as "val"; None: the usual one.
        labels: file of the labels; None: that in the set or beside it.
        skip_bad: report unusable images and leave them out.

    Returns:
        The competition, whose config names the classes of this set, and the set.

    Raises:
        InputError: no such set, an unknown competition or part, or what the competition's own set refuses.
    """
    chosen = COMPETITIONS.get(competition or recognise(dataset))
    if chosen is None:
        raise InputError(f"--competition {competition}: unknown; give one of {', '.join(COMPETITIONS)}")
    if part is not None and part not in chosen.parts:
        known = f"one of {', '.join(chosen.parts)}" if chosen.parts else "none: its sets have no parts"
        raise InputError(f"--part {part}: not a part of {chosen.name}; give {known}")
    if labels is not None and not chosen.reads_labels:
        raise InputError(f"{labels}: sets of {chosen.name} hold their labels themselves; leave out the file")
    if chosen.name == "coco":
        chosen = replace(chosen, config=_with_categories(dataset, part or chosen.parts[0]))
    usual = chosen.parts[0] if chosen.parts else ""
    request = Request(dataset=dataset, part=part or usual, config=chosen.config, labels=labels, skip_bad=skip_bad)
    return chosen, chosen.open(request)


def recognise(dataset: Path) -> str:
    """Return the name of the competition in whose layout a set's files lie; "dsb" for any other images.

    Raises:
        InputError: no such folder or archive.
    """
    tree = open_tree(dataset)
    beside = {path.name for path in tree.path.parent.iterdir()} if tree.path.is_file() else set()
    return recognise_layout(tree.names(), beside)


def recognise_layout(names: Sequence[str], beside: Collection[str] = ()) -> str:
    """Return the name of the competition in whose layout files lie; "dsb" for any other images.

    Args:
        names: of the files, relative, with forward slashes.
        beside: names of files beside an archive: its labels may be there.

    Example:
        >>> recognise_layout(["train/via_region_data.json", "train/1.jpg"])
        'balloon'
        >>> recognise_layout(["images/1.png", "masks/1_mask.png"])
        'lung'
    """
    paths = [PurePosixPath(name) for name in names]
    files = {path.name for path in paths} | set(beside)
    if any(COCO_FILE.fullmatch(path.name) for path in paths):
        return "coco"
    if "via_region_data.json" in files:
        return "balloon"
    if {"labels.json", "labels_test.json"} & files:
        return "isic"
    if any(re.fullmatch(r"stage_[12]_.*(labels|class_info)\.csv|.*\.dcm", name) for name in files):
        return "rsna"
    if any(path.parts[-4:-2] in {("train", "image"), ("val", "image")} for path in paths):
        return "wbc"
    return "dsb" if _has_folder_an_image(paths) or not any(map(_is_lung_mask, paths)) else "lung"


def _has_folder_an_image(paths: Sequence[PurePosixPath]) -> bool:
    """Tell whether some image lies in a folder of its own, <id>/images/<id>.png."""
    return any(path.parts[-2:-1] == ("images",) and path.parts[-3:-2] == (path.stem,) for path in paths)


def _is_lung_mask(path: PurePosixPath) -> bool:
    from lung.layouts import is_mask

    return is_mask(path)


def _open_dsb(request: Request) -> "ImageSet":
    from dsb.dataset import load_dataset

    return load_dataset(request.dataset, skip_bad=request.skip_bad)


def _open_rsna(request: Request) -> "ImageSet":
    from rsna.dataset import load_labelled, load_unlabelled
    from rsna.files import TEST, TRAIN

    if request.part == "test" and not request.labels:
        return load_unlabelled(request.dataset, skip_bad=request.skip_bad)
    part = TEST if request.part == "test" else TRAIN
    return load_labelled(request.dataset, part=part, labels=request.labels, skip_bad=request.skip_bad)


def _open_isic(request: Request) -> "ImageSet":
    from isic.dataset import load_labelled

    names, labels = request.config.class_names, request.labels
    return load_labelled(request.dataset, request.part, names, labels=labels, skip_bad=request.skip_bad)


def _open_wbc(request: Request) -> "ImageSet":
    from wbc.dataset import load_cells

    return load_cells(request.dataset, request.part, request.config.class_names, skip_bad=request.skip_bad)


def _open_coco(request: Request) -> "ImageSet":
    from coco.instances_set import open_instances_set, read_subset

    tree = open_tree(request.dataset)
    subset = read_subset(tree, request.part, _year(tree, request.part))
    return open_instances_set(tree, [subset], request.config.class_names, skip_bad=request.skip_bad)


def _open_balloon(request: Request) -> "ImageSet":
    from coco.via import open_via_set

    return open_via_set(open_tree(request.dataset), request.part, skip_bad=request.skip_bad)


def _open_lung(request: Request) -> "ImageSet":
    from lung.dataset import load_images, load_labelled
    from lung.layouts import find_radiographs

    if not any(one.mask_names for one in find_radiographs(open_tree(request.dataset))):
        return load_images(request.dataset, skip_bad=request.skip_bad)
    side = LUNG_SMALL.image_size
    return load_labelled(request.dataset, side, metadata=request.labels, skip_bad=request.skip_bad)


def _with_categories(dataset: Path, part: str) -> RunConfig:
    """Return COCO's preset with the categories of a set's annotations."""
    from coco.instances_set import read_subset

    tree = open_tree(dataset)
    return replace(COCO_SMALL, class_names=read_subset(tree, part, _year(tree, part)).file.class_names)


def _year(tree: FileTree, part: str) -> str:
    """Return the year of a part's annotations, the latest if there are several."""
    found = [match for name in tree.names() if (match := COCO_FILE.fullmatch(PurePosixPath(name).name))]
    return max((match[2] for match in found if match[1] == part), default=COCO_SMALL.year)


_KNOWN = (
    Competition("dsb", DSB_SMALL, (), _open_dsb),
    Competition("rsna", RSNA_SMALL, ("train", "test"), _open_rsna, reads_labels=True),
    Competition("isic", ISIC_SMALL, ("train", "test"), _open_isic, reads_labels=True),
    Competition("wbc", WBC_SMALL, ("train", "val", "detect"), _open_wbc),
    Competition("coco", COCO_SMALL, ("train", "val", "minival", "valminusminival"), _open_coco),
    Competition("balloon", BALLOON_SMALL, ("train", "val"), _open_balloon),
    Competition("lung", LUNG_SMALL, (), _open_lung, reads_labels=True),
)
COMPETITIONS: Mapping[str, Competition] = {one.name: one for one in _KNOWN}
