"""From images to rows of a CSV, resumed after a kill.

`RowMaker.look` runs in this process: `Predictor.look` returns a `Prediction`, what the network says of an image.
`RowMaker.rows` runs in workers: `Prediction.instances` makes the objects, which become run lengths. On a cluster
(`common/cluster/`), both run in its workers. `SubmissionWriter` writes the rows.
"""

import contextlib
import hashlib
import json
import zlib
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import InputError
from common.images.image_set import ImageSet
from common.log import logger
from common.output.submission import COLUMNS
from common.output.writer import SubmissionWriter
from common.parallel import PREDICTING, map_in_order, open_executor
from common.settings.config import RunConfig
from common.terminal.progress import progress_bar

MakeRows = Callable[[Sequence[int]], Generator[list[str], None, None]]  # the rows of images by their indices


@dataclass(frozen=True)
class RowMaker:
    """How an image becomes rows of a CSV.

    Attributes:
        look: from an id and an image (H, W, 3) uint8 to what `rows` takes; called in several threads of this process,
            or in the workers of a cluster, to which it is pickled.
        rows: returns the rows of an image's objects without its id; called in workers, so a module-level function.
        columns: of the CSV.
        options: what the rows depend on besides the model and the images.
    """

    look: Callable[[str, np.ndarray], Any]
    rows: Callable[[Any], list[str]]
    columns: Sequence[str] = COLUMNS
    options: Sequence[object] = ()


def write_rows(
    images: ImageSet,
    image_ids: Sequence[str],
    make: MakeRows,
    output: Path,
    columns: Sequence[str] = COLUMNS,
    *,
    fingerprint: str,
) -> int:
    """Predict image by image, and write rows in the order of `image_ids`; a killed run resumes where it stopped.

    Args:
        images: the set; an id missing from it gets an empty row.
        image_ids: of the rows.
        make: makes the rows of some images, such as `make_rows`.
        output: the CSV.
        columns: of the CSV.
        fingerprint: all that the rows depend on.

    Returns:
        How many objects the whole file holds.
    """
    indices = {image_id: index for index, image_id in enumerate(images.image_ids)}
    with SubmissionWriter(output, image_ids, fingerprint, columns) as writer:
        left = image_ids[len(writer.done) :]
        progress = progress_bar(image_ids, output.name, initial=len(writer.done), unit="image", smoothing=0.05)
        with progress, contextlib.closing(make([indices[one] for one in left if one in indices])) as made:
            for image_id in left:
                writer.write(image_id, next(made) if image_id in indices else [])
                progress.update()
        writer.finish()
        return writer.num_objects


def make_rows(
    images: ImageSet, maker: RowMaker, num_workers: int, indices: Sequence[int]
) -> Generator[list[str], None, None]:
    """Yield the rows of images, in order; the network runs in this process.

    Args:
        images: the set.
        maker: makes the rows.
        num_workers: processes that make rows of what the network says; 0 makes them in this one.
        indices: of the images.
    """

    def load_and_look(index: int) -> tuple[Any]:
        return (maker.look(images.image_ids[index], images.load_image(index)),)

    with ThreadPoolExecutor(PREDICTING) as threads:
        jobs = ((images.image_ids[index], (index,)) for index in indices)
        looked = map_in_order(load_and_look, jobs, threads, ahead=PREDICTING + 1)
        for _, rows in map_in_order(maker.rows, looked, open_executor(num_workers), ahead=2 * num_workers + 1):
            yield rows


def choose_image_ids(images: ImageSet, sample_ids: Sequence[str] | None, *, skip_bad: bool) -> list[str]:
    """Return the ids of the submission: the sample's in its order, or all of the set, sorted.

    An unusable image keeps its id: it gets an empty row.

    Raises:
        InputError: an image of the sample is missing from the set, without `skip_bad`.
    """
    if sample_ids is None:
        return sorted([*images.image_ids, *images.left_out])
    known = set(images.image_ids)
    missing = [image_id for image_id in sample_ids if image_id not in known]
    if missing and not skip_bad:
        raise InputError(
            f"{images.path}: has no image {missing[0]} of the sample submission ({len(missing)} are missing); "
            "choose the set of the same stage, or give those empty rows with --skip-bad"
        )
    for image_id in missing:
        logger.info(f"no image {image_id}: it gets an empty row")
    return list(sample_ids)


def image_rng(seed: int, image_id: str) -> np.random.Generator:
    """Return an image's own generator, so that its result does not depend on other images."""
    return np.random.default_rng([seed, zlib.crc32(image_id.encode())])


def fingerprint(config: RunConfig, weights: Path, images: ImageSet, *options: object) -> str:
    """Return a line that changes with anything the rows depend on.

    Args:
        config: its prediction options count; its training options do not.
        weights: the file's content counts.
        images: their signature and ids count.
        options: anything else that the rows depend on.
    """
    digest = hashlib.sha256(weights.read_bytes())
    values = {spec.name: getattr(config, spec.name) for spec in config.options("prediction")}
    for part in (values, images.signature(), list(images.image_ids), [str(option) for option in options]):
        digest.update(json.dumps(part, default=str).encode())
    return digest.hexdigest()
