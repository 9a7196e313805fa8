"""What the benchmarks of clusters predict; workers import it, so it is no script."""

import functools
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.cluster.job import Job, prepare_job
from common.engine import look_at
from common.images.image_set import ImageSet, Source
from common.output.rows import RowMaker
from common.prediction.postprocess import run_length_rows
from common.predictor import Predictor

SLOWER = "BENCHMARK_SLOWER"  # in a worker's environment: the factor of its stub work


@dataclass
class Sleeper:
    """Stub work: takes a fixed time, and says which image it was."""

    weights: Path
    seconds: float

    def prepare(self) -> None:
        """Do nothing."""

    def look(self, image_id: str, _: np.ndarray) -> str:
        """Return the image's id."""
        time.sleep(self.seconds * float(os.environ.get(SLOWER, "1")))
        return image_id


class Numbered(Source):
    """Images that are made, not read: as many as wanted, of a few pixels."""

    path = Path("numbered")

    def image_name(self, row: int) -> str:
        """Return nothing: there are no files."""
        return ""

    def signature(self, rows: np.ndarray) -> str:
        """Return the same for all."""
        return "numbered"

    def loader(self, row: int) -> Callable[[], np.ndarray]:
        """Return what makes an image."""
        return functools.partial(tiny_image, row)

    def load_image(self, row: int) -> np.ndarray:
        """Return an image."""
        return tiny_image(row)

    def load_label_layers(self, row: int) -> list[np.ndarray]:
        """Return no objects."""
        return []

    def load_class_ids(self, row: int) -> np.ndarray:
        """Return no objects."""
        return np.zeros(0, np.int32)


def tiny_image(row: int) -> np.ndarray:
    """Return an image of 2 x 2 pixels."""
    return np.full((2, 2, 3), row % 256, np.uint8)


def stub_rows(image_id: str) -> list[str]:
    """Return the run lengths of 20 objects, about as long as those of nuclei; the first names the image."""
    number = int(image_id[1:]) + 1
    return [f"{number} 1", *(" ".join(f"{start} 12" for start in range(1000, 4000, 256)) for _ in range(19))]


def stub_work(folder: Path, count: int, seconds: float) -> tuple[ImageSet, Job]:
    """Return images and a job whose work takes a fixed time."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "w.h5").write_bytes(b"weights")
    sleeper = Sleeper(folder / "w.h5", seconds)
    images = ImageSet.of_all(Numbered(), [f"n{row}" for row in range(count)], np.full((count, 2), 2))
    return images, prepare_job(RowMaker(sleeper.look, stub_rows), [sleeper], 60.0)


def new_set(folder: Path, count: int) -> Path:
    """Return a folder of small generated images, without masks."""
    from common.images.synthetic import generate_indexed, write_image

    for index in range(count):
        write_image(folder, generate_indexed(7, index, [(64, 64), (64, 96)]))
    return folder


def network_work(folder: Path, count: int) -> tuple[ImageSet, Job]:
    """Return generated images and the job of predicting them with the pretrained weights, as `dsb/my_inference.py`."""
    from common.images.synthetic import generate_indexed, write_image
    from dsb.dataset import load_dataset

    for index in range(count):
        write_image(folder / "images", generate_indexed(7, index))
    images = load_dataset(folder / "images", masks=False, cache=folder / "cache")
    predictor = Predictor.load("small")
    return images, prepare_job(RowMaker(functools.partial(look_at, predictor), run_length_rows), [predictor], 600.0)
