"""StarDist and ours on the same held-out images in one run: seconds an image, and score.

    rival/bin/python benchmarks/stardist_rival.py --dataset stage1_train.zip --fold 0 --minutes 54
    rival/bin/python benchmarks/rival_prediction.py --dataset stage1_train.zip --fold 0

In the virtual environment of `stardist_rival.py`, with the StarDist model that it trained: how long StarDist takes
depends on how many objects it proposes, so a hardly trained one is no rival. Both sides predict one view of an image
in memory, in turn, on all cores; the first images of both are not counted, while networks are built.
"""

import os
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np

from benchmarks.measure import print_table
from benchmarks.stardist_rival import Progress, build_model, normalised
from common.batches.folds import in_fold
from common.errors import InputError, run_main
from common.flags import OneLineParser
from common.masks.instances import Instances
from common.masks.layers import unpack_layers
from common.predictor import Predictor
from common.scoring.dsb import score_image
from dsb.dataset import load_dataset

WARM_UP = 3  # images of each side before the clock starts


def main() -> None:
    """Print a table of both sides."""
    parser = OneLineParser(__doc__)
    parser.add_argument("--dataset", type=Path, default=Path("data/stage1_train"), metavar="PATH")
    parser.add_argument("--fold", choices=list("01234"), default="0", help="held-out images")
    parser.add_argument("--limit", type=int, default=65, metavar="N", help="only N images (default: 65)")
    parser.add_argument("--folder", type=Path, default=Path("logs/stardist"), help="folder of StarDist's run")
    parser.add_argument("--weights", default="small", help="ours: an .h5 file, or small (default)")
    flags = parser.parse_args()
    if flags.limit < 1:
        raise InputError(f"--limit {flags.limit}: must be at least 1")
    if find_spec("stardist") is None:
        raise InputError("stardist is not installed; in a venv of its own, pip install stardist==0.9.2 csbdeep")
    if not (flags.folder / "thresholds.json").exists():  # the last that its training writes
        raise InputError(f"{flags.folder}: holds no trained StarDist; run benchmarks/stardist_rival.py first")
    images = load_dataset(flags.dataset)
    rows = np.flatnonzero(in_fold(images.sizes, flags.fold))
    images = images.select(np.sort(np.random.default_rng(0).permutation(rows)[: flags.limit]))
    predictor = Predictor.load(flags.weights)
    sides = {"StarDist": stardist_side(flags.folder), "ours, one view": predictor.predict}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    scores: dict[str, list[float]] = {name: [] for name in sides}
    for row in [*range(min(WARM_UP, len(images))), *range(len(images))]:
        image, (true, _) = images.load_image(row), images.load_truth(row)
        for name, predict in sides.items():
            found, times = timed(predict, image)
            seconds[name].append(times)
            scores[name].append(score_image(true, found, images.shape(row)).score)
    skipped = min(WARM_UP, len(images))
    means = {name: np.mean(values[skipped:], axis=0) for name, values in seconds.items()}
    print(f"{len(images)} images of fold {flags.fold}")
    print_table(
        ["side", "seconds an image", "processor's seconds", "ratio of StarDist's", "score"],
        (
            [
                name,
                f"{clock:.3f}",
                f"{cpu:.3f}",
                f"{clock / means['StarDist'][0]:.2f}",
                f"{np.mean(scores[name][skipped:]):.3f}",
            ]
            for name, (clock, cpu) in means.items()
        ),
    )


def stardist_side(folder: Path) -> Callable[[np.ndarray], Instances]:
    """Return the prediction of the StarDist that `stardist_rival.py` trained."""
    model = build_model(folder)
    model.prepare_for_training()
    Progress(folder, 1, None).restore(model.keras_model)

    def predict(image: np.ndarray) -> Instances:
        labels, _ = model.predict_instances(normalised(image))
        return unpack_layers([labels.astype(np.int32)])

    return predict


def timed(predict: Callable[[np.ndarray], Instances], image: np.ndarray) -> tuple[Instances, tuple[float, float]]:
    """Return a prediction, and its seconds by the clock and of all cores."""
    clock, processor = time.perf_counter(), time.process_time()
    found = predict(image)
    return found, (time.perf_counter() - clock, time.process_time() - processor)


if __name__ == "__main__":
    run_main(main)
