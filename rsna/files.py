"""Where Kaggle's files are: a DICOM image a patient, and CSVs beside them."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from common.errors import InputError
from common.files import open_tree
from common.images.label_index import ImageFiles
from common.log import logger

TRAIN = ("stage_2_train_images", "stage_1_train_images", "train")
TEST = ("stage_2_test_images", "stage_1_test_images", "test")
LABELS = ("stage_2_train_labels.csv", "stage_1_train_labels.csv")
CLASS_INFO = ("stage_2_detailed_class_info.csv", "stage_1_detailed_class_info.csv")


def find_images(dataset: Path, names: Sequence[str]) -> Path:
    """Return the folder or zip archive that holds a part's images.

    Args:
        dataset: a folder with Kaggle's folders, their zip archives, or the parts `train`, `val` and `test`; or one of
            these.
        names: of the part's folder.

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
    """Return the first of some files that lies in the images' folder or beside that or their archive; None: none."""
    folders = [images, images.parent] if images.is_dir() else [images.parent]
    return next((folder / name for folder in folders for name in names if (folder / name).is_file()), None)


def find_dicoms(images: Path, folders: Sequence[str]) -> list[ImageFiles]:
    """Return the DICOM files, sorted by patient; those of the part's folder, where there are others, too.

    Args:
        images: folder or zip archive.
        folders: names of the part's folder.

    Raises:
        InputError: none, or two of one patient.
    """
    paths = [PurePosixPath(name) for name in open_tree(images).names() if name.lower().endswith(".dcm")]
    paths = [path for path in paths if path.parent.name in folders] or paths
    by_patient = {path.stem: path for path in paths}
    if not paths:
        raise InputError(f"{images}: holds no .dcm files; give the folder that holds {folders[0]}")
    if len(by_patient) < len(paths):
        raise InputError(f"{images}: holds a patient's file twice; leave one of each")
    return [ImageFiles(patient, str(by_patient[patient])) for patient in sorted(by_patient)]


def match_labels(
    files: Sequence[ImageFiles],
    labels: dict[str, np.ndarray],
    labels_path: Path,
    *,
    skip_bad: bool,
) -> list[ImageFiles]:
    """Return the files of the patients who have labels; see that no label lacks its file.

    Args:
        files: the images.
        labels: by patient.
        labels_path: where they are from, for messages.
        skip_bad: report what has no counterpart, and leave it out.

    Raises:
        InputError: an image without labels or labels without an image, and `skip_bad` is off; no pair at all.
    """
    known = {file.image_id for file in files}
    unlabelled = [file.image_id for file in files if file.image_id not in labels]
    lacking = [patient for patient in labels if patient not in known]
    for patients, what in ((lacking, "without an image"), (unlabelled, "without a row")):
        problem = f"{labels_path}: {len(patients)} patients are {what}, {' '.join(patients[:1])} the first"
        if patients and not skip_bad:
            raise InputError(f"{problem}; fetch both again, or leave these out with --skip-bad")
        if patients:
            logger.info(f"left out: {problem}")
    matched = [file for file in files if file.image_id in labels]
    if not matched:
        raise InputError(f"{labels_path}: knows none of the {len(files)} images; give labels and images of one stage")
    return matched
