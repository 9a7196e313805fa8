"""What a run begins with: weights, or its own checkpoint, if the run that is asked for is the one that began."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import InputError
from common.images.image_set import ImageSet
from common.log import logger
from common.network.weights import load_weights
from common.runs.changes import check_resumable, describe_mismatch, other_task
from common.runs.checkpoint import Checkpoint, progress_saved, read_checkpoint
from common.runs.log import LOG_FILE, drop_epochs_after, read_epochs
from common.runs.seen import Identity, find_seen, parse_images
from common.runs.weights_file import is_ours
from common.settings.config import CONFIG_FILE, LAST_WEIGHTS, STATE_FILE, RunConfig


@dataclass(frozen=True)
class Beginning:
    """How a training run begins.

    Attributes:
        resumes: from the run's own checkpoint.
        seen: images that the starting weights were trained on.
    """

    resumes: bool = False
    seen: tuple[Identity, ...] = ()


ANEW = Beginning()


def load_start(model: Any, start: Path | None, folder: Path, *, exclude: Sequence[str] = ()) -> bool:
    """Load what a run starts from; return whether it resumes from its own checkpoint.

    Layers that are missing or of another shape are left as they are if this project did not write the weights, or if
    they were trained on other classes alone, see `RunConfig.misfits`; else they are refused.

    Args:
        model: a `Network`; takes the weights.
        start: from `find_start`.
        folder: of the run.
        exclude: see `load_weights`; if given, all other layers are loaded as far as they fit.
    """
    if (folder / STATE_FILE).exists():
        logger.info(f"{folder}: resuming after {_progress(model.config, folder)}; another --logs starts anew")
        return True
    if start is None:
        if model.config.default_start != "none":
            logger.warning("warning: frozen batch norm hardly learns from scratch; --norm group does")
        return False
    task = other_task(start, model.config)
    if task and not exclude:
        exclude = model.config.misfits(task)
        for name in exclude:
            logger.info(f"not loaded: {name}, as the file's has other layers")
    for line in load_weights(model, start, partial=bool(exclude or task) or not is_ours(start), exclude=exclude):
        logger.info(f"not loaded: {line}")
    of_a_run = start.name == LAST_WEIGHTS and (start.parent / LOG_FILE).exists()
    logger.info(f"starting from {start}" + (f", after {_progress(model.config, start.parent)}" if of_a_run else ""))
    if others := describe_mismatch(start, model.config):
        logger.info(f"these weights were trained with {others}")
    return False


def _progress(config: RunConfig, folder: Path) -> str:
    """Describe how far a run has come; only a config of the same kind gives the total."""
    try:
        total = f"{type(config).load(folder / CONFIG_FILE).epochs}"
    except InputError:
        total = "some"
    epochs, steps = progress_saved(folder) or (len(read_epochs(folder / LOG_FILE)), 0)
    return f"{epochs} of {total} epochs" + (f" and {steps} steps" if steps else "")


def read_resumable(folder: Path, config: RunConfig, images: ImageSet) -> tuple[Checkpoint, RunConfig]:
    """Return a run's checkpoint and the config it was trained with; say what has changed since.

    Args:
        folder: of the run.
        config: to resume it with.
        images: to go on with.

    Raises:
        InputError: no checkpoint, a damaged one, or one of a run with other images or other fixed hyperparameters.
    """
    saved = read_checkpoint(folder)
    before = _config_of(folder, saved, config)
    for line in check_resumable(folder, before, config):
        logger.info(line)
    _check_images(folder, saved, images)
    return saved, before


def describe_misfit(folder: Path, before: RunConfig, now: RunConfig) -> str:
    """Return why a checkpoint does not fit the model."""
    begun = f"{folder / STATE_FILE}: a checkpoint of another architecture or optimiser"
    if before.schedule != now.schedule:
        schedules = (",".join(map(str, config.schedule)) for config in (before, now))
        return f"{begun}: --schedule was {next(schedules)}, and is {next(schedules)}, where its epoch has other layers"
    return f"{begun}, though its options are the same; was it written by another version? begin with another --logs"


def cut_log(path: Path, epochs: int) -> None:
    """Drop the rows of lost epochs from a log, and say which are missing."""
    drop_epochs_after(path, epochs)
    if lost := set(range(1, epochs + 1)).difference(int(row["epoch"]) for row in read_epochs(path)):
        logger.info(f"{path}: {len(lost)} of the {epochs} epochs done are missing in it, such as {min(lost)}")


def _config_of(folder: Path, saved: Checkpoint, config: RunConfig) -> RunConfig:
    """Return the config that a checkpoint was trained with; that of 0.1.0 lies beside it."""
    if saved.config:
        return type(config).from_json(saved.config, folder / STATE_FILE)
    if (folder / CONFIG_FILE).exists():
        return type(config).load(folder / CONFIG_FILE)
    logger.warning(f"warning: {folder / CONFIG_FILE} is missing, so other hyperparameters than before go unnoticed")
    return config


def _check_images(folder: Path, saved: Checkpoint, images: ImageSet) -> None:
    """Refuse another set of images; report changes."""
    seen, identities = parse_images(saved.images), images.identities()
    known = find_seen(identities, seen)
    if seen and not known:
        raise InputError(
            f"{folder}: this run was trained on other images, such as {min(seen)[0]}; begin another with another "
            f"--logs, from its weights with --weights {folder / LAST_WEIGHTS}"
        )
    if new := len({name for name, _ in identities}) - len(set(known)):
        logger.info(f"resuming with {new} images that were not trained on before")
    elif saved.signature and saved.signature != images.signature():
        logger.info(
            "resuming with other image files than before, by their number, sizes or dates; if this is another set, "
            "begin another run with another --logs"
        )
