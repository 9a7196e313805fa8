"""Finding and downloading COCO's and ImageNet's pretrained weights."""

import urllib.error
import urllib.request
from pathlib import Path

from common.errors import InputError
from common.storage.files import written_aside

COCO_FILE = "mask_rcnn_coco.h5"
COCO_URL = f"https://github.com/matterport/Mask_RCNN/releases/download/v2.0/{COCO_FILE}"
IMAGENET_FILE = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
IMAGENET_URL = f"https://github.com/fchollet/deep-learning-models/releases/download/v0.2/{IMAGENET_FILE}"


def find_published_weights(name: str, folders: list[Path], download_folder: Path) -> Path:
    """Return the file of pretrained weights: from the first folder that has it, else downloaded.

    Args:
        name: "coco" or "imagenet".
        folders: where to look first.
        download_folder: created when needed.

    Raises:
        InputError: not found and not downloadable; says where to get it.
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
    """Download a file with a progress bar, atomically: a broken download leaves nothing behind.

    Args:
        url: http or https.
        path: the file to write; its folder is created.
        timeout: seconds without a response.

    Raises:
        urllib.error.URLError: no response, or an error.
        OSError: the connection broke, or the file cannot be written.
    """
    from common.terminal.progress import progress_bar

    path.parent.mkdir(parents=True, exist_ok=True)
    with urllib.request.urlopen(url, timeout=timeout) as answer, written_aside(path) as aside:
        total = int(answer.headers.get("Content-Length", 0))
        bar = progress_bar(None, path.name, total or None, unit="B", unit_scale=True)
        with aside.open("wb") as file, bar:
            while block := answer.read(1 << 20):
                file.write(block)
                bar.update(len(block))
            if total and file.tell() != total:
                raise OSError(f"the connection broke after {file.tell()} of {total} bytes")
