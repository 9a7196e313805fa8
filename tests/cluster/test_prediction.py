import contextlib
import dataclasses
import hashlib
import re
from types import SimpleNamespace

import pytest

from common.cluster.client import choose_reader, make_rows_on_cluster
from common.cluster.job import find_weights, hash_file, prepare_job
from common.cluster.prediction import REDONE, ClusterRun, bundle_size
from common.cluster.spread import ALONE, Spread
from common.errors import InputError
from common.images.usable import read_in_threads
from tests.cluster.stubs import (
    CRASHES,
    FAILS,
    HANGS,
    IS_BAD,
    IS_FULL,
    expected_rows,
    read_number,
    stub_images,
    stub_maker,
)

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client():
    """A cluster in this process; the networks' processes are its only ones."""
    from distributed import Client

    with Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
        yield client


def predicted(client, folder, numbers, *, limit=60.0, skip_bad=False, change=None):
    job = prepare_job(*stub_maker(folder), limit)
    job = dataclasses.replace(job, **change) if change else job
    images, full = stub_images(numbers), []
    rows = make_rows_on_cluster(client, images, job, full.append, range(len(images)), skip_bad=skip_bad)
    return list(rows), full


def test_rows_come_in_order(client, tmp_path, lines):
    numbers = [*range(60), IS_FULL]
    rows, full = predicted(client, tmp_path, numbers)
    assert rows == expected_rows(numbers)
    assert full == ["p60"]
    assert lines() == []


def test_no_images(client, tmp_path):
    assert predicted(client, tmp_path, []) == ([], [])


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (CRASHES, f"its process was killed by signal 9 (a lack of memory?) ({REDONE + 1} times)"),
        (HANGS, f"took longer than --time-limit 0.5 seconds ({REDONE + 1} times)"),
        (IS_BAD, "p5.png: torn"),
        (FAILS, f"OSError: the storage is away ({REDONE + 1} times)"),
    ],
)
def test_an_image_that_cannot_be_predicted_is_named(client, tmp_path, lines, number, reason):
    numbers = [*range(5), number, *range(40)]
    with pytest.raises(InputError) as caught:
        predicted(client, tmp_path, numbers, limit=0.5)
    assert str(caught.value) == f"p5: {reason}; leave out such images with --skip-bad"
    assert predicted(client, tmp_path, numbers, limit=0.5, skip_bad=True)[0] == [
        *expected_rows(range(5)),
        [],
        *expected_rows(range(40)),
    ]
    assert lines() == [f"warning: p5: {reason}; it gets an empty row"]


def test_weights_that_workers_do_not_see_are_sent_once(client, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("common.cluster.worker.find_weights", lambda _, digest: find_weights("/nowhere.h5", digest))
    assert predicted(client, tmp_path, range(9))[0] == expected_rows(range(9))
    (kept,) = (tmp_path / "cache").rglob("*.h5")
    assert kept.stem == hashlib.sha256(b"weights").hexdigest() == hash_file(kept)
    written = kept.stat().st_mtime_ns
    assert predicted(client, tmp_path, range(9))[0] == expected_rows(range(9))
    assert kept.stat().st_mtime_ns == written


def test_weights_that_change_before_they_are_sent_are_refused(client, tmp_path):
    job = prepare_job(*stub_maker(tmp_path), 60.0)
    (tmp_path / "w.h5").write_bytes(b"the next epoch")
    rows = make_rows_on_cluster(client, stub_images(range(3)), job, print, range(3), skip_bad=False)
    with pytest.raises(InputError, match=r"w\.h5: changed while it was read; run the same command again"):
        list(rows)


def test_workers_of_other_versions_are_refused(client, tmp_path, lines):
    change = {"versions": {"keras": "2.0"}}
    with pytest.raises(InputError, match=r"no worker can be used: inproc://\S+ has keras \S+ instead of 2.0, .*; inst"):
        predicted(client, tmp_path, range(3), change=change)
    assert len(lines()) == 2


@pytest.fixture
def check(client, tmp_path, monkeypatch):
    monkeypatch.setattr("common.cluster.client.open_client", lambda _: contextlib.nullcontext(client))

    def check(numbers, *, skip_bad=False, dataset=tmp_path):
        read = choose_reader(Spread(scheduler="tcp://any:1", skip_bad=skip_bad), dataset)
        return list(read(read_number, numbers, lambda number: f"{number}.png"))

    return check


def test_a_set_is_checked_as_threads_do_it(check, tmp_path):
    assert choose_reader(ALONE, tmp_path) is read_in_threads
    numbers = [*range(50), 7, IS_BAD, 7]
    assert check(numbers) == list(read_in_threads(read_number, numbers, str))
    assert check([]) == []


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        pytest.param(
            CRASHES,
            rf"its process was killed by signal 9 \(a lack of memory\?\) \({REDONE + 1} times\)",
            marks=pytest.mark.slow,
        ),
        (FAILS, rf"OSError: the storage is away \({REDONE + 1} times\)"),
    ],
)
def test_an_image_that_no_worker_could_read_is_named(check, tmp_path, number, reason):
    numbers = [*range(5), number, 6]
    with pytest.raises(InputError, match=rf"^{tmp_path}/{number}.png: {reason}; leave out such images with --skip-bad"):
        check(numbers)
    found = check(numbers, skip_bad=True)
    assert [facts for facts, _ in found] == [1, 2, 3, 4, 5, None, 7]
    assert re.fullmatch(rf"{tmp_path}/{number}.png: {reason}", found[5][1])


