"""Resident memory over a run of 3,000 images: of the predicting process and of its workers.

    python benchmarks/long_run.py
    python benchmarks/long_run.py --network

The images are generated in the real set's sizes, 300 files under ten names each. The 15 views of each go through
merging, run lengths and the CSV writer as in `dsb/my_inference_tta.py`; their detections are random. With --network, a
tiny network also runs on all views, at every fourth row and column, to meet many shapes in little time; its output is
discarded. Memory is measured before each 300th image, always with the same images in progress. Asserts that all names
of a file get the same rows, and that memory after the last image is within 5% of that after 300.
"""

import argparse
import functools
import os
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import print_table
from common.images.synthetic import generate_indexed, write_image
from common.output.rows import RowMaker, make_rows, write_rows
from common.output.submission import check_submission, read_rows
from common.prediction.detections import Detections
from common.prediction.postprocess import Look, Masking, Prediction, run_length_rows
from common.prediction.views import VIEWS, View, apply_view, distinct_views, scaled_shape
from dsb.dataset import load_dataset

NUM_FILES = 300
ID_LENGTH = 8
MASK_SIDE = 28
TOLERANCE = 1.05
MIB = 2**20


def main() -> None:
    """Run over all images and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10 * NUM_FILES, help=f"a multiple of {NUM_FILES}")
    parser.add_argument("--workers", type=int, default=2, help="processes besides the predicting one")
    parser.add_argument("--network", action="store_true", help="also run a tiny network on each view")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), flags.images // NUM_FILES, flags.workers, build_network() if flags.network else None)


def run(folder: Path, num_names: int, num_workers: int, network: Callable | None) -> None:
    """Predict the files `num_names` times, and compare memory and rows."""
    write_images(folder / "images", num_names)
    images = load_dataset(folder / "images", cache=folder / "cache")
    samples: list[tuple[int, int, int]] = []
    start = time.perf_counter()
    output = folder / "submission.csv"
    maker = RowMaker(functools.partial(predict_views, samples, network), run_length_rows)
    make = functools.partial(make_rows, images, maker, num_workers)
    write_rows(images, images.image_ids, make, output, fingerprint="")
    samples.append((len(images), *memory()))
    seconds = time.perf_counter() - start
    assert check_submission(output, images.image_ids) == []
    check_equal_rows(output)
    for process in (1, 2):
        growth = samples[-1][process] / samples[1][process]
        assert growth <= TOLERANCE, f"memory grew to {growth:.2f} times that after {NUM_FILES} images"
    columns = ("images done", "predicting process", f"{num_workers} workers")
    print_table(columns, [(str(done), *(f"{size / MIB:.0f} MiB" for size in sizes)) for done, *sizes in samples[1:]])
    print(f"{len(images)} images in {seconds:.0f} s")


def write_images(folder: Path, num_names: int) -> None:
    """Write the files, and link each under more names; the order of names repeats that of the files."""
    for index in range(NUM_FILES):
        sample = generate_indexed(7, index)
        write_image(folder, sample)
        source = folder / sample.image_id / "images" / f"{sample.image_id}.png"
        for name in range(num_names):
            image_id = f"{name:02d}-{index:0{ID_LENGTH}d}"
            link = folder / image_id / "images" / f"{image_id}.png"
            link.parent.mkdir(parents=True)
            os.link(source, link)
        shutil.rmtree(folder / sample.image_id)


def predict_views(samples: list, network: Callable | None, image_id: str, image: np.ndarray) -> Prediction:
    """Return what the TTA script sends to a worker; depends on the file, not on its name."""
    if int(image_id[-ID_LENGTH:]) == 0:
        samples.append((NUM_FILES * len(samples), *memory()))
    rng = np.random.default_rng(zlib.crc32(image_id[-ID_LENGTH:].encode()))
    shape = (image.shape[0], image.shape[1])
    distinct = distinct_views(VIEWS, shape)
    if network is not None:
        network(apply_view(image[::4, ::4], view, rng) for view, _ in distinct)
    enlarged = shape[0] * shape[1] / 65536
    count = int(np.clip(rng.lognormal(np.log(22 * enlarged**0.7), 0.8), 0, 375))
    centres, radii = rng.uniform(0, shape, (count, 2)), rng.uniform(3, 12, (count, 2))
    looks = [Look(view, places, see(rng, view, centres, radii, shape)) for view, places in distinct]
    return Prediction(looks, shape, Masking(0.5), "votes")


def see(
    rng: np.random.Generator, view: View, centres: np.ndarray, radii: np.ndarray, image_shape: tuple[int, int]
) -> Detections:
    """Return upright ellipses, (N, 2) each y and x, as seen in a view: moved a little, some missed."""
    height, width = image_shape
    seen = rng.random(len(centres)) < 0.95
    centres, radii = (centres + rng.normal(0, 0.5, centres.shape))[seen], radii[seen]
    boxes = np.concatenate([centres - radii, centres + radii], axis=1)
    if view.flip_ud:
        boxes = abs(boxes[:, [2, 1, 0, 3]] - [height, 0, height, 0])
    if view.flip_lr:
        boxes = abs(boxes[:, [0, 3, 2, 1]] - [0, width, 0, width])
    for _ in range(view.turns):
        boxes = np.stack([width - boxes[:, 3], boxes[:, 0], width - boxes[:, 1], boxes[:, 2]], axis=1)
        height, width = width, height
    shape = scaled_shape(view, image_shape)
    boxes = boxes * np.tile(np.array(shape) / (height, width), 2)
    y, x = np.ogrid[-1 : 1 : MASK_SIDE * 1j, -1 : 1 : MASK_SIDE * 1j]
    probs = np.tile(np.float16(1.2 - 0.7 * np.hypot(y, x)), (len(boxes), 1, 1))
    scores = np.sort(rng.uniform(0.9, 1, len(boxes)))[::-1].astype(np.float32)
    return Detections(boxes.astype(np.float32), scores, np.ones(len(boxes), np.int32), probs, shape)


def build_network() -> Callable:
    """Return a detector with a tiny network."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from common.network.mask_rcnn.detector import Detector
    from common.network.mask_rcnn.model import MaskRCNN
    from tests.tiny import TINY

    return Detector(MaskRCNN(TINY))


def memory() -> tuple[int, int]:
    """Return the resident memory of this process and of its children together, bytes."""
    tasks = Path("/proc/self/task").iterdir()
    children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return _resident(os.getpid()), sum(_resident(child) for child in children)


def _resident(process: int) -> int:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def check_equal_rows(output: Path) -> None:
    """Assert that all names of a file got the same rows."""
    rows = read_rows(output, ("ImageId", "EncodedPixels"))
    by_name = rows.groupby(rows["ImageId"].str[:-ID_LENGTH])
    files = [(group["ImageId"].str[-ID_LENGTH:] + group["EncodedPixels"]).tolist() for _, group in by_name]
    assert all(some == files[0] for some in files), "rows depend on earlier images"


if __name__ == "__main__":
    main()
