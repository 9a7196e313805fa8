"""A real cluster on 127.0.0.1: a scheduler and workers as processes, started by Dask's own commands."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STARTING = 60.0  # seconds


class Processes:
    """A scheduler and workers of one thread each.

    Args:
        folder: for logs and the workers' files.
        port: of the scheduler; by default a free one.
        settings: environment variables of the scheduler and the workers.
    """

    def __init__(self, folder, port=None, **settings):
        self.folder, self.port = Path(folder), port or free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.settings = settings
        self.scheduler: Any = None  # a process, once started
        self.workers = {}
        self.folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self):
        self.start_scheduler()
        return self

    def __exit__(self, *_):
        for process in [*self.workers.values(), self.scheduler]:
            stop(process)

    def start_scheduler(self):
        """Start the scheduler, and wait until it listens."""
        self.scheduler = self._start("scheduler", "dask_scheduler", "--host", "127.0.0.1", "--port", self.port)
        end = time.monotonic() + STARTING
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.05)
        raise TimeoutError((self.folder / "scheduler.log").read_text())

    def start_worker(self, name, *options, **settings):
        """Start a worker without waiting for it; `name` is any."""
        flags = ["--nthreads", "1", "--name", name, "--local-directory", self.folder / name, "--memory-limit", "0"]
        self.workers[name] = self._start(
            name, "dask_worker", self.address, "--no-dashboard", *flags, *options, **settings
        )

    def wait_for_workers(self, count):
        """Wait until so many workers are at the scheduler."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=STARTING)

    def kill_worker(self, name, number=signal.SIGKILL):
        """Kill a worker, with its nanny if it has one."""
        stop(self.workers.pop(name), number)

    def kill_scheduler(self):
        """Kill the scheduler."""
        stop(self.scheduler)

    def _start(self, name, command, *arguments, **settings):
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | self.settings | settings
        extra = ["--no-dashboard"] if command == "dask_scheduler" else []
        with (self.folder / f"{name}.log").open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{command}", *map(str, arguments), *extra],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def stop(process, number=signal.SIGKILL):
    """Kill a process and all that it started; a worker's child, which has the same group, included."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    process.wait()


def free_port():
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
