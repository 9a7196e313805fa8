"""What `pip install` brings works anywhere, in an environment without the clone."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

from common.images.decoding import save_image
from common.images.synthetic import generate_sample
from common.output.submission import check_submission
from tests.scripts import TIMEOUT

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = [path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"]
COMMANDS = [["-m", f"{package}.{script}", *command] for package, script, command in (
    ("dsb", "my_inference", []), ("dsb", "my_train_1", []), ("dsb", "score", []), ("dsb", "export", []),
    ("rsna", "pneumonia", ["predict"]), ("coco", "coco", ["train"]), ("coco", "shapes", ["train"]),
    ("coco", "balloon", ["splash"]), ("isic", "train", []), ("isic", "predict", []), ("wbc", "wbc", ["predict"]),
)]  # fmt: skip

pytestmark = pytest.mark.slow


def run(*command, folder):
    """Run a command in a folder; return its stdout. It knows of the clone by nothing."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {"XDG_CACHE_HOME": str(folder / "cache"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    options = {"capture_output": True, "text": True, "timeout": TIMEOUT, "check": False}
    finished = subprocess.run([*map(str, command)], cwd=folder, env=environment, **options)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The interpreter of an environment with the wheel, which was built from the source distribution."""
    pip = [sys.executable, "-m", "pip"]
    folder = tmp_path_factory.mktemp("wheel")
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("needs pip")
    if int(pytest.importorskip("setuptools").__version__.split(".")[0]) < 77:
        pytest.skip("needs setuptools 77")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / "source" / package)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "source")
    build = f"from setuptools import build_meta; build_meta.build_sdist({str(folder)!r})"
    run(sys.executable, "-c", build, folder=folder / "source")
    shutil.rmtree(folder / "source")
    offline = ["--no-deps", "--no-index", "--quiet"]
    (sdist,) = folder.glob("*.tar.gz")
    run(*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", folder, sdist, folder=folder)
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv" / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=folder).strip())
    # The dependencies, but not the clone, which an editable installation adds by a .pth file there: such files are not
    # followed from here.
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    (wheel,) = folder.glob("*.whl")
    run(python, "-m", "pip", "install", *offline, "--ignore-installed", wheel, folder=folder)
    return python


def test_own_images_by_the_command(installed, tmp_path):
    sample = generate_sample(np.random.default_rng(1), "fluorescence", (128, 128), 8)
    save_image(tmp_path / "images" / "a.png", sample.image)
    printed = run(installed.with_name("nuclei"), "--dataset", "images", "--weights", "small", folder=tmp_path)
    assert "wrote submissions/dsb_single.csv: 1 images, checked" in printed
    submission = tmp_path / "submissions" / "dsb_single.csv"
    assert check_submission(submission, ["a"], {"a": (128, 128)}) == []
    assert 4 <= len(submission.read_text().splitlines()) <= 13
    assert (tmp_path / "submissions" / "dsb_single_labels" / "a.tif").is_file()


def test_the_predictor_finds_its_weights(installed, tmp_path):
    program = "import common; from common.predictor import Predictor; p = Predictor.load('small'); p.prepare()\n"
    program += "print(common.__file__); print(p.weights)"
    package, weights = map(Path, run(installed, "-c", program, folder=tmp_path).splitlines())
    assert not package.is_relative_to(ROOT)
    assert weights.is_relative_to(package.parents[1])
    assert sorted(path.name for path in weights.parent.iterdir()) == sorted(
        path.name for path in (ROOT / "dsb" / "weights" / "small").iterdir()
    )


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[1:]))
def test_scripts_are_modules(installed, tmp_path, command):
    printed = run(installed, *command, "--help", folder=tmp_path)
    assert f"python {' '.join(command[:2])}" in printed
    assert not list(tmp_path.iterdir())


def test_commands_have_their_own_names(installed, tmp_path):
    for name in ("nuclei", "nuclei-tta"):
        assert run(installed.with_name(name), "--help", folder=tmp_path).startswith(f"usage: {name} [flags]")
