"""Kaggle's file layout: one DICOM image per patient, and CSVs beside them."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from common.errors import InputError
from common.images.label_index import ImageFiles
from common.log import logger
from common.storage.trees import open_tree

TRAIN = ("stage_2_train_images", "stage_1_train_images", "train")
TEST = ("stage_2_test_images", "stage_1_test_images", "test")
LABELS = ("stage_2_train_labels.csv", "stage_1_train_labels.csv")
CLASS_INFO = ("stage_2_detailed_class_info.csv", "stage_1_detailed_class_info.csv")


def find_images(dataset: Path, names: Sequence[str]) -> Path:
    """Return the folder or zip archive that holds a part's images.

    Args:
        dataset: a folder with Kaggle's folders, their zip archives, or the parts `train`, `val` and `test`; or one of
            these.
        names: possible names of the part's folder.

    Raises:
        InputError: there is none.
    """
    for name in names:
        for path in (dataset / name, dataset / f"{name}.zip"):
            if path.exists():
                return path
    if not dataset.exists():
        raise InputError(f"{dataset}: no such folder or zip archive; give the folder that holds {names[0]}")
    if dataset.is_dir() and not any(path.suffix.lower() == ".dcm" for path in dataset.iterdir()):
        raise InputError(f"{dataset}: holds none of {', '.join(names)}, as folder or zip archive, nor .dcm files")
    return dataset


def find_beside(images: Path, names: Sequence[str]) -> Path | None:
    """Return the first of some files found in the images' folder, or beside it or their archive, or None."""
    folders = [images, images.parent] if images.is_dir() else [images.parent]
    return next((folder / name for folder in folders for name in names if (folder / name).is_file()), None)


def find_dicoms(images: Path, folders: Sequence[str]) -> list[ImageFiles]:
    """Return the DICOM files, sorted by patient; only those in the part's folder, if there is one.

    Args:
        images: folder or zip archive.
        folders: possible names of the part's folder.

    Raises:
        InputError: no files, or two for one patient.
    """
    paths = [PurePosixPath(name) for name in open_tree(images).names() if name.lower().endswith(".dcm")]
    paths = [path for path in paths if path.parent.name in folders] or paths
    by_patient = {path.stem: path for path in paths}
    if not paths:
        raise InputError(f"{images}: holds no .dcm files; give the folder that holds {folders[0]}")
    if len(by_patient) < len(paths):
        raise InputError(f"{images}: holds a patient's file twice; keep one of each")
    return [ImageFiles(patient, str(by_patient[patient])) for patient in sorted(by_patient)]


def match_labels(
    files: Sequence[ImageFiles],
    labels: dict[str, np.ndarray],
    labels_path: Path,
    *,
    skip_bad: bool,
) -> list[ImageFiles]:
    """Return the files of the labelled patients; check that every label has its file.

    Args:
        files: the images.
        labels: by patient.
        labels_path: their file, for messages.
        skip_bad: report images and labels without a counterpart, and leave them out.

    Raises:
        InputError: an image without labels or labels without an image, without `skip_bad`; no pair at all.
    """
    known = {file.image_id for file in files}
    unlabelled = [file.image_id for file in files if file.image_id not in labels]
    missing = [patient for patient in labels if patient not in known]
    for patients, what in ((missing, "without an image"), (unlabelled, "without a row")):
        problem = f"{labels_path}: {len(patients)} patients {what}, such as {' '.join(patients[:1])}"
        if patients and not skip_bad:
            raise InputError(f"{problem}; download both again, or leave these out with --skip-bad")
        if patients:
            logger.info(f"left out: {problem}")
    matched = [file for file in files if file.image_id in labels]
    if not matched:
        raise InputError(f"{labels_path}: labels none of the {len(files)} images; give both from the same stage")
    return matched
