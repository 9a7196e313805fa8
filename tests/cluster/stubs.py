"""Work for clusters that takes no network: images of one number each, and a maker that fails as their numbers say."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.errors import InputError
from common.output.rows import RowMaker
from tests.image_sets import array_set

# What an image's number asks for; others are predicted.
CRASHES, HANGS, IS_BAD, FAILS, IS_FULL = 101, 102, 103, 104, 105


@dataclass
class StubPredictor:
    """Weights, and what was asked of them."""

    weights: Path
    delay: float = 0.0

    def prepare(self):
        assert self.weights.read_bytes() == b"weights"

    def look(self, image_id, image):
        number = int(image[0, 0, 0])
        time.sleep(self.delay)
        if number == CRASHES:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == HANGS:
            time.sleep(600)
        if number == IS_BAD:
            raise InputError(f"{image_id}.png: torn")
        if number == FAILS:
            raise OSError("the storage is away")
        return Looked(number, number == IS_FULL)


@dataclass
class Looked:
    number: int
    full: bool


def read_slowly(read, delay, item):
    """Read an item of a set, as `Reader` has it, after some seconds."""
    time.sleep(delay)
    return read(item)


def read_number(number):
    """Read a stub of an image; what its number asks for happens."""
    if number == CRASHES:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == IS_BAD:
        raise InputError(f"{number}.png: torn; replace it")
    if number == FAILS:
        raise OSError("the storage is away")
    return number + 1


def rows_of(looked):
    return [f"{looked.number + 1} {count + 1}" for count in range(looked.number % 3)]


def stub_maker(folder, *, delay=0.0):
    weights = Path(folder) / "w.h5"
    weights.write_bytes(b"weights")
    predictor = StubPredictor(weights, delay)
    return RowMaker(predictor.look, rows_of), [predictor]


def stub_images(numbers):
    return array_set([np.full((4, 5, 3), number, np.uint8) for number in numbers])


def expected_rows(numbers):
    return [rows_of(Looked(number, False)) for number in numbers]
