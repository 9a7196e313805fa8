"""Weights in and out of files, and where the well-known ones come from."""

import os
import urllib.error
import urllib.request
from pathlib import Path

import keras

from common.errors import InputError
from common.files import written_aside

COCO_FILE = "mask_rcnn_coco.h5"
COCO_URL = f"https://github.com/matterport/Mask_RCNN/releases/download/v2.0/{COCO_FILE}"
IMAGENET_FILE = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
IMAGENET_URL = f"https://github.com/fchollet/deep-learning-models/releases/download/v0.2/{IMAGENET_FILE}"
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def save_weights(model: keras.Model, path: Path) -> None:
    """Write a model's weights to `path`, whose name ends in `.weights.h5`, aside first."""
    with written_aside(path) as aside:
        model.save_weights(aside)


def load_weights(model: keras.Model, path: Path) -> None:
    """Read what `save_weights` wrote.

    Raises:
        InputError: no such file, no HDF5 file, a file of the Mask R-CNN library, or weights of another architecture.
    """
    try:
        with path.open("rb") as file:
            signature = file.read(len(HDF5_SIGNATURE))
    except FileNotFoundError:
        raise InputError(f"{path}: no such weights file") from None
    if signature != HDF5_SIGNATURE:
        raise InputError(f"{path}: not an HDF5 file, so no weights; was it cut off in a download?")
    if not path.name.endswith(".weights.h5"):
        raise InputError(f"{path}: weights of the Mask R-CNN library cannot be read yet; use --weights none")
    try:
        model.load_weights(path)
    except (ValueError, KeyError, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        raise InputError(f"{path}: weights of another architecture, or a damaged file: {reason}") from None


def find_published_weights(name: str, folders: list[Path], download_folder: Path) -> Path:
    """Return the file of well-known weights: from the first folder that has it, else downloaded.

    Args:
        name: "coco" or "imagenet".
        folders: where to look first.
        download_folder: made when needed.

    Raises:
        InputError: it is nowhere and cannot be downloaded; says where to get it.
    """
    file_name, url = {"coco": (COCO_FILE, COCO_URL), "imagenet": (IMAGENET_FILE, IMAGENET_URL)}[name]
    for folder in [*folders, download_folder]:
        if (folder / file_name).is_file():
            return folder / file_name
    try:
        download(url, download_folder / file_name)
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(
            f"--weights {name}: {file_name} is not in {' or '.join(map(str, folders))} and cannot be downloaded "
            f"({reason}); get it from {url} and put it there"
        ) from None
    return download_folder / file_name


def download(url: str, path: Path, timeout: float = 30.0) -> None:
    """Fetch a file with a progress bar; written aside, so that a broken download leaves nothing behind.

    Args:
        url: http or https.
        path: the file to write; its folder is made.
        timeout: seconds without an answer.

    Raises:
        urllib.error.URLError: no answer, or not a good one.
        OSError: the connection broke, or the file cannot be written.
    """
    from tqdm import tqdm

    path.parent.mkdir(parents=True, exist_ok=True)
    with urllib.request.urlopen(url, timeout=timeout) as answer, written_aside(path) as aside:
        total = int(answer.headers.get("Content-Length", 0))
        with aside.open("wb") as file, tqdm(total=total or None, unit="B", unit_scale=True, desc=path.name) as bar:
            while block := answer.read(1 << 20):
                file.write(block)
                bar.update(len(block))
            if total and file.tell() != total:
                raise OSError(f"the connection broke after {file.tell()} of {total} bytes")


def cache_folder() -> Path:
    """Return the folder for downloads and caches: `$XDG_CACHE_HOME` or `~/.cache`, and the project's name."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kaggle-segmentation"
