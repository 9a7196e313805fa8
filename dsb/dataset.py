"""The Data Science Bowl 2018's layout, <id>/images/<id>.png and <id>/masks/*.png, or any images; folder or zip.

The masks can be replaced by a label image, <id>/labels/<id>.png or .tif, in which nucleus k has the value k.
"""

import os
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from common.errors import InputError
from common.images.decoding import encode_png, encode_tiff, is_image, is_unread_image
from common.images.image_set import ImageSet
from common.images.label_index import ImageFiles
from common.images.mask_files import MaskFiles, open_mask_files
from common.images.stored import Choice
from common.images.usable import Reader, read_in_threads, sorted_by_id
from common.log import logger
from common.storage.files import written_aside
from common.storage.trees import open_tree
from common.terminal.progress import progress_bar

BYSTANDERS = {"Thumbs.db", "desktop.ini"}  # what file managers leave in folders


def load_dataset(
    path: str | os.PathLike[str],
    *,
    masks: bool = True,
    cache: Path | None = None,
    skip_bad: bool = False,
    choice: Choice | None = None,
    reader: Reader = read_in_threads,
) -> ImageSet[MaskFiles]:
    """Open stage1_train, or a test set or any other images, without masks; images are sorted by id.

    The first call checks all files, which takes a while, and caches the masks as label images. Images with an EXIF
    orientation are read as stored, like their masks.

    Args:
        path: a folder or zip archive, with id folders, or images without such folders, at any depth.
        masks: read the masks, if any.
        cache: folder of the label images; by default in the user's cache folder.
        skip_bad: report unusable images and leave them out.
        choice: what to read of files that hold several images or channels.
        reader: reads the files.

    Raises:
        InputError: no such folder or archive; an unusable image without `skip_bad`.
    """
    tree = open_tree(path)
    images = find_images(tree.names(), str(tree.path), masks=masks)
    if masks:
        _report_strays(tree.names(), str(tree.path))
    choice = choice or Choice()
    return open_mask_files(tree, images, cache=cache, skip_bad=skip_bad, choice=choice, reader=reader)


def choice_of(page: int, channel: Sequence[int]) -> Choice:
    """Return what `--page` and `--channel` choose of a file, see `DSBConfig`.

    Raises:
        InputError: neither one channel nor three.

    Example:
        >>> choice_of(2, (0,)), choice_of(0, (3, 2, 1))
        (Choice(page=2, channels=()), Choice(page=None, channels=(3, 2, 1)))
    """
    if tuple(channel) != (0,) and (len(channel) not in (1, 3) or min(channel) < 1):
        text = ",".join(map(str, channel))
        raise InputError(f"--channel {text}: give one channel, such as 2, or three, such as 3,2,1")
    return Choice(page or None, () if tuple(channel) == (0,) else tuple(channel))


def pack_dataset(images: ImageSet, output: Path, label_images: Iterable[np.ndarray] | None = None) -> None:
    """Write images and label images into a zip archive that `load_dataset` reads, one at a time.

    Args:
        images: with masks, unless `label_images` are given.
        output: written atomically; the same set gives the same bytes.
        label_images: of each image, (H, W) int32; by default the set's own.
    """
    if label_images is None:
        label_images = (images.load_label_layers(row)[0] for row in range(len(images)))
    with written_aside(output) as aside, zipfile.ZipFile(aside, "w") as archive:
        progress = progress_bar(label_images, output.name, len(images), unit="image")
        for row, (image_id, labels) in enumerate(zip(images.image_ids, progress, strict=True)):
            labels = labels.astype(np.min_scalar_type(labels.max()))
            # PNG has at most 16 bits.
            suffix, encode = (".png", encode_png) if labels.dtype.itemsize <= 2 else (".tif", encode_tiff)
            image = encode_png(images.load_image(row), noisy=True)
            for kind, ending, data in (("images", ".png", image), ("labels", suffix, encode(labels))):
                # The entry's date is 1980, whenever it is written.
                archive.writestr(zipfile.ZipInfo(f"{image_id}/{kind}/{image_id}{ending}"), data)


