import functools
import os
import time

import pytest

from common.cluster import child as module
from common.cluster.child import Child
from common.cluster.job import Failure, Made, prepare_job
from common.errors import InputError
from tests.cluster.stubs import CRASHES, FAILS, HANGS, expected_rows, stub_images, stub_maker


@pytest.fixture
def child(tmp_path):
    job = prepare_job(*stub_maker(tmp_path), 60.0)
    child = Child(job.packed, dict.fromkeys(job.weights, tmp_path / "w.h5"))
    yield child
    child.kill()


def bundle(*numbers):
    images = stub_images(numbers)
    return [(name, images.source.loader(row)) for row, name in enumerate(images.image_ids)]


def test_a_child_goes_on_where_an_image_fails(child):
    made = child.make(bundle(1, FAILS, 2), 60.0)
    assert made == [Made(["2 1"], False), Failure("OSError: the storage is away"), Made(["3 1", "3 2"], False)]


def test_a_child_that_is_lost_starts_again(child):
    made = child.make(bundle(1, CRASHES, 2), 60.0)
    assert [type(one) for one in made] == [Made, Failure]
    assert made[1].reason == "its process was killed by signal 9 (a lack of memory?)"
    assert child.make(bundle(HANGS), 0.3) == [Failure("took longer than --time-limit 0.3 seconds")]
    assert [one.result for one in child.make(bundle(4, 5), 60.0)] == expected_rows([4, 5])


def test_an_image_that_cannot_be_read_costs_only_itself(child):
    unread = functools.partial(open, "/nowhere.png")
    (first, _), (second, load) = bundle(1, 2)
    made = child.make([(first, unread), (second, load)], 60.0)
    assert made[0].reason.startswith("FileNotFoundError") and made[1] == Made(["3 1", "3 2"], False)


def test_a_child_that_cannot_start_says_why(tmp_path):
    job = prepare_job(*stub_maker(tmp_path), 60.0)
    (tmp_path / "w.h5").write_bytes(b"others")
    with pytest.raises(InputError, match="AssertionError"):
        Child(job.packed, dict.fromkeys(job.weights, tmp_path / "w.h5")).make(bundle(1), 60.0)


def test_an_idle_child_ends_and_starts_again(child, monkeypatch):
    child.make(bundle(1), 60.0)
    os.kill(child._process.pid, 9)  # as if it had ended by itself
    while child._process.poll() is None:
        time.sleep(0.01)
    assert child.make(bundle(2), 60.0) == [Made(["3 1", "3 2"], False)]
    assert module.IDLE > 1
