"""StarDist on the same fold of the Data Science Bowl's images, for as many minutes, scored by the same scorer.

    python3 -m venv rival
    rival/bin/pip install tensorflow-cpu==2.21.0 stardist==0.9.2 csbdeep .
    rival/bin/python benchmarks/stardist_rival.py --dataset stage1_train.zip --fold 0 --minutes 54

It trains from scratch: RGB normalised per image to percentiles 1 to 99.8, 32 rays, grid 2, 256 px patches, batches
of 4, Adam at 3e-4 with two drops, flips, turns, inversion, intensity jitter. Its two thresholds are chosen on 40
training images; then it predicts the held-out images. Minutes are of training alone. An interrupted run resumes from
the last 100 steps, optimiser included, with the same CSV. The folder holds weights, progress.json and the CSV; another
folder starts anew.
"""

import json
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.batches.folds import split
from common.errors import InputError, run_main
from common.flags import OneLineParser
from common.storage.files import written_aside

if TYPE_CHECKING:
    from common.images.image_set import ImageSet

RATES = ((0.0, 3e-4), (0.5, 1e-4), (0.8, 3e-5))  # learning rate from this share of the training on
EPOCH = 100  # steps between checkpoints
PATCH = 256  # pixels
NUM_FOR_THRESHOLDS = 40
NUM_WATCHED = 4  # images of the validation loss, which StarDist requires and nothing uses


def main() -> None:
    """Train, choose thresholds, predict and score."""
    parser = OneLineParser(__doc__)
    parser.add_argument("--dataset", type=Path, default=Path("data/stage1_train"), metavar="PATH")
    parser.add_argument("--fold", choices=list("01234"), default="0", help="held-out images")
    parser.add_argument("--minutes", type=float, default=54.0, help="minutes of training")
    parser.add_argument("--steps", type=int, help="steps of training, instead of minutes")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N images of each part")
    parser.add_argument("--folder", type=Path, default=Path("logs/stardist"), help="folder of this run")
    flags = parser.parse_args()
    if min(flags.minutes, flags.steps or 1, flags.limit or 1) <= 0:
        raise InputError("--minutes, --steps and --limit must be above 0")
    if find_spec("stardist") is None:
        raise InputError("stardist is not installed; in a venv of its own, pip install stardist==0.9.2 csbdeep")

    from dsb.dataset import load_dataset
    from dsb.evaluation import load_truth, score_report

    dataset = load_dataset(flags.dataset)
    training, held_out = split(dataset, dataset.sizes, flags.fold, flags.limit)
    held_out = held_out.select(np.arange(len(held_out))[: flags.limit])
    model, progress = build_model(flags.folder), Progress(flags.folder, flags.minutes, flags.steps)
    train(model, progress, training)
    output = flags.folder / "submission.csv"
    predict(model, held_out, output, f"{progress.steps} steps, {model.thresholds}")
    report, _ = score_report(output, *load_truth(flags.dataset, held_out.image_ids))
    print(report.text)
    print(f"wrote {output}: {len(held_out)} images")
    print(f"score {report.score:.4f} after {progress.minutes:.1f} minutes and {progress.steps} steps")


class Progress:
    """Progress of a training run, with its checkpoint in the run's folder.

    Args:
        folder: of the run.
        minutes: of the whole training.
        steps: of the whole training; if given, minutes do not count.
    """

    def __init__(self, folder: Path, minutes: float, steps: int | None) -> None:
        self._weights, self._file = folder / "state.weights.h5", folder / "progress.json"
        self._whole = (minutes, steps)
        done = json.loads(self._file.read_text()) if self._file.exists() else {"minutes": 0.0, "steps": 0}
        self.minutes, self.steps = float(done["minutes"]), int(done["steps"])
        self._since = time.monotonic()

    @property
    def share(self) -> float:
        """How much of the training is done; 1 is all of it."""
        minutes, steps = self._whole
        return self.steps / steps if steps else self.minutes / minutes

    def restore(self, network: Any) -> None:
        """Load the checkpoint, if any, into a compiled network."""
        network.optimizer.build(network.trainable_variables)
        if self.steps:
            network.load_weights(self._weights)
            print(f"{self._weights}: resuming after {self.minutes:.1f} minutes and {self.steps} steps")
        self._since = time.monotonic()

    def begin_step(self, network: Any) -> None:
        """Set the learning rate."""
        network.optimizer.learning_rate = next(rate for share, rate in reversed(RATES) if self.share >= share)

    def end_step(self, network: Any) -> None:
        """Count a step, and the time since the last; stop after the last one."""
        now = time.monotonic()
        self.steps, self.minutes, self._since = self.steps + 1, self.minutes + (now - self._since) / 60, now
        network.stop_training = self.share >= 1

    def save(self, network: Any) -> None:
        """Write the checkpoint; killed in between, the weights are an epoch ahead of progress.json."""
        with written_aside(self._weights) as aside:
            network.save_weights(aside)
        with written_aside(self._file) as aside:
            aside.write_text(json.dumps({"minutes": self.minutes, "steps": self.steps}))