def find_images(names: Sequence[str], source: str, *, masks: bool = True) -> list[ImageFiles]:
    """Find images and masks among file names.

    Without an `images` folder, every image is one without masks, and its name without the suffix is its id; if names
    repeat, as in folders of plates or wells, the folder names precede them: `plate/1.png` has the id `plate_1`.

    Args:
        names: relative names with forward slashes; what does not fit the layout is left out.
        source: where they come from, for messages.
        masks: look for masks too.

    Returns:
        The files of each image, sorted by id; masks sorted by name. For masks without an image, the name that it
        should have.

    Raises:
        InputError: no images; an id in two places, with two images or label images, or with a label image and masks.

    Example:
        >>> (image,) = find_images(["train/a/images/a.png", "train/a/masks/1.png"], "train.zip")
        >>> image.image_id, image.mask_names
        ('a', ('train/a/masks/1.png',))
    """
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: {"images": [], "masks": [], "labels": []})
    loose: list[PurePosixPath] = []
    among_masks: list[PurePosixPath] = []
    _report_unread(names, source)
    for path in filter(is_image, map(PurePosixPath, sorted(names))):
        if len(path.parts) >= 3 and path.parts[-2] in ("images", "masks", "labels"):
            found[str(path.parents[1])][path.parts[-2]].append(str(path))
        else:
            (loose if {"masks", "labels"}.isdisjoint(path.parts) else among_masks).append(path)
    for folder in [folder for folder, files in found.items() if not (masks or files["images"])]:
        files = found.pop(folder)  # masks beside images in another layout
        among_masks += map(PurePosixPath, files["masks"] + files["labels"])
    if all(len(files["images"]) > 1 and not (files["masks"] or files["labels"]) for files in found.values()):
        loose += [PurePosixPath(name) for files in found.values() for name in files["images"]]
        found.clear()  # another layout, with folders called images
    if among_masks:
        logger.info(
            f"{source}: left out {len(among_masks)} images in folders called masks or labels that belong to no image: "
            f"{among_masks[0]}"
        )
    images = [_image_files(folder, files, source) for folder, files in found.items()]
    if not found:
        images = _loose_images(loose)
    elif loose:
        logger.info(f"{source}: left out {len(loose)} images outside <id>/images folders, where others are: {loose[0]}")
    if not masks:
        images = [ImageFiles(image.image_id, image.image_name) for image in images]
    if not images:
        raise InputError(f"{source}: no images found; give a folder or archive of images, or of <id>/images/<id>.png")
    return sorted_by_id(images, lambda image: image.image_id, lambda image: image.image_name, source)


def _report_unread(names: Sequence[str], source: str) -> None:
    unread = [name for name in sorted(names) if is_unread_image(PurePosixPath(name)) and not _is_truth(name)]
    if unread:
        logger.info(
            f"{source}: left out {len(unread)} images of kinds that are not read: {unread[0]}; save them as TIFF"
        )


def _report_strays(names: Sequence[str], source: str) -> None:
    """Report files among masks and label images that are no images, such as arrays: objects may be missing."""
    among = [name for name in names if _is_truth(name)]
    strays = [name for name in among if not is_image(path := PurePosixPath(name)) and path.name not in BYSTANDERS]
    if strays:
        logger.info(f"{source}: left out {len(strays)} files among masks that are no images, such as {strays[0]}")


def _is_truth(name: str) -> bool:
    return PurePosixPath(name).parent.name in ("masks", "labels")


def _loose_images(paths: Sequence[PurePosixPath]) -> list[ImageFiles]:
    """Identify images by name, or if names repeat by path within the innermost folder that holds all."""
    if len({path.stem for path in paths}) == len(paths):
        return [ImageFiles(path.stem, str(path)) for path in paths]
    depth = len(PurePosixPath(os.path.commonpath([f"/{path.parent}" for path in paths])).parts) - 1
    return [ImageFiles("_".join(path.with_suffix("").parts[depth:]), str(path)) for path in paths]


def is_in_kaggle_layout(image_id: str, image_name: str) -> bool:
    """Return whether an image is in a folder of its own, <id>/images.

    Example:
        >>> is_in_kaggle_layout("a", "train/a/images/a.png"), is_in_kaggle_layout("a", "images/a.png")
        (True, False)
    """
    folder = PurePosixPath(image_name).parent
    return folder.name == "images" and folder.parent.name == image_id


def _image_files(folder: str, files: Mapping[str, Sequence[str]], source: str) -> ImageFiles:
    for kind in ("images", "labels"):
        if len(files[kind]) > 1:
            raise InputError(
                f"{source}: {folder}/{kind} holds {len(files[kind])} images; leave one in each {kind} folder, the "
                f"layout is <id>/images/<id>.png with <id>/masks/*.png or <id>/labels/<id>.png"
            )
    if files["labels"] and files["masks"]:
        raise InputError(f"{source}: {folder} holds both masks and a label image; keep only one kind")
    image_id = PurePosixPath(folder).name
    image_name = files["images"][0] if files["images"] else f"{folder}/images/{image_id}.png"
    return ImageFiles(image_id, image_name, tuple(files["masks"]), "".join(files["labels"]))
