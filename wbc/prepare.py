"""From raw images and masks, one folder per class, to the class-folder layout."""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from common.batches.folds import NUM_FOLDS, split_folds
from common.errors import InputError
from common.images.decoding import decode_stored, is_image, save_image, to_rgb
from common.images.truth_files import decode_mask
from common.images.usable import Oddities, report_oddities
from common.storage.files import written_aside
from common.storage.trees import FileTree
from common.terminal.progress import progress_bar
from wbc.cells import fit_mask

TABLE = "source_files.csv"
SHORTEST_NAME = 4  # letters of an abbreviated class, such as LISC's "Baso"


@dataclass(frozen=True)
class RawImage:
    """A raw image, and where it goes.

    Attributes:
        image_name: in the tree of images.
        mask_name: in the tree of masks; empty without a mask.
        class_name: of its cells; empty without a mask.
        subset: "train", "val" or "detect".
        name: of its files in the layout, without suffix.
    """

    image_name: str
    mask_name: str = ""
    class_name: str = ""
    subset: str = "detect"
    name: str = ""


def plan(images: FileTree, masks: FileTree, class_names: Sequence[str], seed: int) -> list[RawImage]:
    """Find each image's mask, and split the images of every class: four fifths for train, one for val.

    A mask has its image's name, whatever the suffix, in a folder of the same class. Images without one go to detect.

    Args:
        images: one folder per class, named after it or by at least its first four letters; other folders have no masks.
        masks: likewise.
        class_names: of the classes.
        seed: of the split.

    Raises:
        InputError: a mask in a folder of no class, or without an image; two masks, or images with a mask, of the same
            name and class; nothing to train on.
    """
    mask_names: dict[tuple[str, str], str] = {}
    for name in _image_names(masks):
        class_name = find_class(name.parent.name, class_names)
        if not class_name:
            raise InputError(f"{masks.path}/{name.parent}: none of {', '.join(class_names)}; rename the folder")
        _add_once(mask_names, (class_name, name.stem), str(name), masks.path)
    raw_images = [_raw_image(name, mask_names, class_names) for name in _image_names(images)]
    owners: dict[tuple[str, str], str] = {}
    for image in raw_images:
        if image.mask_name:
            key = image.class_name, PurePosixPath(image.image_name).stem
            _add_once(owners, key, image.image_name, images.path)
    lonely = sorted(set(mask_names.values()) - {image.mask_name for image in raw_images})
    if lonely:
        raise InputError(f"{masks.path}/{lonely[0]}: no image of this name in {images.path}; add it or remove the mask")
    groups = np.array([image.class_name for image in raw_images])
    held_out = split_folds(groups, NUM_FOLDS, seed=seed) == 0
    numbers: dict[str, int] = defaultdict(int)
    planned = []
    for image, holds in zip(raw_images, held_out.tolist(), strict=True):
        prefix = image.class_name or "Unlabelled"
        numbers[prefix] += 1
        subset = ("val" if holds else "train") if image.class_name else "detect"
        planned.append(replace(image, subset=subset, name=f"{prefix}_{numbers[prefix]:02}"))
    if not any(image.subset == "train" for image in planned):
        raise InputError(f"{images.path}: no image has a mask in {masks.path}; give folders of the same class names")
    return planned


def find_class(folder: str, class_names: Sequence[str]) -> str:
    """Return the class whose name starts with a folder's, ignoring case; '' if none or several do.

    Example:
        >>> find_class("baso", ["Basophil", "Neutrophil"]), find_class("mixt", ["Basophil"])
        ('Basophil', '')
    """
    found = [name for name in class_names if name.lower().startswith(folder.lower())]
    return found[0] if len(found) == 1 and len(folder) >= SHORTEST_NAME else ""


def write_layout(images: FileTree, masks: FileTree, planned: Sequence[RawImage], output: Path) -> None:
    """Write images and masks as PNG files, masks in their images' sizes, and a table of their sources.

    Args:
        images: see `plan`.
        masks: see `plan`.
        planned: from `plan`.
        output: a new folder, created atomically.

    Raises:
        InputError: the folder exists, or a file is damaged.
    """
    if output.exists():
        raise InputError(f"{output}: exists; choose another folder, or remove it")
    output.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        odd = [_write_image(images, masks, image, aside) for image in progress_bar(planned, output.name, unit="image")]
        report_oddities(masks.path, [image.mask_name for image in planned], odd)
        rows = [f"{one.name}.png,{one.class_name},{one.subset},{one.image_name}" for one in planned]
        with written_aside(aside / TABLE) as table:
            table.write_text("\n".join(["name,class,subset,source_file", *rows]) + "\n", encoding="utf-8")
        aside.chmod(0o755)  # a temporary folder is private
        aside.replace(output)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _add_once(names: dict[tuple[str, str], str], key: tuple[str, str], name: str, folder: Path) -> None:
    if names.setdefault(key, name) != name:
        raise InputError(f"{folder}: {names[key]} and {name} have the same class and name; rename one, and its pair")


def _image_names(tree: FileTree) -> list[PurePosixPath]:
    return [path for path in map(PurePosixPath, tree.names()) if is_image(path)]


def _raw_image(name: PurePosixPath, mask_names: dict[tuple[str, str], str], class_names: Sequence[str]) -> RawImage:
    class_name = find_class(name.parent.name, class_names)
    mask_name = mask_names.get((class_name, name.stem), "")
    return RawImage(str(name), mask_name, class_name if mask_name else "")


def _write_image(images: FileTree, masks: FileTree, raw: RawImage, folder: Path) -> Oddities:
    """Write an image and its mask; return what is unusual about the mask."""
    stored = decode_stored(images.read(raw.image_name), f"{images.path}/{raw.image_name}")
    image = to_rgb(stored, f"{images.path}/{raw.image_name}")
    save_image(folder / raw.subset / "image" / raw.class_name / f"{raw.name}.png", image)
    if not raw.mask_name:
        return Oddities()
    name = f"{masks.path}/{raw.mask_name}"
    mask = decode_mask(masks.read(raw.mask_name), name, stored)
    try:
        pixels = fit_mask(mask.pixels, stored.shape)
    except ValueError as error:
        raise InputError(f"{name}: {error}; replace it") from None
    target = folder / raw.subset / "mask" / raw.class_name / f"{raw.name}.png"
    save_image(target, pixels.view(np.uint8) * np.uint8(255))
    return replace(mask.oddities, parted=0)
