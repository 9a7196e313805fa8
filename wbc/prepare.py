"""From raw pictures and masks, a folder a class, to the class-folder layout."""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
from tqdm import tqdm

from common.batches.folds import NUM_FOLDS
from common.batches.sampler import split_folds
from common.errors import InputError
from common.files import FileTree, written_aside
from common.images.decoding import decode_picture, is_picture, save_picture
from wbc.cells import decode_cell_mask, fit_mask

TABLE = "source_files.csv"
SHORTEST_NAME = 4  # letters of an abbreviated class, as LISC's "Baso"


@dataclass(frozen=True)
class RawPicture:
    """A raw picture, and where it goes.

    Attributes:
        image_name: in the tree of pictures.
        mask_name: in the tree of masks; empty where there is none.
        class_name: of its cells; empty where there is no mask.
        subset: "train", "val" or "detect".
        name: of its files in the layout, without ending.
    """

    image_name: str
    mask_name: str = ""
    class_name: str = ""
    subset: str = "detect"
    name: str = ""


def plan(images: FileTree, masks: FileTree, class_names: Sequence[str], seed: int) -> list[RawPicture]:
    """Find each picture's mask, and deal the pictures of every class: four fifths to train, one to val.

    A mask has its picture's name, whatever the ending, in a folder of the same class. Pictures without one go to
    detect.

    Args:
        images: a folder a class, named as the class or by its first letters, at least four; others hold no masks.
        masks: likewise.
        class_names: of the classes.
        seed: of the dealing.

    Raises:
        InputError: a mask whose folder is no class's, or without a picture; two masks, or pictures with a mask, of one
            name and class; nothing to train on.
    """
    mask_names: dict[tuple[str, str], str] = {}
    for name in _picture_names(masks):
        class_name = find_class(name.parent.name, class_names)
        if not class_name:
            raise InputError(f"{masks.path}/{name.parent}: no class of {', '.join(class_names)}; rename the folder")
        _add_once(mask_names, (class_name, name.stem), str(name), masks.path)
    pictures = [_raw_picture(name, mask_names, class_names) for name in _picture_names(images)]
    owners: dict[tuple[str, str], str] = {}
    for picture in pictures:
        if picture.mask_name:
            key = picture.class_name, PurePosixPath(picture.image_name).stem
            _add_once(owners, key, picture.image_name, images.path)
    lonely = sorted(set(mask_names.values()) - {picture.mask_name for picture in pictures})
    if lonely:
        raise InputError(
            f"{masks.path}/{lonely[0]}: no picture of this name in {images.path}; add it or remove the mask"
        )
    groups = np.array([picture.class_name for picture in pictures])
    held_out = split_folds(groups, NUM_FOLDS, seed=seed) == 0
    numbers: dict[str, int] = defaultdict(int)
    planned = []
    for picture, holds in zip(pictures, held_out.tolist(), strict=True):
        prefix = picture.class_name or "Unlabelled"
        numbers[prefix] += 1
        subset = ("val" if holds else "train") if picture.class_name else "detect"
        planned.append(replace(picture, subset=subset, name=f"{prefix}_{numbers[prefix]:02}"))
    if not any(picture.subset == "train" for picture in planned):
        raise InputError(f"{images.path}: no picture has a mask in {masks.path}; give folders of the same class names")
    return planned


def find_class(folder: str, class_names: Sequence[str]) -> str:
    """Return the class that a folder's name begins, whatever the case; an empty text where none or several.

    Example:
        >>> find_class("baso", ["Basophil", "Neutrophil"]), find_class("mixt", ["Basophil"])
        ('Basophil', '')
    """
    found = [name for name in class_names if name.lower().startswith(folder.lower())]
    return found[0] if len(found) == 1 and len(folder) >= SHORTEST_NAME else ""


def write_layout(images: FileTree, masks: FileTree, pictures: Sequence[RawPicture], output: Path) -> None:
    """Write pictures and masks as PNG files, masks in their pictures' sizes, and a table of where each is from.

    Args:
        images: see `plan`.
        masks: see `plan`.
        pictures: from `plan`.
        output: a folder that does not exist yet; appears when all is written.

    Raises:
        InputError: it does, or a file is damaged.
    """
    if output.exists():
        raise InputError(f"{output}: exists; choose another folder, or remove it")
    output.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    try:
        for picture in tqdm(pictures, output.name, unit="picture"):
            _write_picture(images, masks, picture, aside)
        rows = [f"{one.name}.png,{one.class_name},{one.subset},{one.image_name}" for one in pictures]
        with written_aside(aside / TABLE) as table:
            table.write_text("\n".join(["name,class,subset,source_file", *rows]) + "\n", encoding="utf-8")
        aside.chmod(0o755)  # a temporary folder is its maker's alone
        aside.replace(output)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _add_once(names: dict[tuple[str, str], str], key: tuple[str, str], name: str, folder: Path) -> None:
    if names.setdefault(key, name) != name:
        raise InputError(f"{folder}: {names[key]} and {name} are of one class and one name; rename one, and its pair")


def _picture_names(tree: FileTree) -> list[PurePosixPath]:
    return [path for path in map(PurePosixPath, tree.names()) if is_picture(path)]


def _raw_picture(name: PurePosixPath, mask_names: dict[tuple[str, str], str], class_names: Sequence[str]) -> RawPicture:
    class_name = find_class(name.parent.name, class_names)
    mask_name = mask_names.get((class_name, name.stem), "")
    return RawPicture(str(name), mask_name, class_name if mask_name else "")


def _write_picture(images: FileTree, masks: FileTree, picture: RawPicture, folder: Path) -> None:
    image = decode_picture(images.read(picture.image_name), f"{images.path}/{picture.image_name}")
    save_picture(folder / picture.subset / "image" / picture.class_name / f"{picture.name}.png", image)
    if picture.mask_name:
        name = f"{masks.path}/{picture.mask_name}"
        try:
            mask = fit_mask(decode_cell_mask(masks.read(picture.mask_name), name), (image.shape[0], image.shape[1]))
        except ValueError as error:
            raise InputError(f"{name}: {error}; replace it") from None
        target = folder / picture.subset / "mask" / picture.class_name / f"{picture.name}.png"
        save_picture(target, mask.view(np.uint8) * np.uint8(255))
