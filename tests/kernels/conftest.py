"""The kernels' modules, a stub of Kaggle, and a clock that does not wait."""

import sys
import tempfile
import time
import zipfile
from pathlib import Path

import pytest

KERNELS = Path(__file__).resolve().parents[2] / "kernels"
if str(KERNELS) not in sys.path:
    sys.path.insert(1, str(KERNELS))

from tests.kernels.stub import KEY, USER, Kaggle

FILES = {"kernels/on_kaggle.py": b"# code\n", "setup.cfg": b"[metadata]\n"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home without credentials, and the folder in which the user stands."""
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY", "KAGGLE_CONFIG_DIR", "VERBOSE"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    return home


@pytest.fixture
def kaggle(home, monkeypatch):
    """A stub of Kaggle to which the package is sent, with an account."""
    pytest.importorskip("kagglesdk", reason="the extra kaggle is not installed")
    from kagglesdk import kaggle_env

    stub = Kaggle()
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "TEST")
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.TEST, stub.url)
    monkeypatch.setenv("KAGGLE_USERNAME", USER)
    monkeypatch.setenv("KAGGLE_KEY", KEY)
    yield stub
    stub.close()


@pytest.fixture
def waits(monkeypatch):
    """Seconds that were waited for, none of them really."""
    waited = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


@pytest.fixture
def wheel(tmp_path):
    """A wheel of a package that is nowhere else."""
    path = tmp_path / "toy_package-1.0-py3-none-any.whl"
    info = "toy_package-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("toy_package.py", "VALUE = 7\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: toy-package\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"toy_package.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return path


@pytest.fixture
def small_pack(monkeypatch, wheel):
    """Packs hold two small files and a made wheel, so that they are quick and need no registry."""
    import packing

    monkeypatch.setattr(packing, "tracked_files", lambda: dict(FILES))
    monkeypatch.setattr(packing, "download_wheels", lambda names, versions: [wheel])


@pytest.fixture
def command(monkeypatch, capsys):
    """Run kernel.py in this process; a function that returns its exit code, stdout and stderr."""
    from tests.scripts import run_here

    return lambda *arguments: run_here(monkeypatch, capsys, KERNELS / "kernel.py", *arguments)
