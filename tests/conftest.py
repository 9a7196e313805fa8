"""Fixtures that several test files share, among them the slow reference and the real data, if available."""

import functools
import importlib.util
import itertools
import logging
import os
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

# Tests run side by side, a process a core: TensorFlow's threads would only wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ.setdefault(name, "1")

from common.images.synthetic import write_dataset
from common.log import logger


@pytest.fixture(scope="session")
def oracle():
    """The slow, plain reference; `SEGMENTATION_ORACLE` names its file. It sorts stably, the same on every processor."""
    path = os.environ.get("SEGMENTATION_ORACLE")
    if not path:
        pytest.skip("SEGMENTATION_ORACLE does not name the reference's file")
    spec = importlib.util.spec_from_file_location("dsb_oracle", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.np = SimpleNamespace(**vars(np) | {"argsort": functools.partial(np.argsort, kind="stable")})
    return module


@pytest.fixture(scope="session")
def data_folder():
    """The folder with dsb2018/; `SEGMENTATION_DATA` names it."""
    path = os.environ.get("SEGMENTATION_DATA")
    if not path:
        pytest.skip("SEGMENTATION_DATA does not name the data folder")
    return Path(path)


@pytest.fixture(scope="session")
def generated_set(tmp_path_factory):
    """A folder whose stage1_train holds six small generated images; do not modify it."""
    folder = tmp_path_factory.mktemp("generated")
    write_dataset(folder / "stage1_train", 6, 1, sizes=[(64, 64), (64, 96)])
    return folder


@pytest.fixture
def lines(monkeypatch):
    """Collect the logger's lines; yields a function that returns those since its last call."""
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    monkeypatch.setattr(logger, "handlers", [*logger.handlers, handler])
    monkeypatch.setattr(logger, "level", logging.INFO)
    logger.manager._clear_cache()

    def take():
        taken, messages[:] = list(messages), []
        return taken

    yield take
    logger.manager._clear_cache()


@pytest.fixture
def full_disk(tmp_path):
    """A disk of 16 KB; mounting one needs root."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no permission to mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.fixture
def a_second_each(monkeypatch):
    """Let seconds pass between event files, whose names order them."""
    seconds = itertools.count(1_800_000_000)
    clock = SimpleNamespace(time=lambda: next(seconds))
    monkeypatch.setattr("tensorboard.summary.writer.event_file_writer.time", clock)
