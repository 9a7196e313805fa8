"""An image of 4096x4096 with 3,000 nuclei through tiled detection, joining, merging and run lengths: memory, time.

    python benchmarks/large_image.py
    python benchmarks/large_image.py --side 2048 --nuclei 700 --tasks single

The network of the small preset runs on every tile of every view, with random weights. Its output is replaced by the
true nuclei of the tile, cut at the tile's border, in masks of 28x28 like the network's, so that a realistic number of
objects passes through everything else. Merging and run lengths run in a worker, as in the scripts. The rows are
compared with the ground truth. Peaks are of resident memory; their sum must stay below 3 GiB, else the script fails.
"""

import argparse
import os
import pickle
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import in_own_process, peak_mib, print_table, readable
from common.images.synthetic import generate_sample
from common.masks.instances import Instances, Sample
from common.masks.rle import decode_instances
from common.parallel import open_executor
from common.prediction.detections import Detections
from common.prediction.postprocess import Look, Prediction, run_length_rows
from common.prediction.tiles import tile_boxes
from common.prediction.views import TURNED_VIEWS, View, apply_view, distinct_views, scaled_shape
from common.predictor import Predictor
from common.scoring.dsb import dsb_score
from common.settings.mask_rcnn import usual_scale
from dsb.config import SMALL

LIMIT_MIB = 3 * 1024
MASK_SIDE = 28


def main() -> None:
    """Measure both kinds of prediction, each in its own process, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=4096, help="side of the image, pixels")
    parser.add_argument("--nuclei", type=int, default=3000, help="nuclei in the image")
    parser.add_argument("--tasks", nargs="+", choices=["single", "tta"], default=["single", "tta"], help="what to run")
    flags = parser.parse_args()
    rows = [in_own_process(measure, task, flags.side, flags.nuclei) for task in flags.tasks]
    columns = ("prediction", "image", "nuclei", "found", "score", "tiles", "predicting", "merging and rows")
    print_table((*columns, "sent", "peak", "worker's peak"), rows)


def measure(task: str, side: int, num_nuclei: int) -> tuple[str, ...]:
    """Predict one image, and return a row of the table."""
    with open_executor(1) as worker:
        worker.submit(peak_mib).result()  # a process inherits the peak of the one that starts it: start it early
        image, true = make_image(side, num_nuclei)
        detector = KnowingDetector(true.to_label_image((side, side)))
        start = time.perf_counter()
        predict = {"single": predict_single, "tta": predict_views}[task]
        prediction = predict(detector, image)
        predicted = time.perf_counter()
        runs = worker.submit(run_length_rows, prediction).result()
        end = time.perf_counter()
        peaks = peak_mib(), worker.submit(peak_mib).result()
        sent = _sent_mib(prediction)
    found = decode_instances(runs, (side, side))
    score = dsb_score(true, found, (side, side))
    assert abs(len(found) - len(true)) <= 0.01 * len(true), f"{len(found)} nuclei where there are {len(true)}"
    assert sum(peaks) < LIMIT_MIB, f"more than 3 GiB: {peaks}"
    cells = (f"{side}x{side}", str(len(true)), str(len(found)), f"{score:.3f}", str(detector.num_calls))
    memory = [f"{mib:.0f} MiB" for mib in (sent, *peaks)]
    return task, *cells, readable(predicted - start), readable(end - predicted), *memory


def predict_single(detector: "KnowingDetector", image: np.ndarray) -> Prediction:
    """Return what `dsb/my_inference.py` sends to a worker."""
    detector.look_at(View(), image.shape[:2])
    return predictor_of(detector).look(image)


def predict_views(detector: "KnowingDetector", image: np.ndarray) -> Prediction:
    """Return what `dsb/my_inference_tta.py` sends to a worker."""
    shape, rng = (image.shape[0], image.shape[1]), np.random.default_rng(0)
    predictor, looks = predictor_of(detector), []
    for view, places in distinct_views(TURNED_VIEWS, shape, usual_scale(shape, detector.config.min_dim)):
        detector.look_at(view, shape)
        looks.append(Look(view, places, predictor.detect(apply_view(image, view, rng))))
        print(f"{view}: {detector.num_calls} tiles so far", file=sys.stderr)
    return Prediction(looks, shape, predictor.masking, "majority")


def predictor_of(detector: "KnowingDetector") -> Predictor:
    """Return a predictor that uses the detector."""
    return Predictor.of_function(detector.config, detector)  # type: ignore[arg-type]


class KnowingDetector:
    """Runs the network on each tile, but returns the ground truth; tiles must come in order.

    Args:
        label_image: (H, W) int32, the ground truth.
    """

    def __init__(self, label_image: np.ndarray) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        from common.network.mask_rcnn.detector import Detector
        from common.network.mask_rcnn.model import MaskRCNN

        self.config = SMALL
        self.num_calls = 0
        self._network = Detector(MaskRCNN(SMALL))
        self._label_image = label_image
        self._tiles: Iterator[np.ndarray] = iter(())

    def look_at(self, view: View, image_shape: tuple[int, int]) -> None:
        """Prepare for the tiles of a view."""
        labels = self._label_image[:: -1 if view.flip_ud else 1, :: -1 if view.flip_lr else 1]
        labels = np.rot90(labels, view.turns)
        scaled = scaled_shape(view, image_shape)
        rows, columns = (
            (2 * np.arange(size) + 1) * turned // (2 * size) for turned, size in zip(labels.shape, scaled, strict=True)
        )
        boxes = tile_boxes(scaled, self.config.tile_size, self.config.tile_overlap).tolist()
        self._tiles = (labels[np.ix_(rows[y1:y2], columns[x1:x2])] for y1, x1, y2, x2 in boxes)

    def __call__(self, images: Iterable[np.ndarray]) -> list[Detections]:
        """Return the nuclei of the next tile."""
        (image,) = images
        self._network([image])
        self.num_calls += 1
        labels = next(self._tiles)
        assert labels.shape == image.shape[:2]
        nuclei = Instances.from_label_image(labels)
        nuclei = nuclei.select(np.arange(len(nuclei)) < self.config.max_detections)
        size = (MASK_SIDE, MASK_SIDE)
        probs = [cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) for mask in nuclei.masks]
        stacked = np.array(probs, np.float16).reshape(-1, *size)
        return [Detections(nuclei.boxes.astype(np.float32), nuclei.scores, nuclei.class_ids, stacked, image.shape[:2])]


def make_image(side: int, num_nuclei: int) -> tuple[np.ndarray, Instances]:
    """Return a generated image, made in another process, so its memory does not count."""
    sample = in_own_process(_generate, side, num_nuclei)
    return sample.image, sample.instances


def _generate(side: int, num_nuclei: int) -> Sample:
    return generate_sample(np.random.default_rng(1), "fluorescence", (side, side), num_nuclei)


def _sent_mib(prediction: Prediction) -> float:
    return len(pickle.dumps(prediction)) / 2**20


if __name__ == "__main__":
    main()