class Augmenter:
    """Changes a patch at random: flips, turns, inversion, intensity jitter."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def __call__(self, image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return a changed (H, W, 3) float32 image, values about 0 to 1, and its (H, W) labels."""
        rng = self._rng
        turns = int(rng.integers(4))
        image, labels = np.rot90(image, turns), np.rot90(labels, turns)
        if rng.random() < 0.5:
            image, labels = np.flip(image, axis=1), np.flip(labels, axis=1)
        if rng.random() < 0.25:
            image = 1 - image
        return image * rng.uniform(0.6, 1.6) + rng.uniform(-0.2, 0.2), labels


def build_model(folder: Path) -> Any:
    """Return StarDist's model, not yet trained."""
    from stardist.models import Config2D, StarDist2D

    config = Config2D(
        n_channel_in=3,
        n_rays=32,
        grid=(2, 2),
        train_patch_size=(PATCH, PATCH),
        train_batch_size=4,
        train_learning_rate=RATES[0][1],
        train_reduce_lr=None,
        train_checkpoint=None,  # the last weights count, as ours do
        train_tensorboard=False,
    )
    return StarDist2D(config, name=folder.name, basedir=str(folder.parent))


def train(model: Any, progress: Progress, image_set: "ImageSet") -> None:
    """Train the remaining steps, then choose the thresholds."""
    from csbdeep.utils.tf import keras_import

    small = (image_set.sizes < PATCH).any(axis=1)
    if small.any():
        name = image_set.image_ids[int(np.argmax(small))]
        raise InputError(f"{name}: smaller than StarDist's patches of {PATCH}x{PATCH}; choose a set of larger images")
    images = [normalised(image_set.load_image(row)) for row in range(len(image_set))]
    labels = [image_set.load_label_layers(row)[0] for row in range(len(image_set))]
    model.prepare_for_training()
    network = model.keras_model
    progress.restore(network)
    model.callbacks.append(
        keras_import("callbacks", "LambdaCallback")(
            on_train_batch_begin=lambda step, logs: progress.begin_step(network),
            on_train_batch_end=lambda step, logs: progress.end_step(network),
            on_epoch_end=lambda epoch, logs: progress.save(network),
        )
    )
    if progress.share < 1:
        watched = images[:NUM_WATCHED], labels[:NUM_WATCHED]
        seed = progress.steps  # a resumed run sees new patches
        model.train(
            images, labels, watched, augmenter=Augmenter(seed), seed=seed, epochs=10**6 // EPOCH, steps_per_epoch=EPOCH
        )
    chosen = np.random.default_rng(0).permutation(len(images))[:NUM_FOR_THRESHOLDS].tolist()
    model.optimize_thresholds([images[i] for i in chosen], [labels[i] for i in chosen])


def predict(model: Any, images: "ImageSet", output: Path, fingerprint: str) -> None:
    """Write the predictions in Kaggle's format."""
    from common.masks.rle import encode_label_image
    from common.output.writer import SubmissionWriter

    image_ids: Sequence[str] = images.image_ids
    with SubmissionWriter(output, image_ids, fingerprint) as writer:
        for row in range(len(writer.done), len(image_ids)):
            labels, _ = model.predict_instances(normalised(images.load_image(row)))
            writer.write(image_ids[row], encode_label_image(labels))
        writer.finish()


def normalised(image: np.ndarray) -> np.ndarray:
    """Return an image (H, W, 3) uint8 as float32, its percentiles 1 and 99.8 at 0 and 1.

    Example:
        >>> normalised(np.full((2, 2, 3), 7, np.uint8)).max()
        np.float32(0.0)
    """
    low, high = np.percentile(image, (1, 99.8))
    return ((image - low) / max(high - low, 1e-3)).astype(np.float32)


if __name__ == "__main__":
    run_main(main)
