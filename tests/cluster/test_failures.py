"""Workers, scheduler and client of a real cluster are killed, hang, are restarted, or are of another version."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from common.errors import InputError
from tests.cluster.processes import ROOT, Processes
from tests.cluster.stub_run import stub_run
from tests.cluster.stubs import CRASHES, HANGS, expected_rows

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow

NUMBERS = [number % 100 for number in range(160)]
DELAY = 0.05  # seconds an image
# Hides the project from a Python that has it installed.
WITHOUT_PROJECT = """
import sys

class Hidden:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "common":
            raise ModuleNotFoundError(f"No module named {name}")

sys.meta_path.insert(0, Hidden())
"""


def expected_csv(numbers=NUMBERS, without=()):
    lines = ["ImageId,EncodedPixels"]
    for index, rows in enumerate(expected_rows(numbers)):
        lines += [f"p{index},{text}" for text in (rows if index not in without else []) or [""]]
    return "\n".join(lines) + "\n"


@pytest.fixture
def cluster(tmp_path):
    with Processes(tmp_path / "cluster") as cluster:
        cluster.start_worker("one")
        cluster.start_worker("two")
        yield cluster


@pytest.fixture
def output(tmp_path):
    return tmp_path / "s.csv"


def done(output):
    partial = output.with_name(output.name + ".partial")
    return sum(b"," not in line for line in partial.read_bytes().split(b"\n")[1:-1]) if partial.exists() else 0


def once(output, count, act):
    """Act in a thread as soon as so many images are done."""

    def wait():
        while done(output) < count:
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_a_killed_worker_costs_nothing(cluster, output):
    thread = once(output, 20, lambda: cluster.kill_worker("one"))
    stub_run(cluster.address, output, NUMBERS, delay=DELAY)
    assert not thread.is_alive()
    assert output.read_text() == expected_csv()


def test_when_all_workers_are_replaced_the_new_ones_go_on(cluster, output):
    def replace():
        cluster.kill_worker("one")
        cluster.kill_worker("two")
        cluster.start_worker("three")

    thread = once(output, 20, replace)
    stub_run(cluster.address, output, NUMBERS, delay=DELAY)
    assert not thread.is_alive()
    assert output.read_text() == expected_csv()


def test_a_worker_that_its_nanny_restarts_takes_part_again(cluster, output):
    def kill_both():
        for name in ("one", "two"):
            nanny = cluster.workers[name].pid
            children = subprocess.run(["pgrep", "-P", str(nanny), "-f", "spawn_main"], capture_output=True, text=True)
            for pid in children.stdout.split():
                subprocess.run(["kill", "-9", pid], check=True)

    thread = once(output, 20, kill_both)
    stub_run(cluster.address, output, NUMBERS, delay=DELAY)
    assert not thread.is_alive()
    assert output.read_text() == expected_csv()


@pytest.mark.parametrize("number", [CRASHES, HANGS])
def test_an_image_that_kills_or_stops_workers_is_named_and_left_out(cluster, output, lines, number):
    numbers = [*NUMBERS[:30], number, *NUMBERS[31:]]
    with pytest.raises(InputError, match=r"^p30: .* \(4 times\); leave out such images with --skip-bad"):
        stub_run(cluster.address, output, numbers, limit=1.0)
    stub_run(cluster.address, output, numbers, limit=1.0, skip_bad=True)
    assert output.read_text() == expected_csv(without={30})
    assert [line for line in lines() if "p30" in line][-1].endswith("it gets an empty row")


def test_a_worker_that_stands_still_is_given_up(tmp_path, output):
    """The scheduler misses its heartbeat; here after 3 seconds, usually after 5 minutes."""
    with Processes(tmp_path / "cluster", DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL="3s") as cluster:
        cluster.start_worker("one", "--no-nanny")
        cluster.start_worker("two", "--no-nanny")
        thread = once(output, 20, lambda: cluster.workers["one"].send_signal(signal.SIGSTOP))
        stub_run(cluster.address, output, NUMBERS, delay=DELAY)
        assert not thread.is_alive()
    assert output.read_text() == expected_csv()


def test_a_worker_of_another_version_is_refused_and_the_other_does_all(tmp_path, output, lines):
    other = tmp_path / "other"
    (other / "keras-2.0.dist-info").mkdir(parents=True)
    (other / "keras-2.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: keras\nVersion: 2.0\n")
    with Processes(tmp_path / "cluster") as cluster:
        cluster.start_worker("one")
        cluster.wait_for_workers(1)  # alone, the other one would end the run
        cluster.start_worker("two", PYTHONPATH=f"{other}:{ROOT}")
        thread = once(output, 0, lambda: time.sleep(5))
        stub_run(cluster.address, output, NUMBERS, delay=DELAY)
        thread.join()
    assert output.read_text() == expected_csv()
    (refused,) = (line for line in lines() if line.startswith("refused"))
    assert "keras 2.0 instead of" in refused and refused.endswith("install the same versions there")


def test_a_worker_without_the_project_is_refused(tmp_path, output):
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_PROJECT)
    with Processes(tmp_path / "cluster") as cluster:
        cluster.start_worker("one", PYTHONPATH=str(tmp_path))
        with pytest.raises(InputError, match=r"no worker can be used: \S+ cannot take part \(.*No module named"):
            stub_run(cluster.address, output, NUMBERS)


def test_a_scheduler_that_is_gone_is_one_line_and_nothing_is_lost(cluster, output):
    thread = once(output, 20, cluster.kill_scheduler)
    with pytest.raises(InputError, match=r"the scheduler is gone, or cannot be reached; start it, and run the same"):
        stub_run(cluster.address, output, NUMBERS, delay=DELAY)
    thread.join()
    before = done(output)
    assert 20 <= before < len(NUMBERS)
    for name in list(cluster.workers):
        cluster.kill_worker(name)
    cluster.start_scheduler()
    cluster.start_worker("three")
    stub_run(cluster.address, output, NUMBERS, delay=DELAY)
    assert output.read_text() == expected_csv()


def test_a_killed_client_finishes_the_same_file(cluster, output):
    command = [sys.executable, "-m", "tests.cluster.stub_run", cluster.address, output, len(NUMBERS), DELAY]
    process = subprocess.Popen(list(map(str, command)), cwd=ROOT)
    while done(output) < 20:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not output.exists()
    assert subprocess.run(list(map(str, command)), cwd=ROOT).returncode == 0
    assert output.read_text() == expected_csv()
