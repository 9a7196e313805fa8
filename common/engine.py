"""What every competition's scripts do once flags and images are checked: train, and predict a set.

Keras takes seconds to import, Pandas one, so functions import them: a script that imports this file starts at once.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from common.cluster.spread import ALONE, Spread
from common.errors import InputError
from common.log import logger
from common.settings.config import CONFIG_FILE, STATE_FILE, RunConfig
from common.storage.locks import locked

if TYPE_CHECKING:
    import numpy as np

    from common.batches.changes import Change
    from common.images.image_set import ImageSet
    from common.network.training.watch import Watch
    from common.output.results import Results
    from common.output.rows import MakeRows, RowMaker
    from common.predictor import Predictor, Views
    from common.runs.seen import Identity
    from common.runs.start import Start
    from common.runs.trained import Trained

C = TypeVar("C", bound=RunConfig)
LOCK_FILE = ".lock"  # in the folder of a run


def train(
    config: RunConfig,
    training: "ImageSet",
    held_out: "ImageSet | None",
    start: "Start",
    *,
    score: "Callable[[Any, ImageSet], float] | None" = None,
    change: "Change | None" = None,
) -> None:
    """Train a network, or resume its run.

    Args:
        config: of the run; its folder is `start.logs / config.name`.
        training: images to train on.
        held_out: images to validate and score on; may be empty.
        start: what the run starts from.
        score: scores the network's predictor on some of the held-out images, always the same ones; higher is better.
        change: augments crops instead of flips, rotations and channel shifts.

    Raises:
        InputError: another program trains this run, or the one that it starts from; or the run was validated so far,
            and nothing is held out any more.
    """
    with locked(start.logs / config.name / LOCK_FILE, "this run", "choose another --logs"):
        _train(config, training, held_out, start, score, change)


def _train(
    config: RunConfig,
    training: "ImageSet",
    held_out: "ImageSet | None",
    start: "Start",
    score: "Callable[[Any, ImageSet], float] | None",
    change: "Change | None",
) -> None:
    from common.runs.log import was_validated
    from common.runs.seen import seen_images
    from common.runs.start import find_start

    folder = start.logs / config.name
    watched = held_out if held_out is not None and len(held_out) else None
    if watched is None and (folder / STATE_FILE).exists() and was_validated(folder):
        raise InputError(
            f"{folder}: validated on held-out images so far, and now there are none; hold out the same ones, or choose "
            "another --logs"
        )
    weights = find_start(start, config)
    if weights and start.previous and weights.parent == start.logs / start.previous:
        with locked(weights.parent / LOCK_FILE, f"step {start.previous}", "give its weights so far by --weights PATH"):
            pass  # it is not being trained
    config = config if start.geometry_given else _as_trained(config, weights)
    _refuse_nothing_to_learn(training)
    seen: Sequence[Identity] = seen_images(weights.parent) if weights else []
    if weights and weights.parent not in (folder, start.logs / str(start.previous)):
        _warn_of_names(weights, seen, watched)
        seen = [one for one in seen if one[1]]

    from common.network.settings import prepare_keras

    prepare_keras()

    from common.network.network import build_network, prepare_backend
    from common.network.training.beginning import Beginning, load_start
    from common.network.training.fit import fit
    from common.network.training.watch import NOTHING

    logger.info(prepare_backend(config))
    model = build_network(config)
    resumes = load_start(model, weights, folder, exclude=start.exclude)
    fit(
        model,
        model.batches(training, training=True, change=change),
        model.batches(watched, training=False) if watched else None,
        folder,
        Beginning(resumes, tuple(seen)),
        watch=_watch(model, watched, score) if watched else NOTHING,
    )


def predict_submission(
    predictors: "Sequence[Predictor]",
    images: "ImageSet",
    image_ids: Sequence[str],
    output: Path,
    *,
    views: "Views | None" = None,
    spread: Spread = ALONE,
) -> bool:
    """Predict a set into a CSV of run lengths, image by image; after an interruption, it resumes the same file.

    Args:
        predictors: one, or several whose looks are merged together, see `Prediction.joined`.
        images: the set.
        image_ids: images to write rows for, in order.
        output: the CSV.
        views: see `Predictor.predict`.
        spread: over which processes and files.

    Returns:
        Whether the CSV is there, see `predict_rows`.
    """
    from common.output.rows import RowMaker
    from common.prediction.postprocess import run_length_rows

    seeds = [one.config.seed if one.config.channel_shift else None for one in predictors]
    maker = RowMaker(partial(_look_in_views, predictors, views), run_length_rows, options=(views, *seeds))
    return predict_rows(predictors, images, image_ids, output, maker, spread=spread)


def predict_results(
    predictor: "Trained",
    images: "ImageSet",
    output: Path,
    *,
    maker: "RowMaker | None" = None,
    spread: Spread = ALONE,
) -> "Results | None":
    """Predict a set into a CSV of every object with its class, score and mask, and return them by image.

    Args:
        predictor: finds the objects.
        images: the set.
        output: the CSV.
        maker: makes rows with more columns than `common.output.results.RESULT_COLUMNS`, which are the default.
        spread: over which processes and files.

    Returns:
        What was written; None if that was shards, see `predict_rows`.
    """
    from common.output.results import RESULT_COLUMNS, read_results, result_rows
    from common.output.rows import RowMaker

    maker = maker or RowMaker(partial(look_at, predictor), result_rows, RESULT_COLUMNS)
    is_one_file = predict_rows([predictor], images, images.image_ids, output, maker, spread=spread)
    return read_results(output, images.shapes) if is_one_file else None


def predict_rows(
    predictors: "Sequence[Trained]",
    images: "ImageSet",
    image_ids: Sequence[str],
    output: Path,
    maker: "RowMaker",
    *,
    spread: Spread = ALONE,
) -> bool:
    """Predict a set into a CSV of any kind, image by image; after an interruption, it resumes the same file.

    Args:
        predictors: those that the rows depend on.
        images: the set.
        image_ids: images to write rows for, in order.
        output: the CSV.
        maker: makes the rows.
        spread: over which processes and files.

    Returns:
        Whether the CSV is there; False: its shards are, which are still to be merged, and a line says how.
    """
    from common.output.rows import fingerprint, write_rows

    _tell_of_training(predictors, images, image_ids)

    def describe(predictor: "Trained") -> str:
        return fingerprint(predictor.config, predictor.weights, images, maker.rows.__name__, *maker.options)

    before = [describe(predictor) for predictor in predictors]
    for predictor in predictors:
        predictor.prepare()  # before a file is begun: mismatched weights leave nothing behind
    for predictor, described in zip(predictors, before, strict=True):
        if describe(predictor) != described:  # a training saved its next epoch
            raise InputError(f"{predictor.weights}: changed while it was read; run the same command again")
    begun = " ".join(before)
    full: list[str] = []
    try:
        with _making(predictors, images, maker, spread, full) as make:
            if spread.shards:
                found = _write_shards(images, image_ids, make, output, (maker.columns, begun, spread))
            else:
                found = write_rows(images, image_ids, make, output, maker.columns, fingerprint=begun)
    finally:
        if full:
            logger.warning(f"warning: {len(full)} images, such as {min(full)}: each {predictors[0].limits}")
    if not found:
        logger.warning(f"warning: {output}: no objects in any image; {predictors[0].hint}")
    return not spread.shards


def _tell_of_training(predictors: "Sequence[Trained]", images: "ImageSet", image_ids: Sequence[str]) -> None:
    """Say what the weights have to do with a prediction: images that they were trained on, other options."""
    from common.runs.changes import describe_mismatch
    from common.runs.seen import find_seen, seen_images

    wanted = set(image_ids)
    chosen = images.select([image_id in wanted for image_id in images.image_ids])
    for predictor in predictors:
        seen = seen_images(predictor.weights.parent)
        if trained := find_seen(_identities(chosen, seen), seen):
            logger.warning(
                f"warning: {predictor.weights} was trained on {len(trained)} of these images, such as {trained[0]}"
            )
        if others := describe_mismatch(predictor.weights, predictor.config):
            logger.warning(f"warning: {predictor.weights} was trained with {others}")
        if not (predictor.weights.parent / CONFIG_FILE).exists():
            logger.info(f"no {CONFIG_FILE} beside {predictor.weights}, so the preset says how it was trained")


def _write_shards(
    images: "ImageSet",
    image_ids: Sequence[str],
    make: "MakeRows",
    output: Path,
    run: tuple[Sequence[str], str, Spread],
) -> int:
    """Write shards beside where one CSV would be, and say so; return the number of objects."""
    from common.output.shards import Manifest, shards_folder, write_shards

    columns, fingerprint, spread = run
    assert spread.shards
    folder = shards_folder(output)
    begun = Manifest(fingerprint, list(columns), len(image_ids), spread.shards, spread.parquet)
    written = write_shards(images, image_ids, make, folder, begun)
    logger.info(
        f"wrote {folder}: {len(image_ids)} images in {spread.shards} shards; to make one CSV of them: "
        f"python submissions/submission.py merge {folder} --output {output}"
    )
    return sum(shard.num_objects for shard in written.shards)


def look_at(predictor: "Trained", _: str, image: "np.ndarray") -> Any:
    """Return what a predictor says of an image; the usual `RowMaker.look`."""
    return predictor.look(image)


def _look_in_views(predictors: "Sequence[Predictor]", views: "Views | None", image_id: str, image: "np.ndarray") -> Any:
    """Return what predictors say of an image in several views, each with random numbers of its own."""
    from common.output.rows import image_rng
    from common.prediction.postprocess import Prediction

    return Prediction.joined([one.look(image, views, rng=image_rng(one.config.seed, image_id)) for one in predictors])


@contextlib.contextmanager
def _making(
    predictors: "Sequence[Trained]", images: "ImageSet", maker: "RowMaker", spread: Spread, full: list[str]
) -> "Iterator[MakeRows]":
    """Yield what makes rows, here or on a cluster, and appends the ids of images that are full to `full`."""
    from common.output.rows import make_rows

    if spread.scheduler is None:
        noting = replace(maker, look=_noting_full(maker.look, full))
        yield partial(make_rows, images, noting, spread.workers)
        return

    from common.cluster.client import make_rows_on_cluster, open_client
    from common.cluster.job import prepare_job

    job = prepare_job(maker, predictors, spread.time_limit)
    with open_client(spread.scheduler) as client:
        yield partial(make_rows_on_cluster, client, images, job, full.append, skip_bad=spread.skip_bad)


def _noting_full(look: "Callable[[str, np.ndarray], Any]", full: list[str]) -> "Callable[[str, np.ndarray], Any]":
    """Return `look`, noting the ids of images that may hold more objects than were found."""

    def look_and_note(image_id: str, image: "np.ndarray") -> Any:
        looked = look(image_id, image)
        if getattr(looked, "full", False):  # a row maker may return anything
            full.append(image_id)
        return looked

    return look_and_note


def _identities(images: "ImageSet", seen: "Sequence[Identity]") -> "Sequence[Identity]":
    """Return the ids of images with their fingerprints; without them where nothing can be compared with them."""
    known = any(content for _, content in seen)
    return images.identities() if known else [(image_id, "") for image_id in images.image_ids]


def _refuse_nothing_to_learn(training: "ImageSet") -> None:
    """Refuse a training set without a single object."""
    if not any(len(training.load_class_ids(index)) for index in range(len(training))):
        raise InputError(
            f"{training.path}: none of the {len(training)} training images has an object to learn; annotate some "
            "(crowds, and objects of other classes, are not learnt)"
        )


def _warn_of_names(weights: Path, seen: "Sequence[Identity]", watched: "ImageSet | None") -> None:
    """Warn if another experiment was trained on images of the same names whose contents are unknown.

    Within one experiment such images are refused; across two, a name may mean two images.
    """
    unknown = {name for name, content in seen if not content}
    both = unknown.intersection(watched.image_ids if watched else ())
    if both:
        logger.warning(
            f"warning: {weights} was trained on {len(both)} images with the names of held-out ones, such as "
            f"{min(both)}; if they are the same, their score is meaningless"
        )


def _as_trained(config: C, weights: Path | None) -> C:
    """Return the config with the geometry of the weights that the run starts from or resumes."""
    from common.runs.start import adopt_geometry

    adopted = adopt_geometry(config, weights)
    if adopted != config:
        before, now = (getattr(one, "geometry", None) for one in (config, adopted))
        logger.info(f"geometry {now}, as {weights} was trained with; --geometry {before} overrides it")
    return adopted


def _watch(model: Any, images: "ImageSet", score: "Callable[[Any, ImageSet], float] | None") -> "Watch":
    """Return what the run of a model does with its held-out images: score and draw some, always the same ones."""
    from common.batches.folds import first_with_objects, shuffled
    from common.drawing.overlays import draw_overlays
    from common.network.training.watch import Watch
    from common.predictor import predictor_class

    config = model.config
    predictor: Trained = predictor_class(type(config)).of_model(model)
    order = shuffled(images)
    scored = order.first(config.score_limit)
    drawn = cache(lambda: first_with_objects(order, config.overlay_limit))
    predict = lambda image: predictor.look(image).instances()  # noqa: E731
    stretch = getattr(config, "stretch_contrast", False)
    return Watch(
        score=(lambda: score(predictor, scored)) if score else None,
        draw=(lambda: draw_overlays(predict, drawn(), stretch=stretch)) if config.overlay_limit else None,
    )
