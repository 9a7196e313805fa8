"""What every competition's scripts do once their flags and images are known to be good: train, and predict a set.

Keras loads for seconds, Pandas for one, so they are imported inside of the functions: a script that imports this file
answers at once.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from common.batches.folds import FOLD_SEED
from common.config import Config

if TYPE_CHECKING:
    from common.batches.changes import Change
    from common.batches.loader import TrainingSet
    from common.network.mask_rcnn.detector import Detector
    from common.output.results import Results
    from common.output.writer import Images, SizedImages
    from common.prediction.detections import Paintable

Found: TypeAlias = "Iterator[tuple[int, Paintable]]"  # an image's index in its set, and what was found in it


class Prepare(Protocol):
    """A competition's way from a detector to the rows of its submission."""

    def __call__(
        self, detector: "Detector", config: Any, /
    ) -> tuple[Callable[[str, np.ndarray], tuple], Callable[..., list[str]]]:
        """Return `predict` and `encode` of `common.output.writer.write_submission`."""


def train(
    config: Config,
    flags: argparse.Namespace,
    training: "TrainingSet",
    held_out: "TrainingSet | None" = None,
    *,
    previous: str | None = None,
    rate: Callable[[Found], float] | None = None,
    change: "Change | None" = None,
) -> None:
    """Train a model, or go on with a run that was begun.

    Args:
        config: the run; its folder is `flags.logs` and `config.name`.
        flags: from `parse_training_flags`.
        training: images to learn from.
        held_out: images to watch; none where it is empty, too.
        previous: see `find_start`.
        rate: from what was found in some of the held-out images to the run's score, higher is better.
        change: see `BatchLoader`.
    """
    from common.runs.start import find_start, seen_images

    folder = flags.logs / config.name
    start = find_start(flags.weights, flags.logs, config, previous=previous)
    config = _as_trained(config, flags, start)
    seen: Sequence[str] = seen_images(start.parent) if start else []

    import keras

    from common.batches.loader import BatchLoader
    from common.network.fit import fit, load_start
    from common.network.mask_rcnn.model import MaskRCNN
    from common.network.precision import describe_precision

    watched = held_out if held_out is not None and len(held_out.image_ids) else None
    if start and start.parent not in (folder, flags.logs / str(previous)):
        seen = _warn_of_names(start, seen, watched)
    devices = ", ".join(keras.distribution.list_devices())
    print(f"{keras.backend.backend()} on {devices}; {describe_precision(config.bfloat16)}")
    keras.utils.set_random_seed(config.seed)  # of the initial weights
    model = MaskRCNN(config)
    fit(
        model,
        config,
        BatchLoader(training, config, training=True, change=change),
        BatchLoader(watched, config, training=False) if watched else None,
        folder,
        resume=load_start(model, start, folder, exclude=flags.exclude),
        seen=seen,
        score=_scorer(model, watched, rate) if watched and rate else None,
    )


def predict(
    config: Config,
    weights: Path,
    images: "Images",
    image_ids: Sequence[str],
    output: Path,
    prepare: Prepare,
    *,
    options: Sequence[object] = (),
    num_workers: int = 0,
    columns: Sequence[str] | None = None,
) -> None:
    """Predict a set image by image into a CSV; killed and started again, it finishes the same file.

    Args:
        config: of the model.
        weights: of the model.
        images: the set.
        image_ids: every image that is to have rows, in their order.
        output: the CSV.
        prepare: from the detector and its config to the two halves of the work.
        options: whatever else the rows depend on.
        num_workers: processes beside this one.
        columns: of the CSV; those of run lengths by default.
    """
    from common.network.mask_rcnn.detector import Detector
    from common.network.mask_rcnn.model import MaskRCNN
    from common.network.weights import load_weights
    from common.output.submission import COLUMNS
    from common.output.writer import fingerprint, write_submission
    from common.runs.start import warn_of_trained_images

    warn_of_trained_images(weights, image_ids)
    model = MaskRCNN(config)
    load_weights(model, weights)
    detect, encode = prepare(Detector(model), config)
    write_submission(
        images,
        image_ids,
        detect,
        encode,
        output,
        fingerprint=fingerprint(config, weights, images, encode.__name__, *options),
        num_workers=num_workers,
        columns=columns or COLUMNS,
    )


def predict_results(
    config: Config, weights: Path, images: "SizedImages", output: Path, *, num_workers: int = 0
) -> "Results":
    """Predict a set into a CSV of every object with its class, score and mask, and return them by image.

    Args:
        config: of the model.
        weights: of the model.
        images: the set.
        output: the CSV; its columns are `common.output.results.RESULT_COLUMNS`.
        num_workers: processes beside this one.
    """
    from common.output.results import RESULT_COLUMNS, read_results

    ids = images.image_ids
    predict(config, weights, images, ids, output, prepare_results, num_workers=num_workers, columns=RESULT_COLUMNS)
    print(f"wrote {output}: {len(ids)} images")
    shapes = [(height, width) for height, width in images.sizes.tolist()]
    return read_results(output, dict(zip(ids, shapes, strict=True)))


def prepare_results(detector: "Detector", config: Config) -> tuple[Callable, Callable]:
    """Prepare rows of every object with its class, score and mask as it was detected; `prepare` of `predict`.

    The columns are `common.output.results.RESULT_COLUMNS`.
    """
    from common.output.results import result_rows
    from common.prediction.tiles import choose_detector

    def detect(image_id: str, image: np.ndarray) -> tuple:
        return choose_detector(detector, image.shape[:2], config)([image])[0], config.mask_threshold

    return detect, result_rows


def _warn_of_names(start: Path, seen: Sequence[str], watched: "TrainingSet | None") -> Sequence[str]:
    """Say so where another experiment was trained on images of the same names; return what is known for sure: none.

    Within an experiment such images are refused. Between two, a name may stand for two images.
    """
    both = set(seen).intersection(watched.image_ids if watched else ())
    if both:
        print(
            f"careful: {start} was trained on {len(both)} images with names of those to hold back, such as "
            f"{min(both)}; if they are the same, their score says nothing"
        )
    return ()


def _as_trained(config: Config, flags: argparse.Namespace, start: Path | None) -> Config:
    """Return the config with the geometry of the weights that the run starts from or goes on with."""
    from common.runs.start import adopt_geometry

    adopted = adopt_geometry(config, start, flags)
    if adopted != config:
        print(f"geometry {adopted.geometry}, as {start} was trained; --geometry {config.geometry} overrules that")
    return adopted


def _scorer(model: Any, images: "TrainingSet", rate: Callable[[Found], float]) -> Callable[[], float]:
    """Return a function that rates the model's single predictions of some images, always the same ones."""
    from common.network.mask_rcnn.detector import Detector
    from common.prediction.tiles import choose_detector

    config = model.config
    chosen = np.random.default_rng(FOLD_SEED).permutation(len(images.image_ids))[: config.score_limit].tolist()
    detector = Detector(model)

    def found() -> Found:
        for index in chosen:
            image = images.load_image(index)
            yield index, choose_detector(detector, image.shape[:2], config)([image])[0]

    return lambda: rate(found())
