"""TensorBoard events of a run, through TensorBoard's own writer, which needs no TensorFlow.

A failing disk is an error of the call that meets it; the writer of tensorboardX would lose it in a thread, and wait.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from common.errors import InputError

BINS = 50  # of a histogram


class EventLog:
    """Events of a run; epochs are TensorBoard's steps. Nothing is sure to be on the disk before `flush`.

    Args:
        folder: of the run.
        first: the first epoch to be written. What an interrupted run wrote of it and of later ones is void: TensorBoard
            leaves it out.

    Raises:
        InputError: from every method, if the folder cannot be written.
    """

    def __init__(self, folder: Path, first: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self.folder = folder
        with self._one_line():
            self._writer = EventFileWriter(str(folder))
            self._writer.add_event(Event(step=first, session_log=SessionLog(status=SessionLog.START)))

    def add_scalars(self, epoch: int, values: Mapping[str, float]) -> None:
        """Write numbers by name."""
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb

        for name, value in values.items():
            self._add(epoch, scalar_pb(name, value))

    def add_text(self, epoch: int, name: str, text: str) -> None:
        """Write a text in Markdown."""
        from tensorboard.plugins.text.summary_v2 import text_pb

        self._add(epoch, text_pb(name, text))

    def add_hyperparameters(self, epoch: int, values: Mapping[str, bool | float | str]) -> None:
        """Write what the HParams page lists of this run; it shows the latest numbers of `add_scalars` beside them.

        Of a run that is resumed with other values, TensorBoard shows the first.
        """
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb  # that of `api` imports TensorFlow

        self._add(epoch, hparams_pb(dict(values)))

    def add_histogram(self, epoch: int, name: str, values: np.ndarray) -> None:
        """Write how numbers of any shape are distributed, in `BINS` bins of equal width."""
        from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary

        counts, edges = np.histogram(values.astype(np.float64), BINS)  # float32 may not part such close values
        histogram = HistogramProto(
            min=edges[0], max=edges[-1], num=values.size, bucket=counts.tolist(), bucket_limit=edges[1:].tolist()
        )
        self._add(epoch, Summary(value=[Summary.Value(tag=name, histo=histogram)]))

    def add_png(self, epoch: int, name: str, png: bytes, image_shape: tuple[int, int]) -> None:
        """Write an image.

        Args:
            epoch: that it is of.
            name: of the image; its epochs are shown in one place.
            png: the file's bytes.
            image_shape: (height, width), pixels.
        """
        from tensorboard.compat.proto.summary_pb2 import Summary

        image = Summary.Image(height=image_shape[0], width=image_shape[1], colorspace=3, encoded_image_string=png)
        self._add(epoch, Summary(value=[Summary.Value(tag=name, image=image)]))

    def flush(self) -> None:
        """Write to the disk what was added so far."""
        with self._one_line():
            self._writer.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, raised: object, *_: object) -> None:
        with contextlib.suppress(Exception) if raised else self._one_line():
            self._writer.close()

    def _add(self, epoch: int, summary: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        with self._one_line():
            self._writer.add_event(Event(step=epoch, wall_time=time.time(), summary=summary))

    @contextlib.contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # the writer's file system may be TensorFlow's, whose errors are no OSError
            reason = str(error).split("\n")[0]
            raise InputError(f"{self.folder}: cannot write TensorBoard events ({reason}); free some space") from error
