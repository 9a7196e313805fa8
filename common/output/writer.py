"""From images to a submission: prediction here, the masks' work in other processes."""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import numpy as np
from tqdm import tqdm

from common.config import Config
from common.errors import InputError
from common.files import FileTree
from common.output.submission import COLUMNS, SubmissionWriter
from common.parallel import map_in_order, open_executor
from common.prediction.detections import Paintable
from common.prediction.views import View, apply_view, distinct_views

PREDICTING = 2  # images at a time: while one waits for the disk or for one thread's work, another fills the cores


class Images(Protocol):
    """A set of images to predict, numbered 0 to N - 1."""

    @property
    def image_ids(self) -> Sequence[str]:
        """The images' names."""

    def load_image(self, index: int) -> np.ndarray:
        """Return an image, (H, W, 3) uint8."""

    def signature(self) -> str:
        """Return a text that changes when the images change."""


class SizedImages(Images, Protocol):
    """A set of images of known sizes."""

    @property
    def sizes(self) -> np.ndarray:
        """(N, 2) int, height and width, pixels."""


class FiledImages(Images, Protocol):
    """A set of images in files, some of which may be unusable."""

    @property
    def left_out(self) -> Sequence[str]:
        """The unusable images' names, which `image_ids` lacks."""

    @property
    def tree(self) -> FileTree:
        """Where the files are."""


def write_submission(
    images: Images,
    image_ids: Sequence[str],
    predict: Callable[[str, np.ndarray], tuple],
    encode: Callable[..., list[str]],
    output: Path,
    *,
    fingerprint: str,
    num_workers: int,
    columns: Sequence[str] = COLUMNS,
) -> None:
    """Predict image by image, and write rows in the order of `image_ids`; a killed run goes on where it was.

    Args:
        images: the set; an id that it lacks gets an empty row.
        image_ids: every image that is to have rows.
        predict: from an id and an image (H, W, 3) uint8 to the arguments of `encode`; called in this process, in
            several threads.
        encode: returns the rows of an image's objects without its id; called in the workers.
        output: the CSV.
        fingerprint: whatever the rows depend on.
        num_workers: processes; 0 encodes in this one.
        columns: of the CSV.
    """

    def load_and_predict(image_id: str, row: int) -> tuple:
        return predict(image_id, images.load_image(row))

    rows = {image_id: row for row, image_id in enumerate(images.image_ids)}
    with SubmissionWriter(output, image_ids, fingerprint, columns) as writer:
        left = [image_id for image_id in image_ids[len(writer.done) :] if image_id in rows]
        progress = tqdm(image_ids, initial=len(writer.done), desc=output.name, unit="image", smoothing=0.05)
        with progress, ThreadPoolExecutor(PREDICTING) as threads:
            jobs = ((image_id, (image_id, rows[image_id])) for image_id in left)
            predicted = map_in_order(load_and_predict, jobs, threads, ahead=PREDICTING + 1)
            results = map_in_order(encode, predicted, open_executor(num_workers), ahead=2 * num_workers + 1)
            for image_id in image_ids[len(writer.done) :]:
                writer.write(image_id, next(results)[1] if image_id in rows else [])
                progress.update()
        writer.finish()


def detect_views(
    detect: Callable[[Iterable[np.ndarray]], Sequence[Paintable]],
    image: np.ndarray,
    views: Sequence[View],
    min_dim: int,
    rng: np.random.Generator,
    *,
    channel_shift: bool = False,
) -> list[tuple[View, list[int], Paintable]]:
    """Detect objects in the distinct views of an image.

    Args:
        detect: from images (H, W, 3) uint8 to what is found in them.
        image: (H, W, 3) uint8.
        views: all views.
        min_dim: the shorter side that `detect` enlarges an image to.
        rng: source of the channel shifts.
        channel_shift: see `apply_view`.

    Returns:
        Each distinct view, the places at which it stands among all, and what was found in it.
    """
    distinct = distinct_views(views, image.shape[:2], min_dim, channel_shift=channel_shift)
    found = detect(apply_view(image, view, rng, channel_shift=channel_shift) for view, _ in distinct)
    return [(view, places, part) for (view, places), part in zip(distinct, found, strict=True)]


def choose_image_ids(
    images: FiledImages,
    sample_ids: Sequence[str] | None,
    *,
    skip_bad: bool,
    report: Callable[[str], object] = print,
) -> list[str]:
    """Return the ids of the submission: the sample's in its order, else those of all images, sorted.

    An image that cannot be used keeps its id: it gets an empty row.

    Raises:
        InputError: the sample names an image that the set lacks, and `skip_bad` is off.
    """
    if sample_ids is None:
        return sorted([*images.image_ids, *images.left_out])
    known = set(images.image_ids)
    lacking = [image_id for image_id in sample_ids if image_id not in known]
    if lacking and not skip_bad:
        raise InputError(
            f"{images.tree.path}: has no image {lacking[0]} of the sample submission ({len(lacking)} are lacking); "
            "choose the set of the same stage, or give those empty rows with --skip-bad"
        )
    for image_id in lacking:
        report(f"no image {image_id}: it gets an empty row")
    return list(sample_ids)


def image_rng(seed: int, image_id: str) -> np.random.Generator:
    """Return a generator of an image's own, so that its result does not depend on the others."""
    return np.random.default_rng([seed, zlib.crc32(image_id.encode())])


def fingerprint(config: Config, weights: Path, images: Images, *options: object) -> str:
    """Return a line that changes with the config, the weights, the images and the options of a run."""
    digest = hashlib.sha256(weights.read_bytes())
    for part in (asdict(config), images.signature(), list(images.image_ids), [str(o) for o in options]):
        digest.update(json.dumps(part, default=str).encode())
    return digest.hexdigest()
