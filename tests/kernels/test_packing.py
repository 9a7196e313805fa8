"""The project as a data set: reproducible, tracked files alone, no credentials; wheels by the versions file."""

import doctest
import hashlib
import subprocess
import zipfile
from importlib import import_module

import pytest

import packing
import wheels
from common.errors import InputError
from credentials import find_secret, own_secrets, scrub
from kernel_files import load_kernel
from tests.kernels.conftest import KERNELS
from tests.kernels.stub import KEY, TOKEN

NAME = "dsb-inference-tta"


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture
def checkout(tmp_path):
    """A git checkout with three tracked files and one that is not."""
    folder = tmp_path / "checkout"
    (folder / "tests").mkdir(parents=True)
    for name in ("a.py", "b.py", "tests/c.py", "untracked.py"):
        (folder / name).write_text(f"# {name}\n")
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "a.py", "b.py", "tests"], check=True)
    return folder


def test_the_same_files_make_the_same_bytes(small_pack, home, tmp_path):
    first = packing.pack(load_kernel(NAME), folder=tmp_path / "one")
    second = packing.pack(load_kernel(NAME), folder=tmp_path / "two")
    assert digests(first.folder) == digests(second.folder)
    assert set(first.files) == {"project.zip", "toy_package-1.0-py3-none-any.whl"}
    assert "MB  project.zip" in first.report()


def test_what_is_the_same_is_not_written_again_and_what_is_old_goes(small_pack, home, tmp_path):
    weights = tmp_path / "w.h5"
    weights.write_bytes(b"w")
    packing.pack(load_kernel(NAME), [weights], folder=tmp_path / "one")
    before = (tmp_path / "one" / "project.zip").stat().st_mtime_ns
    pack = packing.pack(load_kernel(NAME), folder=tmp_path / "one")
    assert (pack.folder / "project.zip").stat().st_mtime_ns == before
    assert not (pack.folder / "w.h5").exists()


def test_a_folder_with_other_things_stays(small_pack, home, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"holds thesis\.txt; choose a folder of its own"):
        packing.pack(load_kernel(NAME), folder=tmp_path / "mine")


def test_only_tracked_files_that_run(checkout):
    assert packing.tracked_files(checkout) == {"a.py": b"# a.py\n", "b.py": b"# b.py\n"}


def test_a_tracked_file_that_is_missing(checkout):
    (checkout / "a.py").unlink()
    with pytest.raises(InputError, match=r"a\.py: tracked by git, but missing"):
        packing.tracked_files(checkout)


def test_no_checkout(tmp_path):
    with pytest.raises(InputError, match="not a git checkout"):
        packing.tracked_files(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("kaggle.json", "{}"),
        ("notes/.netrc", ""),
        ("key.pem", ""),
        ("notes.txt", f'{{"username":"ada","key":"{KEY}"}}'),
        ("run.sh", f"export KAGGLE_KEY={KEY}"),
        ("run.py", f"token = '{TOKEN}'"),
        ("id", "-----BEGIN OPENSSH PRIVATE KEY-----"),
        ("mine.txt", "my own-secret-word is here"),
    ],
)
def test_credentials_are_not_packed(checkout, monkeypatch, name, content):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "own-secret-word")
    path = checkout / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    subprocess.run(["git", "-C", str(checkout), "add", name], check=True)
    with pytest.raises(InputError, match=f"{name}: not packed: ") as error:
        packing.tracked_files(checkout)
    assert not any(secret in str(error.value) for secret in (KEY, TOKEN, "own-secret-word"))


def test_the_project_itself_holds_no_credentials():
    files = packing.tracked_files()
    assert {"kernels/on_kaggle.py", "dsb/my_inference_tta.py", "dsb/weights/small/weights.h5"} <= files.keys()
    assert not [name for name in files if name.startswith("tests/")]


