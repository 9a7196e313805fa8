"""The Data Science Bowl 2018's layout, <id>/images/<id>.png and <id>/masks/*.png, or any pictures; folder or zip."""

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from common.errors import InputError
from common.files import open_tree
from common.label_index import PictureFiles
from common.picture_set import PictureSet, open_picture_set

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"}


def load_dataset(
    path: str | os.PathLike[str],
    *,
    masks: bool = True,
    cache: Path | None = None,
    skip_bad: bool = False,
    report: Callable[[str], object] = print,
) -> PictureSet:
    """Open stage1_train, or a test set or pictures of one's own, which have no masks; pictures are sorted by id.

    The first time, all files are looked through, which takes a while, and the masks are kept as label images.

    Args:
        path: a folder or zip archive; the id folders, or pictures without such folders, stand in it or in folders of
            it.
        masks: read the masks, where there are any.
        cache: folder that keeps the label images; by default one in the user's cache folder.
        skip_bad: report unusable pictures and leave them out.
        report: takes a line for the user.

    Raises:
        InputError: not such a folder or archive; an unusable picture, and `skip_bad` is off.
    """
    tree = open_tree(path)
    pictures = find_pictures(tree.names(), str(tree.path), masks=masks)
    return open_picture_set(tree, pictures, cache=cache, skip_bad=skip_bad, report=report)


def find_pictures(names: Sequence[str], source: str, *, masks: bool = True) -> list[PictureFiles]:
    """Find pictures and masks among file names.

    Where there is no `images` folder, every picture is one without masks, and its name without the suffix is its id.

    Args:
        names: relative names with forward slashes; what does not fit the layout is ignored.
        source: where they are from, for messages.
        masks: look for masks too.

    Returns:
        The files of each picture, sorted by id; masks sorted by name. Where masks have no picture, the name that it
        should have.

    Raises:
        InputError: no pictures; an id in two places, or with two pictures.

    Example:
        >>> find_pictures(["train/a/images/a.png", "train/a/masks/1.png"], "train.zip")
        [PictureFiles(image_id='a', image_name='train/a/images/a.png', mask_names=('train/a/masks/1.png',))]
    """
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: {"images": [], "masks": []})
    for name in sorted(names):
        path = PurePosixPath(name)
        if len(path.parts) >= 3 and path.parts[-2] in ("images", "masks") and _is_picture(path):
            found[str(path.parents[1])][path.parts[-2]].append(name)
    pictures = [
        PictureFiles(PurePosixPath(folder).name, _only_picture(folder, files["images"], source), tuple(files["masks"]))
        for folder, files in found.items()
    ]
    if not found:
        loose = [path for path in map(PurePosixPath, names) if _is_picture(path) and "masks" not in path.parts]
        pictures = [PictureFiles(path.stem, str(path)) for path in loose]
    if not masks:
        pictures = [PictureFiles(picture.image_id, picture.image_name) for picture in pictures]
    return _sorted_by_id(pictures, source)


def _is_picture(path: PurePosixPath) -> bool:
    return path.suffix.lower() in SUFFIXES


def _only_picture(folder: str, image_names: Sequence[str], source: str) -> str:
    if len(image_names) > 1:
        raise InputError(
            f"{source}: {folder}/images holds {len(image_names)} pictures; leave one in each images folder"
        )
    return image_names[0] if image_names else f"{folder}/images/{PurePosixPath(folder).name}.png"


def _sorted_by_id(pictures: Sequence[PictureFiles], source: str) -> list[PictureFiles]:
    if not pictures:
        raise InputError(
            f"{source}: no pictures found; give a folder or archive that holds some, or <id>/images/<id>.png"
        )
    by_id: dict[str, PictureFiles] = {}
    for picture in pictures:
        other = by_id.setdefault(picture.image_id, picture)
        if other is not picture:
            raise InputError(
                f"{source}: {other.image_name} and {picture.image_name} have one id; leave out one of them"
            )
    return [by_id[image_id] for image_id in sorted(by_id)]
