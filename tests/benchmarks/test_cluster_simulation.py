"""The simulation of clusters where the result is known by hand, and the work of their benchmarks."""

from dataclasses import replace

import pytest

pytest.importorskip("simpy")
pytest.importorskip("distributed")

from benchmarks.cluster import images_per_second
from benchmarks.cluster_work import stub_work
from benchmarks.simulate_cluster import Case, Simulation

PLAIN = Case(160, 1, work=0.25, overhead=0.0, scheduling=0.0, start=10.0, megabytes=0.0)


def test_one_worker_takes_what_its_images_take():
    assert Simulation(PLAIN).seconds() == pytest.approx(10 + 160 * 0.25)
    assert Simulation(replace(PLAIN, overhead=0.01)).seconds() == pytest.approx(10 + 160 * 0.26)


def test_two_workers_share_the_images():
    assert Simulation(replace(PLAIN, workers=2)).seconds() == pytest.approx(10 + 80 * 0.25, abs=0.5)


def test_a_slow_worker_does_less():
    """One does 3 images while the other does 1: 120 and 40."""
    slow = Simulation(replace(PLAIN, workers=2, stragglers=0.5)).seconds()
    assert slow == pytest.approx(10 + 120 * 0.25, abs=2 * 0.75 * 3)


def test_a_lost_worker_does_its_bundle_again():
    simulation = Simulation(replace(PLAIN, kills=(20.0,), away=5.0))
    # 5 bundles of 2 s are done by then; 5 s away and 10 s of start later it goes on.
    assert simulation.seconds() == pytest.approx(20 + 5 + 10 + 120 * 0.25)
    assert simulation.redone == 8


def test_slow_storage_and_a_slow_scheduler_are_the_limit():
    many = replace(PLAIN, images=8000, workers=50, start=0.0)
    assert Simulation(many).seconds() == pytest.approx(8000 * 0.25 / 50, rel=0.05)
    stored = Simulation(replace(many, megabytes=1.0, bandwidth=100.0)).seconds()
    assert stored == pytest.approx(8000 / 100, rel=0.05)
    scheduled = Simulation(replace(many, scheduling=0.1)).seconds()
    assert scheduled >= 8000 / 8 * 0.1


def test_the_rate_leaves_the_first_images_out():
    assert images_per_second([5.0, 6.0, 7.0, 8.0], 1) == pytest.approx(1.0)


def test_stub_work_says_which_image_it_was(tmp_path):
    from common.cluster.job import unpack

    images, job = stub_work(tmp_path, 3, 0.0)
    work = unpack(job.packed, dict.fromkeys(job.weights, tmp_path / "w.h5"))
    rows = work.make(images.image_ids[2], images.load_image(2)).result
    assert images.image_ids[2] == "n2" and rows[0] == "3 1" and len(rows) == 20
