"""The training loop: stages, checkpoints, logs, resuming."""

import math
import os
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm.auto import tqdm

from common.batches.loader import BatchLoader
from common.config import CONFIG_FILE, LAST_WEIGHTS, STATE_FILE, RunConfig, Stage
from common.errors import InputError
from common.files import remove_asides, written_aside
from common.log import logger
from common.network.optimizer import build_optimizer, learning_rate_at, set_trainable
from common.network.weights import load_weights, save_weights
from common.parallel import map_in_order
from common.runs.log import LOG_FILE, EventLog, append_epoch, drop_epochs_after, read_epochs
from common.runs.start import seen_images
from common.runs.weights_file import is_ours

LOADING = min(8, max(1, (os.cpu_count() or 1) // 2))  # threads that prepare batches; one suffices for a CPU
BEST_WEIGHTS = "best.h5"


@dataclass(frozen=True)
class Beginning:
    """How a training run begins.

    Attributes:
        resumes: from the run's own checkpoint.
        seen: names of the images that the starting weights were trained on.
    """

    resumes: bool = False
    seen: tuple[str, ...] = ()


def fit(
    model: Any,
    training: BatchLoader,
    validation: BatchLoader | None,
    folder: Path,
    beginning: Beginning = Beginning(),
    *,
    score: Callable[[], float] | None = None,
) -> None:
    """Train a network, writing config, log, checkpoints and TensorBoard events to `folder`.

    Every epoch saves the checkpoint and, if it is the best so far, the best weights: by the highest score if the run is
    scored, else the lowest validation loss, else the lowest training loss.

    Args:
        model: a `Network` with the weights to start from; its config is the run's.
        training: batches to train on.
        validation: batches to validate on, if any.
        folder: of this run.
        beginning: anew, or from the folder's checkpoint.
        score: scores the current weights, higher is better; called every `config.score_every` epochs.

    Raises:
        InputError: nothing to resume, a run of another architecture, held-out images that were trained on before, or
            a loss that is not finite.
    """
    config: RunConfig = model.config
    seen = {*beginning.seen, *(seen_images(folder) if beginning.resumes else ())}
    images = set(training.images.image_ids)
    held_out = set(validation.images.image_ids) - images if validation else set()
    if leaked := sorted(held_out & seen):
        raise InputError(
            f"{folder}: {len(leaked)} of the held-out images, such as {leaked[0]}, were trained on before, so their "
            "score would be meaningless; choose another --logs, or hold out the same images as before"
        )
    folder.mkdir(parents=True, exist_ok=True)
    remove_asides(folder)
    run = _Run(model, training, validation, folder, score, sorted(seen | images))
    if beginning.resumes:
        if new := images - seen:
            logger.info(f"resuming with {len(new)} images that were not trained on before")
        run.restore()
        _report_changes(type(config).load(folder / CONFIG_FILE), config)
    else:
        (folder / LOG_FILE).unlink(missing_ok=True)  # of a run that was killed before its first checkpoint
    with written_aside(folder / CONFIG_FILE) as aside:
        config.save(aside)
    if config.warmup_steps >= run.total:
        logger.warning(
            f"warning: --warmup-steps {config.warmup_steps} cover all {run.total} steps, so the learning rate never "
            "reaches its full value; lower them"
        )
    run.train()


def load_start(model: Any, start: Path | None, folder: Path, *, exclude: Sequence[str] = ()) -> bool:
    """Load what a run starts from; return whether it resumes from its own checkpoint.

    Unless this project wrote the weights, layers that are missing or of another shape are left as they are.

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
    for line in load_weights(model, start, partial=bool(exclude) or not is_ours(start), exclude=exclude):
        logger.info(f"not loaded: {line}")
    of_a_run = start.name == LAST_WEIGHTS and (start.parent / LOG_FILE).exists()
    logger.info(f"starting from {start}" + (f", after {_progress(model.config, start.parent)}" if of_a_run else ""))
    return False


def _progress(config: RunConfig, folder: Path) -> str:
    """Describe how far a run has come; only a config of the same kind gives the total."""
    try:
        total = f"{type(config).load(folder / CONFIG_FILE).epochs}"
    except InputError:
        total = "some"
    return f"{len(read_epochs(folder / LOG_FILE))} of {total} epochs"


class _Run:
    """A training run: its model, its place in the schedule and its files."""

    def __init__(
        self,
        model: Any,
        training: BatchLoader,
        validation: BatchLoader | None,
        folder: Path,
        score: Callable[[], float] | None,
        seen: Sequence[str],
    ) -> None:
        self.model, self.config, self.folder = model, model.config, folder
        self.training, self.validation, self.score, self.seen = training, validation, score, seen
        self.steps = training.steps_per_epoch
        self.total = self.config.epochs * self.steps
        self.epoch = 0
        self.best = -math.inf
        self.layers = ""
        self._enter_stage()

    def train(self) -> None:
        """Run the remaining epochs."""
        events = EventLog(self.folder)
        first = self.epoch * self.steps
        with (
            ThreadPoolExecutor(LOADING) as executor,
            tqdm(
                total=self.total, initial=first, desc=self.config.name, unit="step", mininterval=1, smoothing=0.05
            ) as bar,
        ):
            jobs = ((self._batch_name(step), (step,)) for step in range(first, self.total))
            batches = map_in_order(self.training.batch_at, jobs, executor, ahead=LOADING + 3)
            while self.epoch < self.config.epochs:
                self._enter_stage()
                begin = time.monotonic()
                logs = self._train_epoch(batches, bar)
                logs |= {"learning_rate": float(self.model.optimizer.learning_rate)}
                self.epoch += 1
                self._finish_epoch(logs, begin, bar)
                events.add(self.epoch, logs)

    def restore(self) -> None:
        """Restore the checkpoint."""
        path = self.folder / STATE_FILE
        try:
            with np.load(path, allow_pickle=False) as state:
                self.epoch, self.best = int(state["epoch"]) - 1, float(state["best"])
                self._enter_stage()  # that of the saved epoch: the next may belong to a stage with other layers
                self.epoch += 1
                variables = self._variables()
                arrays = [state[name] for name in state.files if name.startswith("variable_")]
                if [tuple(variable.shape) for variable in variables] != [array.shape for array in arrays]:
                    raise ValueError("other variables")
                for variable, array in zip(variables, arrays, strict=True):
                    variable.assign(array)
        except FileNotFoundError:
            raise InputError(f"{path}: no run to resume; start one without --weights last") from None
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{path}: a checkpoint of another architecture or optimiser, or damaged: {error}"
            ) from None
        drop_epochs_after(self.folder / LOG_FILE, self.epoch)

    def _train_epoch(self, batches: Iterator[tuple[str, dict]], bar: tqdm) -> dict[str, float]:
        """Train on an epoch's batches and return the means of their losses."""
        sums: Counter[str] = Counter()
        for done in range(1, self.steps + 1):
            name, batch = next(batches)
            self.model.optimizer.learning_rate = learning_rate_at(
                self.config, self.epoch * self.steps + done - 1, self.steps
            )
            losses = self._losses(self.model.train_on_batch, batch)
            if not math.isfinite(losses["loss"]):
                text = ", ".join(f"{key} {value:g}" for key, value in losses.items())
                raise InputError(f"the loss is not finite ({text}) at {name}; check these images' masks")
            sums.update(losses)
            means = {key: value / done for key, value in sums.items()}
            bar.set_postfix_str(self._suffix(means), refresh=False)
            bar.update()
        return means

    def _finish_epoch(self, logs: dict[str, float], begin: float, bar: tqdm) -> None:
        """Validate, save everything, write the log; `logs` gets the new entries."""
        if self.validation is not None:
            logs |= {f"val_{name}": value for name, value in self._validate().items()}
        scored = self.score is not None and self.config.score_every > 0
        if self.score is not None and scored and self._scores_now():
            logs["score"] = self.score()
        save_weights(self.model, self.folder / LAST_WEIGHTS)
        merit = logs.get("score", -math.inf if scored else -logs.get("val_loss", logs["loss"]))
        # A score or a loss is NaN if there was nothing to find.
        if merit > self.best or self.epoch == 1:
            self.best = merit if math.isfinite(merit) else -math.inf
            save_weights(self.model, self.folder / BEST_WEIGHTS)
        logs["seconds"] = time.monotonic() - begin
        append_epoch(self.folder / LOG_FILE, self.epoch, logs)
        self._save_state()  # last: an epoch without it is repeated
        bar.write(f"epoch {self.epoch}/{self.config.epochs}: " + ", ".join(f"{k} {v:.4g}" for k, v in logs.items()))

    def _scores_now(self) -> bool:
        return self.epoch % self.config.score_every == 0 or self.epoch == self.config.epochs

    def _validate(self) -> dict[str, float]:
        """Return the means of the losses over the first validation batches.

        The model samples the same anchors and regions each time, and training's random state is left untouched.
        """
        assert self.validation is not None
        steps = min(self.config.validation_steps, self.validation.steps_per_epoch)
        states = self.model.random_states
        before = [keras.ops.convert_to_numpy(state) for state in states]
        for state in states:
            state.assign(np.array([self.config.seed, 0], state.dtype))
        sums: Counter[str] = Counter()
        for step in range(steps):
            sums.update(self._losses(self.model.test_on_batch, self.validation.batch_at(step)))
        for state, values in zip(states, before, strict=True):
            state.assign(values)
        return {key: value / steps for key, value in sums.items()}

    def _losses(self, step: Callable, batch: Mapping) -> dict[str, float]:
        """Return the losses of a step; Keras 3.13 would return means over all steps since its metrics were reset."""
        self.model.reset_metrics()
        return {name: float(value) for name, value in step(batch, return_dict=True).items()}

    def _stage(self) -> Stage:
        return next((s for s in self.config.schedule if self.epoch < s.last_epoch), self.config.schedule[-1])

    def _enter_stage(self) -> None:
        """Recompile if the stage trains other layers than the one before."""
        layers = self._stage().layers
        if layers != self.layers:
            self.layers = layers
            set_trainable(self.model, layers)
            optimizer = build_optimizer(self.config)
            self.model.compile(optimizer=optimizer, jit_compile=keras.backend.backend() != "tensorflow")
            optimizer.build(self.model.trainable_variables)

    def _suffix(self, means: Mapping[str, float]) -> str:
        """Return the losses as the progress bar's suffix."""
        parts = {"loss": "loss", **self.model.loss_names}
        losses = " ".join(f"{short} {means[name]:.3f}" for name, short in parts.items())
        return f"epoch {self.epoch + 1}/{self.config.epochs} {losses}"

    def _batch_name(self, step: int) -> str:
        return f"step {step} (images {', '.join(self.training.image_ids_at(step))})"

    def _variables(self) -> list[Any]:
        return [*self.model.weights, *self.model.random_states, *self.model.optimizer.variables]

    def _save_state(self) -> None:
        arrays = {f"variable_{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(self._variables())}
        with written_aside(self.folder / STATE_FILE) as aside:
            np.savez(aside, allow_pickle=False, epoch=self.epoch, best=self.best, images=self.seen, **arrays)


def _report_changes(before: RunConfig, now: RunConfig) -> None:
    """Log which hyperparameters of a run differ from those it began with."""
    for name, value in vars(before).items():
        if value != getattr(now, name):
            logger.info(f"resuming with another {name}: {getattr(now, name)} instead of {value}")
