"""What a run writes down of its epochs: a row of its log, and TensorBoard events."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import keras

from common.images.decoding import encode_png
from common.network.training.watch import Watch, is_due
from common.runs.events import EventLog
from common.runs.log import LOG_FILE, append_epoch
from common.settings.config import RunConfig


class Record:
    """The record of a run, from an epoch on. A context manager: events are complete when it ends.

    Args:
        folder: of the run.
        model: a `Network`; its config says what is recorded.
        watch: draws the overlays.
        done: number of epochs done; what an interrupted run recorded of later ones is void.

    Raises:
        InputError: from every method, if the folder cannot be written.
    """

    def __init__(self, folder: Path, model: Any, watch: Watch, done: int) -> None:
        self.folder, self.model, self.watch = folder, model, watch
        self.config: RunConfig = model.config
        self.events = EventLog(folder, done + 1)
        if self.config.log_hyperparameters:
            self.events.add_text(done + 1, "config", f"```json\n{self.config.to_json()}```")
            self.events.add_hyperparameters(done + 1, hyperparameters(self.config))

    def draw(self, epoch: int) -> None:
        """Write the overlays of an epoch that is scored; see `Watch.draw`.

        Args:
            epoch: number of epochs done.
        """
        if self.watch.draw is not None and is_due(epoch, self.config.score_every, self.config.epochs):
            for name, image in self.watch.draw():
                self.events.add_png(epoch, f"overlays/{name}", encode_png(image, noisy=True), image.shape[:2])

    def add(self, epoch: int, values: Mapping[str, float]) -> None:
        """Write the numbers of an epoch: into the log as well as for TensorBoard.

        Args:
            epoch: number of epochs done.
            values: losses, learning rate, score and so on, by name.
        """
        append_epoch(self.folder / LOG_FILE, epoch, values)
        self.events.add_scalars(epoch, values)
        if is_due(epoch, self.config.histogram_every, self.config.epochs):
            for weight in self.model.weights:
                self.events.add_histogram(epoch, f"weights/{weight.path}", keras.ops.convert_to_numpy(weight))
        self.events.flush()

    def __enter__(self) -> Self:
        self.events.__enter__()
        return self

    def __exit__(self, *raised: object) -> None:
        self.events.__exit__(*raised)


def hyperparameters(config: RunConfig) -> dict[str, bool | float | str]:
    """Return the options of training as TensorBoard takes them: what is neither a number nor a text becomes one.

    Example:
        >>> hyperparameters(RunConfig(class_names=("cat", "dog")))["class_names"]
        'cat,dog'
    """
    values = {spec.name: getattr(config, spec.name) for spec in config.options("training")}
    return {name: ",".join(map(str, value)) if isinstance(value, tuple) else value for name, value in values.items()}
