"""The process that does the work: a worker's own child, so that a crash or a hang costs the worker one image.

Dask's worker stays alive while its child is killed: it knows which image the child had, and starts another child.
"""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from common.cluster.job import Failure, Made, Work, unpack
from common.errors import InputError
from common.parallel import end_with, map_in_order

STARTING = 600.0  # seconds to import Keras and to build the network, at most
IDLE = 120.0  # seconds without work after which a child ends, and frees its memory
READY = "ready"

Bundle = Sequence[tuple[str, Any]]  # ids of a few images, and what `Work.load` takes of each


class Child:
    """A process that does the work of a job; started with the first bundle, and again after it ended.

    Args:
        packed: see `Job`.
        places: see `unpack`.
    """

    def __init__(self, packed: bytes, places: Mapping[str, Path]) -> None:
        self._packed, self._places = packed, dict(places)
        self._process: subprocess.Popen | None = None

    def make(self, bundle: Bundle, limit: float) -> list[Made | Failure]:
        """Return what was made of the images of a bundle, in order; the list ends where the child was lost.

        Args:
            bundle: images.
            limit: seconds that an image may take.

        Raises:
            InputError: the child cannot start.
        """
        made: list[Made | Failure] = []
        self._start()
        try:
            self._pipe.send(bundle)
            while len(made) < len(bundle):
                if not self._pipe.poll(limit):
                    self.kill()
                    return [*made, Failure(f"took longer than --time-limit {limit:g} seconds")]
                made.append(self._pipe.recv())
        except (EOFError, OSError):
            made.append(Failure(f"its process {self._end()}"))
        return made

    def kill(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._end()

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            self._end()  # it had been idle
        if self._process is not None:
            return
        self._pipe, theirs = multiprocessing.Pipe()
        program = f"import sys; sys.path[:] = {sys.path!r}; from common.cluster.child import serve; "
        program += f"serve({theirs.fileno()})"
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program],
                pass_fds=[theirs.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
            )
        try:
            self._pipe.send((self._packed, self._places))
            answer = self._pipe.recv() if self._pipe.poll(STARTING) else "does not start"
        except (EOFError, OSError):
            raise InputError(f"a worker's process {self._end()} while it started") from None
        if answer != READY:
            self.kill()
            raise InputError(answer)

    def _end(self) -> str:
        """Forget the process, which has ended; return how."""
        assert self._process is not None
        code, self._process = self._process.wait(), None
        self._pipe.close()
        reason = " (a lack of memory?)" if code == -9 else ""
        return f"was killed by signal {-code}{reason}" if code < 0 else f"ended with code {code}"


def serve(descriptor: int) -> None:
    """Work for the process at the other end of a pipe, until that ends or sends nothing for a while."""
    end_with(os.getppid())
    with Connection(descriptor) as pipe:
        try:
            work = unpack(*pipe.recv())
            work.prepare()
        except Exception as error:
            pipe.send(str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}")
            return
        pipe.send(READY)
        try:
            while pipe.poll(IDLE):
                for made in _make(work, pipe.recv()):
                    pipe.send(made)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return  # the worker has ended


def _make(work: Work, bundle: Bundle) -> Iterator[Made | Failure]:
    """Yield what was made of each image; the next one is read meanwhile."""
    jobs = ((image_id, (work.load, (item,))) for image_id, item in bundle)
    with ThreadPoolExecutor(1) as threads:
        for image_id, loaded in map_in_order(_tried, jobs, threads, ahead=2):
            yield loaded if isinstance(loaded, Failure) else _tried(work.make, (image_id, loaded))


def _tried(function: Callable, arguments: tuple) -> Any:
    """Return what a function returns, or why it fails."""
    try:
        return function(*arguments)
    except InputError as error:  # it would be the same the next time
        return Failure(str(error), final=True)
    except Exception as error:
        return Failure(f"{type(error).__name__}: {error}")