def test_workers_that_do_not_see_the_set_are_refused(check, tmp_path):
    with pytest.raises(InputError, match=r"no worker can be used: \S+ does not see the set: .*other: no such folder"):
        check([1], dataset=tmp_path / "other", skip_bad=True)


def test_bundles_get_smaller_towards_the_end():
    assert [bundle_size(left, 4, 8) for left in (1000, 128, 64, 16, 1)] == [8, 8, 4, 1, 1]


def test_a_result_that_does_not_come_is_made_again():
    """Its worker was lost after it was done, and no other is left to make it again unasked."""

    class Lost:
        def result(self, timeout):
            assert timeout < 60
            raise TimeoutError

    looks = []
    run = ClusterRun.__new__(ClusterRun)
    run._workers = SimpleNamespace(look_now=lambda: looks.append(1))
    assert run._result(Lost()) == []
    assert looks == [1]


@pytest.mark.parametrize("call", ["nthreads", "run", "submit", "cancel"])
@pytest.mark.parametrize("status", ["closed", "running"])
def test_a_client_that_has_closed_itself_says_why_whatever_it_was_asked(tmp_path, call, status):
    """Dask's client gives up its scheduler after half a minute, which may be before this one does."""

    class Dask:
        scheduler = SimpleNamespace(address="tcp://127.0.0.1:1")
        status = "running"

        def __getattr__(self, name):
            return lambda *arguments, **options: self.answer(name, **options)

        def answer(self, name, workers=(), **_):
            if name == call or (name, call) == ("submit", "cancel"):
                self.status = status
                raise LookupError("Client is closed")
            return {"tcp://127.0.0.1:2": 1} if name == "nthreads" else dict.fromkeys(workers, "")

    run = ClusterRun(Dask(), prepare_job(*stub_maker(tmp_path), 60.0), give_up=print, note_full=print)
    told = (InputError, "tcp://127.0.0.1:1: the scheduler is gone") if status == "closed" else (LookupError, "closed")
    with pytest.raises(told[0], match=told[1]):
        list(run.results(iter([("a", 0), ("b", 1)]), 2))


@pytest.mark.parametrize(
    ("looks", "again"),
    [
        ([["a", "b"], ["a", "b"], ["a"], ["a", "c"]], [False, False, False, False]),  # b's tasks go to a
        ([["a", "b"], [], [], ["c"], ["c"]], [False, False, False, True, False]),
        ([["a"], ["b"], ["b"]], [False, True, False]),
        # a is seen alive for the last time as b is admitted: its tasks may have found nobody.
        ([["a"], ["a", "b"], ["b", "c"], ["b", "c"]], [False, False, True, False]),
    ],
)
def test_tasks_that_may_wait_for_ever_are_sent_again(tmp_path, looks, again):
    """A worker joins Dask before it is admitted, and Dask looks once for workers for the tasks of one that is lost."""
    left = iter(looks)

    class Fleet:
        scheduler = SimpleNamespace(address="tcp://127.0.0.1:1")

        def nthreads(self):
            return dict.fromkeys(next(left), 1)

        def run(self, *_, workers, **__):
            return dict.fromkeys(workers, "")

    workers = ClusterRun(Fleet(), prepare_job(*stub_maker(tmp_path), 60.0), give_up=print, note_full=print)._workers
    found = []
    for _ in looks:
        workers.look_now()
        found.append(workers.patrol())
    assert found == again
