"""Chest radiographs with masks of the lungs, in a folder or zip archive; no patient is in two folds."""

import csv
import functools
import io
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from common.batches.folds import owner_folds, split_by
from common.errors import InputError
from common.images.decoding import encode_png, read_from_tree
from common.images.image_set import FileSource, ImageSet
from common.images.usable import Reader, read_in_threads, read_usable, refuse_or_report
from common.log import logger
from common.storage.files import written_aside
from common.storage.trees import FileTree, open_tree
from common.terminal.progress import progress_bar
from lung.cache import Cache, load_mask, open_cache
from lung.layouts import SUFFIX, RadiographFiles, find_radiographs

METADATA = "metadata.csv"  # in the set, or beside the archive; columns id and patient, and any others


@dataclass(frozen=True, eq=False)
class Radiographs(FileSource):
    """M radiographs in files, with masks or without.

    Attributes:
        files: names of each radiograph's files in the tree.
        sizes: (M, 2) int, height and width, pixels.
        patients: whose radiograph each is.
        cache: the resized ones; None without masks.
    """

    files: Sequence[RadiographFiles]
    sizes: np.ndarray
    patients: Sequence[str]
    cache: Cache | None = None

    def image_name(self, row: int) -> str:
        """Return the name of a radiograph's file in the tree."""
        return self.files[row].image_name

    def loader(self, row: int) -> Callable[[], np.ndarray]:
        """Return what loads a radiograph in another process."""
        return functools.partial(read_from_tree, self.tree, self.files[row].image_name)

    def load_label_layers(self, row: int) -> list[np.ndarray]:
        """Return its lungs, (H, W) int32: both have the label 1."""
        height, width = self.sizes[row].tolist()
        return [load_mask(self.tree, self.files[row].mask_names, (height, width)).astype(np.int32)]

    def load_class_ids(self, row: int) -> np.ndarray:
        """Return the class of its lungs, (1,) int32."""
        return np.ones(1, np.int32)


class ResizedRadiographs(Radiographs):
    """The same radiographs at the size that the network sees, from the cache."""

    def load_image(self, row: int) -> np.ndarray:
        """Return a radiograph, (S, S, 3) uint8."""
        assert self.cache is not None
        return self.cache.load_image(row)

    def load_label_layers(self, row: int) -> list[np.ndarray]:
        """Return its lungs, (S, S) int32."""
        assert self.cache is not None
        return [self.cache.load_mask(row).astype(np.int32)]


def load_labelled(
    path: str | os.PathLike[str],
    side: int,
    *,
    metadata: Path | None = None,
    skip_bad: bool = False,
    reader: Reader = read_in_threads,
) -> ImageSet[Radiographs]:
    """Open the radiographs that have masks, sorted by id, and check all of them.

    Args:
        path: folder or zip archive, see `lung.layouts`.
        side: at which they are cached, for `resized`, pixels.
        metadata: CSV with columns id and patient; by default `METADATA` in the set or beside the archive. Without one,
            every radiograph is taken for another patient's.
        skip_bad: report unusable radiographs and leave them out.
        reader: reads them.

    Raises:
        InputError: no radiographs with masks; an unusable one without `skip_bad`; metadata that lack one.
    """
    tree = open_tree(path)
    found = find_radiographs(tree)
    files = [one for one in found if one.mask_names]
    if not files:
        raise InputError(
            f"{tree.path}: none of its {len(found)} radiographs has a mask; training and scoring need them"
        )
    if len(files) < len(found):
        first = next(one.image_id for one in found if not one.mask_names)
        logger.info(f"{tree.path}: {len(found) - len(files)} radiographs have no mask, such as {first}; left out")
    patients = _find_patients(tree, metadata, [one.image_id for one in files])
    cache = open_cache(tree, files, side, reader)
    refuse_or_report(cache.problems, str(tree.path), skip_bad=skip_bad)
    source = Radiographs(tree, files, cache.sizes, patients, cache)
    whole = ImageSet.of_all(source, [one.image_id for one in files], cache.sizes)
    return whole.select([not problem for problem in cache.problems])


