"""Strips cut from images, whose magnification is known: score and seconds by how far a strip is enlarged.

    python benchmarks/strips.py --dataset stage1_train.zip

A strip is the middle of a larger image, so the image's own scale suits it best; detection knows only its shape.
`--longest-strip` decides how far it is enlarged, see `usual_scale`. Choose by the images that a network was not trained
on, or, as `small` holds out fold 0 alone, which is reported, by the differences on those that it was.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np

from benchmarks.measure import print_table
from common.batches.folds import in_fold
from common.errors import run_main
from common.flags import OneLineParser
from common.images.image_set import ImageSet
from common.masks.instances import Instances
from common.masks.layers import unpack_layers
from common.predictor import Predictor
from common.scoring.dsb import score_image
from common.settings.mask_rcnn import usual_scale
from dsb.dataset import load_dataset

Shape = tuple[int, int]
CUT: tuple[tuple[Shape, Shape, int], ...] = (  # the image's shape, the strip's, pixels, and how many images
    ((520, 696), (162, 519), 10),
    ((520, 696), (348, 524), 10),
    ((256, 320), (100, 320), 14),
    ((256, 320), (160, 320), 10),
    ((360, 360), (112, 360), 8),
    ((256, 256), (80, 256), 20),
)
WARM_UP = 2  # predictions of the first strip of a shape that are not timed


def main() -> None:
    """Print a row for each kind of strip and ratio."""
    parser = OneLineParser(__doc__)
    parser.add_argument("--dataset", type=Path, default=Path("data/stage1_train"), metavar="PATH")
    parser.add_argument("--fold", choices=list("01234"), default="1", help="images to cut from (default: 1)")
    parser.add_argument("--weights", default="small", help="an .h5 file, or small (default)")
    parser.add_argument("--ratios", type=float, nargs="+", default=[4.0, 2.0, 1.5, 1.25], help="of --longest-strip")
    flags = parser.parse_args()
    images = load_dataset(flags.dataset)
    images = images.select(in_fold(images.sizes, flags.fold))
    loaded = Predictor.load(flags.weights)
    predictors = {
        ratio: Predictor(replace(loaded.config, longest_strip=ratio), loaded.weights) for ratio in flags.ratios
    }
    columns = ("cut from", "images", "strip", "ratio", "scale", "image's scale", "score", "seconds", "processor's")
    print_table(columns, measure(images, predictors))


def measure(images: ImageSet, predictors: dict[float, Predictor]) -> Iterator[list[str]]:
    """Yield the rows of the table."""
    rng = np.random.default_rng(0)
    for image_shape, shape, count in CUT:
        rows = rng.permutation(np.flatnonzero((images.sizes == image_shape).all(axis=1)))[:count].tolist()
        strips = [cut(images, row, shape) for row in rows]
        for ratio, predictor in predictors.items():
            min_dim = predictor.config.min_dim
            figures = [timed(predictor, *strip) for strip in [*strips[:1] * WARM_UP, *strips]][WARM_UP:]
            scales = (usual_scale(shape, min_dim, ratio), max(1.0, usual_scale(image_shape, min_dim)))
            score, seconds, processor = np.mean(figures, axis=0)
            names = ["{}x{}".format(*image_shape), str(len(rows)), "{}x{}".format(*shape), f"{ratio:g}"]
            yield [*names, *(f"{scale:.1f}" for scale in scales), f"{score:.3f}", f"{seconds:.2f}", f"{processor:.2f}"]


def cut(images: ImageSet, row: int, shape: Shape) -> tuple[np.ndarray, Instances]:
    """Return the middle of an image, (h, w, 3) uint8, and the objects in it."""
    top, left = ((whole - part) // 2 for whole, part in zip(images.shape(row), shape, strict=True))
    window = slice(top, top + shape[0]), slice(left, left + shape[1])
    (label_image,) = images.load_label_layers(row)
    known, labels = np.unique(np.append(0, label_image[window]), return_inverse=True)
    assert known[0] == 0, "0 is the background, and the first label"
    return np.ascontiguousarray(images.load_image(row)[window]), unpack_layers(
        [labels[1:].reshape(shape).astype(np.int32)]
    )


def timed(predictor: Predictor, image: np.ndarray, true: Instances) -> tuple[float, float, float]:
    """Return the score of a prediction, and its seconds by the clock and of all cores."""
    clock, processor = time.perf_counter(), time.process_time()
    found = predictor.predict(image)
    seconds = time.perf_counter() - clock, time.process_time() - processor
    return score_image(true, found, (image.shape[0], image.shape[1])).score, *seconds


if __name__ == "__main__":
    run_main(main)
