"""The training loop: stages, checkpoints, logs, resuming."""

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from common.batches.loader import BatchLoader
from common.errors import InputError
from common.log import logger
from common.network.devices import find_devices
from common.network.training.beginning import ANEW, Beginning, cut_log, describe_misfit, read_resumable
from common.network.training.leaks import refuse_leaks
from common.network.training.optimizer import build_optimizer, learning_rate_at, set_trainable
from common.network.training.record import Record
from common.network.training.signals import signals_wait
from common.network.training.validation import validation_losses
from common.network.training.watch import NOTHING, Watch, is_due
from common.network.weights import save_weights
from common.parallel import map_in_order
from common.runs.checkpoint import Checkpoint, Unfinished, compare_measures, describe_measure, save_checkpoint
from common.runs.log import LOG_FILE
from common.runs.seen import Identity, format_images, seen_images
from common.settings.config import CONFIG_FILE, LAST_WEIGHTS, RunConfig, Stage
from common.storage.files import remove_asides, written_aside
from common.terminal.progress import progress_bar

LOADING = min(8, max(1, (os.cpu_count() or 1) // 2))  # threads that prepare batches; one suffices for a CPU
BEST_WEIGHTS = "best.h5"
DIVERGED = 10  # times the loss of the first epoch, or 1 if that is lower


def fit(
    model: Any,
    training: BatchLoader,
    validation: BatchLoader | None,
    folder: Path,
    beginning: Beginning = ANEW,
    *,
    watch: Watch = NOTHING,
) -> None:
    """Train a network, writing config, log, checkpoints and TensorBoard events to `folder`.

    Every epoch saves the checkpoint and, if it is the best so far, the best weights: by the highest score if the run is
    scored, else the lowest validation loss, else the lowest training loss. Ctrl-C and SIGTERM save the checkpoint after
    the step that runs.

    Args:
        model: a `Network` with the weights to start from; its config is the run's.
        training: batches to train on.
        validation: batches to validate on, if any.
        folder: of this run.
        beginning: anew, or from the folder's checkpoint.
        watch: what to do every `config.score_every` epochs.

    Raises:
        InputError: nothing to resume, hyperparameters or images of another run, held-out images that were trained on
            before, or a loss that diverges, whose epoch is not saved.
    """
    config: RunConfig = model.config
    seen = [*beginning.seen, *(seen_images(folder) if beginning.resumes else ())]
    images = training.images.identities()
    if validation:
        refuse_leaks(folder, training.images, images, validation.images, seen)
    folder.mkdir(parents=True, exist_ok=True)
    remove_asides(folder)
    run = _Run(model, training, validation, folder, watch, sorted({*seen, *images}))
    if beginning.resumes:
        run.restore()
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


class _Run:
    """A training run: its model, its place in the schedule and its files."""

    def __init__(
        self,
        model: Any,
        training: BatchLoader,
        validation: BatchLoader | None,
        folder: Path,
        watch: Watch,
        seen: Sequence[Identity],
    ) -> None:
        self.model, self.config, self.folder = model, model.config, folder
        self.training, self.validation, self.watch, self.seen = training, validation, watch, seen
        self.steps = training.steps_per_epoch
        self.total = self.config.epochs * self.steps
        self.epoch = 0
        self.unfinished = Unfinished()
        self.best: float | None = None  # None: the next epoch is the best so far
        self.first_loss = math.nan
        self.devices = find_devices(self.config.devices)
        self.measure = self._describe_measure()
        self.signature = training.images.signature()
        self.layers = ""
        self._enter_stage()

    def train(self) -> None:
        """Run the remaining epochs, if any; if that is interrupted, save what has been done."""
        if self.epoch >= self.config.epochs:
            return
        first = self.epoch * self.steps + self.unfinished.steps
        with (
            Record(self.folder, self.model, self.watch, self.epoch) as record,
            ThreadPoolExecutor(LOADING) as executor,
            progress_bar(
                None, self.config.name, self.total, initial=first, unit="step", mininterval=1, smoothing=0.05
            ) as bar,
        ):
            jobs = ((self._batch_name(step), (step,)) for step in range(first, self.total))
            batches = map_in_order(self.training.batch_at, jobs, executor, ahead=LOADING + 3)
            try:
                while self.epoch < self.config.epochs:
                    self._enter_stage()
                    logs = self._train_epoch(batches, bar)
                    record.draw(self.epoch + 1)
                    with signals_wait():
                        self._finish_epoch(logs, record)
                    bar.write(self._summary(logs))
                    if note := self.training.note():
                        bar.write(note)
            except KeyboardInterrupt:
                self._save_unfinished()
                raise

    def restore(self) -> None:
        """Restore the checkpoint, and say what has changed since."""
        saved, before = read_resumable(self.folder, self.config, self.training.images)
        if saved.unfinished.steps_per_epoch == self.steps:  # else its epoch begins anew, with the weights so far
            self.unfinished = saved.unfinished
        self.epoch = saved.epoch if saved.unfinished.steps else saved.epoch - 1
        self._enter_stage()  # that of the last step: the next may belong to a stage with other layers
        self.epoch = saved.epoch
        variables = self._variables()
        if [tuple(variable.shape) for variable in variables] != [array.shape for array in saved.arrays]:
            raise InputError(describe_misfit(self.folder, before, self.config))
        for variable, array in zip(variables, saved.arrays, strict=True):
            variable.assign(array)
        self.first_loss = saved.first_loss
        if then := compare_measures(saved.measure, self.measure):
            logger.info(f"{BEST_WEIGHTS} begins anew with the next epoch: {then}")
            self.first_loss = math.nan
        elif (self.folder / BEST_WEIGHTS).exists():
            self.best = saved.best
        cut_log(self.folder / LOG_FILE, self.epoch)

    def _train_epoch(self, batches: Iterator[tuple[str, dict]], bar: tqdm) -> dict[str, float]:
        """Train on the rest of an epoch's batches, validate and score; return what the log says of the epoch."""
        begin = time.monotonic() - self.unfinished.seconds
        while self.unfinished.steps < self.steps:
            name, batch = next(batches)
            with signals_wait():
                means = self._train_step(name, batch, begin)
            bar.set_postfix_str(self._suffix(means), refresh=False)
            bar.update()
        logs = {name: value / self.steps for name, value in self.unfinished.sums.items()}
        logs["learning_rate"] = self._learning_rate()
        self._check_convergence(logs["loss"])
        if self.validation is not None:
            test = partial(self._losses, self.model.test_on_batch)
            means = validation_losses(self.model, self.validation, test)
            logs |= {f"val_{name}": value for name, value in means.items()}
        if self.watch.score is not None and is_due(self.epoch + 1, self.config.score_every, self.config.epochs):
            logs["score"] = self.watch.score()
        return logs | {"seconds": time.monotonic() - begin}

    def _train_step(self, name: str, batch: Mapping, begin: float) -> dict[str, float]:
        """Train on a batch and return the means of the epoch's losses so far."""
        steps = self.unfinished.steps
        rate = learning_rate_at(self.config, self.epoch * self.steps + steps, self.steps)
        self.model.optimizer.learning_rate = rate
        losses = self._losses(self.model.train_on_batch, batch)
        if not math.isfinite(losses["loss"]):
            text = ", ".join(f"{key} {value:g}" for key, value in losses.items())
            raise self._diverged(f"the loss is not finite ({text}) at {name}", "check these images' masks, or ")
        sums = {key: self.unfinished.sums.get(key, 0) + value for key, value in losses.items()}
        self.unfinished = Unfinished(steps + 1, self.steps, time.monotonic() - begin, sums)
        return {key: value / (steps + 1) for key, value in sums.items()}

    def _finish_epoch(self, logs: Mapping[str, float], record: Record) -> None:
        """Save and record everything."""
        self.epoch += 1
        self.unfinished = Unfinished()
        save_weights(self.model, self.folder / LAST_WEIGHTS)
        merit = logs.get("score", -math.inf if self._is_scored() else -logs.get("val_loss", logs["loss"]))
        # A score or a loss is NaN if there was nothing to find.
        if self.best is None or merit > self.best:
            self.best = merit if math.isfinite(merit) else -math.inf
            save_weights(self.model, self.folder / BEST_WEIGHTS)
        record.add(self.epoch, logs)
        self._save_state()  # last: an epoch without it is repeated

    def _check_convergence(self, loss: float) -> None:
        """Stop before an epoch is saved that nobody wants to resume from."""
        if math.isnan(self.first_loss):
            self.first_loss = loss
        if loss > DIVERGED * max(1.0, self.first_loss):
            raise self._diverged(f"the loss has diverged, to {loss:.4g} from {self.first_loss:.4g} in the first epoch")
        for variable in self._variables():
            if not np.isfinite(keras.ops.convert_to_numpy(variable)).all():
                raise self._diverged(f"{variable.path} is not finite after epoch {self.epoch + 1}")

    def _diverged(self, what: str, before: str = "") -> InputError:
        return InputError(
            f"{what}; {before}lower the learning rate (--schedule; here {self._learning_rate():.3g}) or "
            f"--gradient-clip (here {self.config.gradient_clip:g}); this epoch is not saved: the same command with "
            "other values resumes before it"
        )

    def _learning_rate(self) -> float:
        return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def _is_scored(self) -> bool:
        return self.watch.score is not None and self.config.score_every > 0

    def _describe_measure(self) -> str:
        if self.validation is None:
            return describe_measure("training loss", self.config, ())
        by = "score" if self._is_scored() else "validation loss"
        return describe_measure(by, self.config, self.validation.images.image_ids)

    def _losses(self, step: Callable, batch: Mapping) -> dict[str, float]:
        """Return the losses of a step; Keras 3.13 would return means over all steps since its metrics were reset."""
        self.model.reset_metrics()
        with self.devices.scope():
            losses = step(self.devices.split(batch), return_dict=True)
        return {name: float(value) for name, value in losses.items()}

    def _stage(self) -> Stage:
        return next((s for s in self.config.schedule if self.epoch < s.last_epoch), self.config.schedule[-1])

    def _enter_stage(self) -> None:
        """Recompile if the stage trains other layers than the one before."""
        layers = self._stage().layers
        if layers != self.layers:
            self.layers = layers
            set_trainable(self.model, layers)
            with self.devices.scope():
                optimizer = build_optimizer(self.config)
                self.model.compile(optimizer=optimizer, jit_compile=keras.backend.backend() != "tensorflow")
                optimizer.build(self.model.trainable_variables)

    def _suffix(self, means: Mapping[str, float]) -> str:
        """Return the losses as the progress bar's suffix."""
        parts = {"loss": "loss", **self.model.loss_names}
        losses = " ".join(f"{short} {means[name]:.3f}" for name, short in parts.items())
        return f"epoch {self.epoch + 1}/{self.config.epochs} {losses}"

    def _summary(self, logs: Mapping[str, float]) -> str:
        return f"epoch {self.epoch}/{self.config.epochs}: " + ", ".join(f"{k} {v:.4g}" for k, v in logs.items())

    def _batch_name(self, step: int) -> str:
        return f"step {step} (images {', '.join(self.training.image_ids_at(step))})"

    def _variables(self) -> list[Any]:
        return [*self.model.weights, *self.model.random_states, *self.model.optimizer.variables]

    @signals_wait()
    def _save_unfinished(self) -> None:
        """Save the epoch so far, unless it has not begun or nobody would want to resume it."""
        done = self.unfinished
        if not done.steps:
            return
        self._check_convergence(done.sums["loss"] / done.steps)
        save_weights(self.model, self.folder / LAST_WEIGHTS)
        self._save_state()
        logger.info(f"{self.folder}: saved after {self.epoch} epochs and {done.steps} of {self.steps} steps")

    def _save_state(self) -> None:
        checkpoint = Checkpoint(
            self.epoch,
            -math.inf if self.best is None else self.best,
            self.measure,
            self.first_loss,
            format_images(self.seen),
            self.signature,
            self.config.to_json(),
            [keras.ops.convert_to_numpy(variable) for variable in self._variables()],
            self.unfinished,
        )
        save_checkpoint(self.folder, checkpoint)
