"""A new set is checked by the workers of a real cluster: the index of one process, and no image read in the client."""

import functools
import shutil

import h5py
import numpy as np
import pytest

from common.cluster.client import choose_reader
from common.cluster.spread import Spread
from common.errors import InputError
from common.images.synthetic import write_dataset
from dsb.dataset import load_dataset
from tests.cluster.processes import Processes
from tests.cluster.stubs import read_slowly

pytest.importorskip("distributed")
pytestmark = pytest.mark.slow

COUNT = 48
TORN = 17  # place of the damaged image in `torn`


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Generated images with masks; do not modify it."""
    folder = tmp_path_factory.mktemp("check") / "set"
    write_dataset(folder, COUNT, 1, sizes=[(32, 32), (32, 48)])
    return folder


@pytest.fixture
def torn(dataset, tmp_path):
    """The same with one image cut short; the folder, and the image's id."""
    folder = tmp_path / "torn"
    shutil.copytree(dataset, folder)
    image_id = sorted(path.name for path in folder.iterdir())[TORN]
    path = folder / image_id / "images" / f"{image_id}.png"
    path.write_bytes(path.read_bytes()[:200])
    return folder, image_id


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Processes(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.start_worker("one")
        cluster.start_worker("two")
        cluster.wait_for_workers(2)
        yield cluster


@pytest.fixture
def no_reading(monkeypatch):
    """A client that cannot read images; the workers can."""

    def read(*_):
        raise AssertionError("read in the client")

    monkeypatch.setattr("common.storage.trees.FolderTree.read", read)
    monkeypatch.setattr("common.storage.trees.ZipTree.read", read)
    monkeypatch.setattr("common.images.label_index.decode_stored", read)


def by_workers(cluster, dataset, **options):
    return choose_reader(Spread(scheduler=cluster.address, **options), dataset)


def content(images):
    """Return all that an index holds, and which images are used."""
    with h5py.File(images.source.index.path) as file:
        values = {}
        file.visititems(lambda name, one: values.update({name: one[()]} if isinstance(one, h5py.Dataset) else {}))
    return images.image_ids, images.left_out, values


def assert_same(one, other):
    (ids, left_out, values), (other_ids, other_left_out, other_values) = content(one), content(other)
    assert (ids, left_out, values.keys()) == (other_ids, other_left_out, other_values.keys())
    assert all(values[name].dtype == other_values[name].dtype for name in values)
    for name in values:
        np.testing.assert_array_equal(values[name], other_values[name])


@pytest.mark.parametrize("masks", [True, False])
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_the_index_is_that_of_one_process(cluster, dataset, tmp_path, lines, no_reading, kind, masks, request):
    path = dataset
    if kind == "zip":
        path = shutil.make_archive(tmp_path / "set", "zip", dataset)
        path = type(dataset)(path)
    spread = load_dataset(path, masks=masks, cache=tmp_path / "two", reader=by_workers(cluster, path))
    (connected,) = lines()
    assert connected.startswith(f"cluster {cluster.address}")
    assert load_dataset(path, masks=masks, cache=tmp_path / "two").source.index.path == spread.source.index.path
    request.getfixturevalue("monkeypatch").undo()
    alone = load_dataset(path, masks=masks, cache=tmp_path / "one")
    assert len(alone) == COUNT and alone.source.index.path.name == spread.source.index.path.name
    assert_same(spread, alone)


def test_a_killed_worker_costs_nothing(dataset, tmp_path):
    killed = []
    with Processes(tmp_path / "cluster") as cluster:
        cluster.start_worker("one")
        cluster.start_worker("two")
        cluster.wait_for_workers(2)

        def reader(read, items, name):
            slow = functools.partial(read_slowly, read, 0.1)
            for place, found in enumerate(by_workers(cluster, dataset)(slow, items, name)):
                if place == 8:
                    cluster.kill_worker("one")
                    killed.append(place)
                yield found

        spread = load_dataset(dataset, cache=tmp_path / "two", reader=reader)
    assert killed
    assert_same(spread, load_dataset(dataset, cache=tmp_path / "one"))


def test_a_bad_image_is_refused_or_left_out_with_the_same_lines(cluster, torn, tmp_path, lines):
    folder, image_id = torn
    messages = []
    for cache, reader in (("one", {}), ("two", {"reader": by_workers(cluster, folder)})):
        with pytest.raises(InputError) as caught:
            load_dataset(folder, cache=tmp_path / cache, **reader)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    assert messages[0].startswith(f"{folder}/{image_id}/images/{image_id}.png: ")
    lines()
    alone = load_dataset(folder, cache=tmp_path / "one", skip_bad=True)
    said = lines()
    spread = load_dataset(
        folder, cache=tmp_path / "two", skip_bad=True, reader=by_workers(cluster, folder, skip_bad=True)
    )
    connected, *others = lines()  # the bad image is examined again
    assert connected.startswith("cluster ") and others == said
    assert [line for line in said if line.startswith(f"left out: {folder}/{image_id}/")]
    assert spread.left_out == (image_id,)
    assert_same(spread, alone)
