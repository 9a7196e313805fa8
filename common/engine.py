"""What every competition's scripts do once flags and images are checked: train, and predict a set.

Keras takes seconds to import, Pandas one, so functions import them: a script that imports this file starts at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from common.config import STATE_FILE, RunConfig
from common.errors import InputError
from common.log import logger

if TYPE_CHECKING:
    import numpy as np

    from common.batches.changes import Change
    from common.images.image_set import ImageSet
    from common.output.results import Results
    from common.output.rows import RowMaker
    from common.predictor import Predictor, Views
    from common.runs.start import Start

C = TypeVar("C", bound=RunConfig)


def train(
    config: RunConfig,
    training: "ImageSet",
    held_out: "ImageSet | None",
    start: "Start",
    *,
    score: "Callable[[Predictor, ImageSet], float] | None" = None,
    change: "Change | None" = None,
) -> None:
    """Train a network, or resume its run.

    Args:
        config: of the run; its folder is `start.logs / config.name`.
        training: images to train on.
        held_out: images to validate and score on; may be empty.
        start: what the run starts from.
        score: scores a predictor on some of the held-out images, always the same ones; higher is better.
        change: augments crops instead of flips, rotations and channel shifts.

    Raises:
        InputError: the run was validated so far, and nothing is held out any more.
    """
    from common.runs.log import was_validated
    from common.runs.start import find_start, seen_images

    folder = start.logs / config.name
    watched = held_out if held_out is not None and len(held_out) else None
    if watched is None and (folder / STATE_FILE).exists() and was_validated(folder):
        raise InputError(
            f"{folder}: validated on held-out images so far, and now there are none; hold out the same ones, or choose "
            "another --logs"
        )
    weights = find_start(start, config)
    config = config if start.geometry_given else _as_trained(config, weights)
    seen: Sequence[str] = seen_images(weights.parent) if weights else []
    if weights and weights.parent not in (folder, start.logs / str(start.previous)):
        seen = _warn_of_names(weights, seen, watched)

    from common.network.fit import Beginning, fit, load_start
    from common.network.network import build_network, prepare_backend

    logger.info(prepare_backend(config))
    model = build_network(config)
    resumes = load_start(model, weights, folder, exclude=start.exclude)
    fit(
        model,
        model.batches(training, training=True, change=change),
        model.batches(watched, training=False) if watched else None,
        folder,
        Beginning(resumes, tuple(seen)),
        score=_scorer(model, watched, score) if watched and score else None,
    )


def predict_submission(
    predictor: "Predictor",
    images: "ImageSet",
    image_ids: Sequence[str],
    output: Path,
    *,
    views: "Views | None" = None,
    num_workers: int = 0,
) -> None:
    """Predict a set into a CSV of run lengths, image by image; after an interruption, it resumes the same file.

    Args:
        predictor: finds the objects.
        images: the set.
        image_ids: images to write rows for, in order.
        output: the CSV.
        views: see `Predictor.predict`.
        num_workers: processes besides this one.
    """
    from common.output.rows import RowMaker, image_rng
    from common.prediction.postprocess import run_length_rows

    seed = predictor.config.seed
    options = (views, seed if predictor.config.channel_shift else None)
    look = lambda name, image: predictor.look(image, views, rng=image_rng(seed, name))  # noqa: E731
    maker = RowMaker(look, run_length_rows, options=options)
    predict_rows([predictor], images, image_ids, output, maker, num_workers=num_workers)


def predict_results(
    predictor: "Predictor", images: "ImageSet", output: Path, *, maker: "RowMaker | None" = None, num_workers: int = 0
) -> "Results":
    """Predict a set into a CSV of every object with its class, score and mask, and return them by image.

    Args:
        predictor: finds the objects.
        images: the set.
        output: the CSV.
        maker: makes rows with more columns than `common.output.results.RESULT_COLUMNS`, which are the default.
        num_workers: processes besides this one.
    """
    from common.output.results import RESULT_COLUMNS, read_results, result_rows
    from common.output.rows import RowMaker

    maker = maker or RowMaker(lambda _, image: predictor.look(image), result_rows, RESULT_COLUMNS)
    predict_rows([predictor], images, images.image_ids, output, maker, num_workers=num_workers)
    return read_results(output, images.shapes)


def predict_rows(
    predictors: "Sequence[Predictor]",
    images: "ImageSet",
    image_ids: Sequence[str],
    output: Path,
    maker: "RowMaker",
    *,
    num_workers: int = 0,
) -> None:
    """Predict a set into a CSV of any kind, image by image; after an interruption, it resumes the same file.

    Args:
        predictors: those that the rows depend on.
        images: the set.
        image_ids: images to write rows for, in order.
        output: the CSV.
        maker: makes the rows.
        num_workers: processes besides this one.
    """
    from common.output.rows import fingerprint, write_rows
    from common.runs.start import find_trained_images

    for predictor in predictors:
        if trained := find_trained_images(predictor.weights, image_ids):
            logger.warning(
                f"warning: {predictor.weights} was trained on {len(trained)} of these images, such as {trained[0]}"
            )
    for predictor in predictors:
        predictor.prepare()  # before a file is begun: mismatched weights leave nothing behind
    prints = [fingerprint(one.config, one.weights, images, maker.rows.__name__, *maker.options) for one in predictors]
    full: list[str] = []
    noting = replace(maker, look=_noting_full(maker.look, full))
    try:
        found = write_rows(images, image_ids, noting, output, fingerprint=" ".join(prints), num_workers=num_workers)
    finally:
        if full:
            logger.warning(f"warning: {len(full)} images, such as {min(full)}: each {predictors[0].limits}")
    if not found:
        logger.warning(f"warning: {output}: no objects in any image; {predictors[0].hint}")


def _noting_full(look: "Callable[[str, np.ndarray], Any]", full: list[str]) -> "Callable[[str, np.ndarray], Any]":
    """Return `look`, noting the ids of images that may hold more objects than were found."""

    def look_and_note(image_id: str, image: "np.ndarray") -> Any:
        looked = look(image_id, image)
        if getattr(looked, "full", False):  # a row maker may return anything
            full.append(image_id)
        return looked

    return look_and_note


def _warn_of_names(weights: Path, seen: Sequence[str], watched: "ImageSet | None") -> Sequence[str]:
    """Warn if another experiment was trained on images of the same names; return those seen for certain: none.

    Within one experiment such images are refused; across two, a name may mean two images.
    """
    both = set(seen).intersection(watched.image_ids if watched else ())
    if both:
        logger.warning(
            f"warning: {weights} was trained on {len(both)} images with the names of held-out ones, such as "
            f"{min(both)}; if they are the same, their score is meaningless"
        )
    return ()


def _as_trained(config: C, weights: Path | None) -> C:
    """Return the config with the geometry of the weights that the run starts from or resumes."""
    from common.runs.start import adopt_geometry

    adopted = adopt_geometry(config, weights)
    if adopted != config:
        before, now = (getattr(one, "geometry", None) for one in (config, adopted))
        logger.info(f"geometry {now}, as {weights} was trained with; --geometry {before} overrides it")
    return adopted


def _scorer(model: object, images: "ImageSet", score: "Callable[[Predictor, ImageSet], float]") -> Callable[[], float]:
    """Return a function that scores the model on some images, always the same ones."""
    import numpy as np

    from common.batches.folds import FOLD_SEED
    from common.predictor import Predictor

    predictor = Predictor.of_model(model)
    chosen = np.random.default_rng(FOLD_SEED).permutation(len(images))[: predictor.config.score_limit]
    return lambda: score(predictor, images.select(chosen))
