"""Which files are radiographs, and which their masks: Kaggle's sources, and plain folders of images and masks.

    Montgomery   .../CXR_png/<id>.png, .../ManualMask/leftMask/<id>.png, .../ManualMask/rightMask/<id>.png
    Shenzhen     .../CXR_png/<id>.png, .../mask/<id>_mask.png
    plain        images/<id>.png, masks/<id>.png or masks/<id>_mask.png

One rule covers them all: a mask's name ends in `_mask`, or one of its folders is called like a mask's; without
`_mask`, its name is that of its radiograph. So any number of them can lie in one folder, such as /kaggle/input.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from common.errors import InputError
from common.images.decoding import is_image
from common.images.usable import sorted_by_id
from common.log import logger
from common.storage.trees import FileTree

SUFFIX = "_mask"
SIDES = ("leftmask", "rightmask")
FOLDERS = {"mask", "masks", "manualmask", *SIDES}
DICOM = (".dcm", ".dicom")


@dataclass(frozen=True)
class RadiographFiles:
    """Names, in a file tree, of a radiograph and of its masks: none, one, or one of each lung."""

    image_id: str
    image_name: str
    mask_names: tuple[str, ...] = ()


def find_radiographs(tree: FileTree) -> list[RadiographFiles]:
    """Return all radiographs with their masks, sorted by id: the file's name without suffix.

    Raises:
        InputError: no radiographs, two of the same name, or several masks of one.
    """
    paths = [path for path in map(PurePosixPath, tree.names()) if is_image(path) or path.suffix.lower() in DICOM]
    images = sorted_by_id((path for path in paths if not is_mask(path)), lambda path: path.stem, str, str(tree.path))
    if not images:
        raise InputError(
            f"{tree.path}: no radiographs; give the folder or archive that holds images/*.png, or Kaggle's"
        )
    masks = _group_masks(tree, filter(is_mask, paths))
    if orphans := sorted(masks.keys() - {path.stem for path in images}):
        logger.warning(f"warning: {tree.path}: {len(orphans)} masks have no radiograph, such as that of {orphans[0]}")
    return [RadiographFiles(path.stem, str(path), masks.get(path.stem, ())) for path in images]


def is_mask(path: PurePosixPath) -> bool:
    """Tell whether a file is a mask, by its name.

    Example:
        >>> is_mask(PurePosixPath("mask/mask/a_mask.png")), is_mask(PurePosixPath("CXR_png/a.png"))
        (True, False)
    """
    return path.stem.endswith(SUFFIX) or not FOLDERS.isdisjoint(part.lower() for part in path.parts[:-1])


def _group_masks(tree: FileTree, paths: Iterable[PurePosixPath]) -> dict[str, tuple[str, ...]]:
    """Return the masks of each radiograph by its id, the left lung's first."""
    groups: dict[str, list[PurePosixPath]] = {}
    for path in sorted(paths):
        groups.setdefault(path.stem.removesuffix(SUFFIX), []).append(path)
    for image_id, group in groups.items():
        sides = sorted(path.parent.name.lower() for path in group)
        if len(group) > 1 and sides != sorted(SIDES):
            raise InputError(f"{tree.path}: {group[0]} and {group[1]} are both masks of {image_id}; remove one")
        if len(group) == 1 and sides[0] in SIDES:
            raise InputError(
                f"{tree.path}: {group[0]} is a mask of one lung of {image_id}; add the other's, or remove it"
            )
    return {image_id: tuple(map(str, group)) for image_id, group in groups.items()}