def test_own_secrets_and_scrubbed_texts(home, monkeypatch):
    (home / ".kaggle").mkdir()
    (home / ".kaggle" / "kaggle.json").write_text(f'{{"username": "ada", "key": "{KEY}"}}')
    (home / ".kaggle" / "access_token").write_text(f"{TOKEN}\n")
    (home / ".kaggle" / "credentials.json").write_text("not json")
    assert set(own_secrets()) == {KEY, TOKEN}
    text = scrub(f"PUT https://storage/x?signature=abc failed for {KEY}")
    assert text == "PUT https://storage/x?*** failed for ***"
    assert find_secret("a.txt", f"- {TOKEN} -".encode(), []) == "it holds what looks like a key or token"


def test_weights_that_are_none(home, tmp_path):
    (tmp_path / "empty").mkdir()
    for path, words in (("nothing.h5", "no such file of weights"), ("empty", "holds no weights; give a run's --logs")):
        with pytest.raises(InputError, match=words):
            packing._weights([tmp_path / path])
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "w.h5").write_bytes(b"w")
    with pytest.raises(InputError, match=r"a second w\.h5; rename one"):
        packing._weights([tmp_path / "one" / "w.h5", tmp_path / "two" / "w.h5"])


VERSIONS = """\
image==1.0 \\
    --hash=sha256:aa
    # via -r requirements/kaggle.in
inner==2.0 ; python_full_version >= '3.12' \\
    --hash=sha256:bb
    # via
    #   image
    #   kaggle-segmentation (setup.cfg)
inner==1.0 ; python_full_version < '3.12' \\
    --hash=sha256:cc
    # via image
missing==3.0 \\
    --hash=sha256:dd \\
    --hash=sha256:ee
    # via kaggle-segmentation (setup.cfg)
needs-missing==4.0 \\
    --hash=sha256:ff
    # via missing
"""


def test_what_the_image_lacks(tmp_path):
    path = tmp_path / "kaggle.txt"
    path.write_text(VERSIONS)
    versions = wheels.read_versions(path)
    assert versions["inner"].requirement == "inner==2.0"
    assert versions["missing"].hashes == ["sha256:dd", "sha256:ee"]
    assert wheels.lacking(["image", "inner", "missing"], versions) == ["missing", "needs-missing"]
    assert wheels.lacking(["image", "inner"], versions) == []
    with pytest.raises(InputError, match="has no version of other; run `make lock`"):
        wheels.lacking(["other"], versions)


def test_what_the_image_lacks_of_the_project():
    versions = wheels.read_versions()
    assert "pydicom" in wheels.lacking(wheels.required(), versions)
    more = wheels.lacking(wheels.required("rsna"), versions)
    assert "ensemble-boxes" in more
    assert not {"keras", "numpy", "tensorboard", "scikit-image"} & set(more)


def test_a_wheel_is_downloaded_once_and_checked(wheel, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    good = {"toy": wheels.Pinned("toy-package==1.0", [f"sha256:{digest}"])}
    paths = wheels.download_wheels(["toy"], good, tmp_path / "kept")
    assert paths[0].read_bytes() == wheel.read_bytes()
    wheel.unlink()
    assert wheels.download_wheels(["toy"], good, tmp_path / "kept") == paths
    with pytest.raises(InputError, match=r"toy-package==1\.0: no wheel for Python 3\.13"):
        wheels.download_wheels(["toy"], good, tmp_path / "elsewhere")


def test_a_wheel_with_another_hash(wheel, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    bad = {"toy": wheels.Pinned("toy-package==1.0", ["sha256:" + "0" * 64])}
    with pytest.raises(InputError, match="no wheel"):
        wheels.download_wheels(["toy"], bad, tmp_path / "kept")


def test_pack_tells_its_size(command, small_pack, home):
    code, output, _ = command("pack", NAME)
    assert code == 0
    assert "in packed/dsb-inference-tta" in output
    with zipfile.ZipFile(home.parent / "packed" / NAME / "project.zip") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("name", sorted(path.stem for path in KERNELS.glob("*.py") if path.stem != "kernel"))
def test_examples_in_docstrings(name):
    assert doctest.testmod(import_module(name)).failed == 0
