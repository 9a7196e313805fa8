"""Files are written whole or not at all; caches go where they can be written."""

import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import pytest

from common.errors import InputError
from common.storage.files import cache_folder, find_cached, hdf5_written_aside, remove_asides, written_aside


def test_what_killed_programs_left_is_removed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    kept = [f".{os.getpid()}.last.npz", ".hidden.txt", "last.npz"]
    for name in (f".{ended.pid}.last.npz", *kept):
        (tmp_path / name).touch()
    remove_asides(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "out.csv"
    with written_aside(path) as aside:
        aside.write_text("first")
        assert not path.exists() and aside.suffix == ".csv"
    with pytest.raises(KeyError), written_aside(path) as aside:
        aside.write_text("second")
        raise KeyError
    assert [file.name for file in path.parent.iterdir()] == ["out.csv"]
    assert path.read_text() == "first"


def test_an_hdf5_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "weights.h5"
    with hdf5_written_aside(path) as file:
        file["a/b"] = np.arange(3)
        assert not path.exists()
    with pytest.raises(KeyError), hdf5_written_aside(path) as file:
        file["c"] = 1
        raise KeyError
    assert [entry.name for entry in path.parent.iterdir()] == ["weights.h5"]
    with h5py.File(path) as file:
        assert file["a/b"][()].tolist() == [0, 1, 2]
        assert list(file) == ["a"]


def test_a_full_disk_is_an_error_that_names_the_file(full_disk):
    path = full_disk / "weights.h5"
    with pytest.raises(OSError, match="No space left on device") as caught, hdf5_written_aside(path) as file:
        file["a"] = np.arange(100_000)
    assert caught.value.filename == str(path)
    assert not list(full_disk.iterdir())


@pytest.mark.parametrize("home", ["missing", "a file", "no such user"])
def test_the_cache_of_a_user_without_a_home_is_temporary(tmp_path, monkeypatch, home):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "a file").touch()
    if home == "no such user":
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(os, "getuid", lambda: 54321)
    else:
        monkeypatch.setenv("HOME", str(tmp_path / "a file" / home))
    assert cache_folder() == tmp_path / f"kaggle-segmentation-{os.getuid()}"
    assert cache_folder().is_dir()


def test_nowhere_to_cache_is_bad_input(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 54321)

    def refuse():
        raise FileNotFoundError(2, "No usable temporary directory")

    monkeypatch.setattr(tempfile, "gettempdir", refuse)
    with pytest.raises(InputError, match="no folder for caches: set XDG_CACHE_HOME"):
        cache_folder()


def test_the_cache_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder().parent == tmp_path
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder().parent == tmp_path / ".cache"


def test_a_cached_file_is_found_or_goes_where_it_can_be_written(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "tmp"))
    (tmp_path / "home").write_text("a file, where no folder can be made")
    (tmp_path / "tmp").mkdir()
    elsewhere = tmp_path / "tmp" / cache_folder().name / "one.h5"
    assert find_cached("one.h5") == elsewhere
    (tmp_path / "home").unlink()
    assert find_cached("one.h5") == cache_folder() / "one.h5"
    elsewhere.touch()
    assert find_cached("one.h5") == elsewhere
