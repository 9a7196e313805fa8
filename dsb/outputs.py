"""Label images and overlays made from a submission, and where they go."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from common.cli import PredictionFlags
from common.drawing.gallery import save_gallery
from common.errors import InputError
from common.images.colours import stretch_contrast
from common.images.decoding import save_image
from common.images.image_set import ImageSet
from common.images.truth_files import labels_to_save
from common.log import logger
from common.masks.instances import Instances
from common.masks.rle import decode_instances
from common.output.submission import COLUMNS, check_submission, read_rows
from dsb.dataset import is_in_kaggle_layout
from dsb.evaluation import Truth

OVERVIEWS = {"overview.png", "all_overview.png"}
SUFFIXES = {"labels": ".tif", "overlays": ".png"}  # of the files in the folders of these flags


def choose_folders(flags: PredictionFlags, images: ImageSet) -> dict[str, Path]:
    """Return the folders to write to, by flag name.

    Images outside Kaggle's layout get label images and overlays beside the CSV, unless flags say otherwise.

    Raises:
        InputError: such a folder holds files that were not written for this set.
    """
    folders = flags.folders(["labels"])
    if flags.own["csv_only"] or any(map(is_in_kaggle_layout, images.image_ids, images.image_names)):
        return folders
    for name, suffix in SUFFIXES.items():
        folder = flags.output.with_name(f"{flags.output.stem}_{name}")
        if name in folders:
            continue
        if images.path.resolve() in (folder.resolve(), *folder.resolve().parents):
            logger.info(f"{folder}: not written, as it lies among the images; choose another folder with --{name}")
            continue
        _refuse_files_of_others(folder, flags.output, {f"{image_id}{suffix}" for image_id in images.image_ids})
        folders[name] = folder
    return folders


def save_overlays(submission: Path, images: ImageSet, true: Truth, folder: Path) -> str:
    """Write each image with its objects, beside the ground truth if known; see `save_gallery`."""
    texts = _read_texts(submission)
    return save_gallery(
        folder,
        (
            (image_id, stretch_contrast(images.load_image(row)))
            for row, image_id in enumerate(images.image_ids)
            if image_id in texts
        ),
        lambda image_id, shape: decode_instances(texts[image_id], shape),
        (lambda image_id, _: true[image_id][0] if image_id in true else Instances.empty()) if true else None,
    )


def save_label_images(submission: Path, shapes: Mapping[str, tuple[int, int]], folder: Path) -> None:
    """Write the objects of each image as `<id>.tif`, see `labels_to_save`: 0 is background, the objects are 1, 2, ...

    Args:
        submission: the CSV.
        shapes: (height, width) of each image.
        folder: created if missing.
    """
    texts = _read_texts(submission)
    for image_id, shape in shapes.items():
        if image_id in texts:
            label_image = decode_instances(texts[image_id], shape).to_label_image(shape)
            save_image(folder / f"{image_id}.tif", labels_to_save(label_image))


def load_label_images(submission: Path, images: ImageSet) -> tuple[ImageSet, Iterator[np.ndarray]]:
    """Return the images in which a submission has objects, and their label images, (H, W) int32, one at a time.

    Args:
        submission: the CSV.
        images: those of the submission.

    Raises:
        InputError: the submission is not valid, has other images than the set, or has no objects.
    """
    problems = check_submission(submission, [*images.image_ids, *images.left_out], images.shapes)
    if problems:
        raise InputError(f"{submission}: {problems[0]} ({len(problems)} problems)")
    texts = _read_texts(submission)
    found = images.select([bool(texts[image_id]) for image_id in images.image_ids])
    if not len(found):
        raise InputError(f"{submission}: holds no masks; predict with a lower --confidence")
    shapes = found.shapes.items()
    return found, (decode_instances(texts[image_id], shape).to_label_image(shape) for image_id, shape in shapes)


def _refuse_files_of_others(folder: Path, submission: Path, own: set[str]) -> None:
    """Refuse an existing folder, unless an earlier run wrote it beside its submission."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    others = names - own - OVERVIEWS if submission.exists() else names
    if others:
        raise InputError(f"{folder}: holds other files, such as {min(others)}; choose another --output, or --csv-only")


def _read_texts(submission: Path) -> dict[str, list[str]]:
    """Return the run lengths of each image's objects."""
    rows = read_rows(submission, COLUMNS).groupby("ImageId")["EncodedPixels"]
    return {str(image_id): [text for text in texts if text.strip()] for image_id, texts in rows}