def load_images(
    path: str | os.PathLike[str], *, skip_bad: bool = False, reader: Reader = read_in_threads
) -> ImageSet[Radiographs]:
    """Open all radiographs, whether they have masks or not, sorted by id, and check them.

    Args:
        path: see `load_labelled`.
        skip_bad: see `load_labelled`.
        reader: see `load_labelled`.

    Raises:
        InputError: no radiographs; an unusable one without `skip_bad`.
    """
    tree = open_tree(path)
    usable = read_usable(
        functools.partial(_read_size, tree),
        find_radiographs(tree),
        source=tree.path.name,
        name=lambda one: one.image_name,
        skip_bad=skip_bad,
        reader=reader,
    )
    files, sizes = zip(*usable, strict=True)
    image_ids = [one.image_id for one in files]
    source = Radiographs(tree, files, np.array(sizes), image_ids)
    return ImageSet.of_all(source, image_ids, source.sizes, has_objects=False)


def resized(images: ImageSet[Radiographs], side: int) -> ImageSet[ResizedRadiographs]:
    """Return the same images at the size at which `load_labelled` cached them."""
    source = ResizedRadiographs(**vars(images.source))
    return ImageSet(source, images.image_ids, np.full((len(images), 2), side), images.rows)


def split(
    images: ImageSet[Radiographs], fold: str, seed: int, limit: int | None = None
) -> tuple[ImageSet[Radiographs], ImageSet[Radiographs]]:
    """Return the radiographs to train on and those held out, no patient in both.

    Args:
        images: N radiographs.
        fold: "0" to "4" holds out a fifth, "all" none.
        seed: of the split into folds.
        limit: keeps only the first training images.

    Raises:
        InputError: nothing is left to train on.
    """
    patients = [images.source.patients[row] for row in images.rows.tolist()]
    held_out = np.zeros(len(images), bool) if fold == "all" else owner_folds(patients, seed=seed) == int(fold)
    return split_by(images, held_out, fold, limit)


def pack(images: ImageSet[Radiographs], side: int, path: Path) -> None:
    """Write resized radiographs, their masks and their patients to a zip archive, which `load_labelled` reads.

    Args:
        images: as `load_labelled` returned them.
        side: at which they are cached, pixels.
        path: the archive.
    """
    small = resized(images, side)
    rows = [("id", "patient", "width", "height")]
    with written_aside(path) as aside, zipfile.ZipFile(aside, "w") as archive:
        for index, image_id in enumerate(progress_bar(images.image_ids, f"writing {path.name}", unit="image")):
            mask = (small.load_label_layers(index)[0] * 255).astype(np.uint8)
            _add(archive, f"images/{image_id}.png", encode_png(small.load_image(index), noisy=True))
            _add(archive, f"masks/{image_id}{SUFFIX}.png", encode_png(mask))
            height, width = images.shape(index)
            rows.append((image_id, images.source.patients[images.rows[index]], str(width), str(height)))
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(rows)
        _add(archive, METADATA, text.getvalue().encode())


def _read_size(tree: FileTree, files: RadiographFiles) -> tuple[int, int]:
    """Return (height, width) of a radiograph, pixels."""
    height, width = read_from_tree(tree, files.image_name).shape[:2]
    return height, width


def _find_patients(tree: FileTree, metadata: Path | None, image_ids: Sequence[str]) -> list[str]:
    """Return whose radiograph each is."""
    inside = [name for name in tree.names() if PurePosixPath(name).name == METADATA]
    beside = tree.path.parent / METADATA
    if len(inside) > 1 and not metadata:
        raise InputError(f"{tree.path}: holds {METADATA} {len(inside)} times; name one with --metadata, unpacked")
    if metadata or (not inside and beside.is_file()):
        path = metadata or beside
        if not path.is_file():
            raise InputError(f"--metadata {path}: no such file; give a CSV with columns id and patient")
        data, name = path.read_bytes(), str(path)
    elif inside:
        data, name = tree.read(inside[0]), f"{tree.path}/{inside[0]}"
    else:
        logger.info(f"{tree.path}: no {METADATA}, so every radiograph counts as another patient's")
        return list(image_ids)
    patients = _parse_patients(data, name)
    if missing := [image_id for image_id in image_ids if image_id not in patients]:
        raise InputError(f"{name}: has no patient for {missing[0]} ({len(missing)} are missing); add the rows")
    return [patients[image_id] for image_id in image_ids]


def _parse_patients(data: bytes, name: str) -> dict[str, str]:
    try:
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
        return {row["id"]: row["patient"] for row in rows if row["patient"]}
    except (UnicodeDecodeError, csv.Error, KeyError):
        raise InputError(
            f"{name}: not a CSV with columns id and patient; correct it, or name another with --metadata"
        ) from None


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name), data)  # without the time, so that the same set gives the same bytes
