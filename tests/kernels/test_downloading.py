"""A competition's files: resumed, their hashes noted, unpacked only where needed."""

import hashlib
import io
import subprocess
import zipfile

import pytest

from tests.kernels.stub import Fault

pytestmark = pytest.mark.usefixtures("waits")
SLUG = "data-science-bowl-2018"


def zipped(files):
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return memory.getvalue()


@pytest.fixture
def folder(kaggle, tmp_path):
    """Where the files go; Kaggle has an archive of all, and some alone."""
    inner = zipped({"id/images/id.png": bytes(range(250)) * 800})
    kaggle.files[f"{SLUG}.zip"] = zipped({"stage1_train.zip": inner, "labels.csv": b"a,b\n", "images/x.png": b"image"})
    kaggle.files["sample.csv"] = b"ImageId,EncodedPixels\na,\n"
    kaggle.files["large.csv.zip"] = zipped({"large.csv": b"a,b\n1,2\n"})
    return tmp_path / "data" / SLUG


def test_the_archive_and_what_must_leave_it(kaggle, command, folder):
    code, output, errors = command("download", SLUG)
    assert code == 0, errors
    value = hashlib.sha256(kaggle.files[f"{SLUG}.zip"]).hexdigest()
    assert f"sha256 {value}" in output
    names = {path.name for path in folder.iterdir()}
    assert names == {f"{SLUG}.zip", "stage1_train.zip", "labels.csv", "SHA256SUMS"}  # the image stays inside
    assert zipfile.ZipFile(folder / "stage1_train.zip").namelist() == ["id/images/id.png"]
    assert subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=False).returncode == 0


def test_a_second_time_nothing_is_asked_for(kaggle, command, folder):
    assert command("download", SLUG)[0] == 0
    begin = len(kaggle.requests)
    assert command("download", SLUG)[0] == 0
    assert kaggle.requests[begin:] == []


def test_a_file_that_changed_here(kaggle, command, folder):
    assert command("download", SLUG, "--file", "sample.csv")[0] == 0
    (folder / "sample.csv").write_text("other\n")
    code, _, errors = command("download", SLUG, "--file", "sample.csv")
    assert code == 2
    assert "not as noted in SHA256SUMS" in errors


def test_single_files(kaggle, command, folder):
    kaggle.files["large.csv"] = b""
    assert command("download", SLUG, "--file", "sample.csv", "--file", "large.csv.zip")[0] == 0
    assert (folder / "sample.csv").read_bytes() == kaggle.files["sample.csv"]
    assert (folder / "large.csv").read_bytes() == b"a,b\n1,2\n"


def test_a_broken_download_goes_on(kaggle, command, folder):
    kaggle.fail("GET", None, Fault(0, after=100_000))  # first, the address is asked for
    assert command("download", SLUG)[0] == 0
    assert (folder / f"{SLUG}.zip").read_bytes() == kaggle.files[f"{SLUG}.zip"]
    assert [body["range"] for body in kaggle.bodies("GET")] == [None, None, "bytes=65536-"]


def test_a_killed_download_goes_on(kaggle, command, folder):
    kaggle.fail("GET", None, Fault(0, after=100_000), *[Fault(500)] * 9)
    code, _, errors = command("download", SLUG)
    assert code == 2, errors
    assert not (folder / f"{SLUG}.zip").exists()
    kaggle.faults.clear()
    begin = len(kaggle.requests)
    assert command("download", SLUG)[0] == 0
    assert (folder / f"{SLUG}.zip").read_bytes() == kaggle.files[f"{SLUG}.zip"]
    again = [body["range"] for name, body in kaggle.requests[begin:] if name == "GET"]
    assert again == [None, "bytes=65536-"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(403, "You must accept this competition's rules"), f"https://www.kaggle.com/competitions/{SLUG}/rules"),
        (Fault(404, "none"), "Kaggle knows no such thing (404): none; check the name"),
        (Fault(401, ""), "kaggle auth login"),
    ],
)
def test_refusals(kaggle, command, folder, fault, words):
    kaggle.fail("DownloadDataFiles", fault)
    code, _, errors = command("download", SLUG)
    assert code == 2
    assert words in errors.splitlines()[-1]


def test_a_damaged_archive(kaggle, command, folder):
    kaggle.files[f"{SLUG}.zip"] = b"not a zip"
    code, _, errors = command("download", SLUG)
    assert code == 2
    assert "delete it, and run the same command again" in errors


def test_names_that_lead_out_of_the_archive(kaggle, command, folder, tmp_path):
    kaggle.files[f"{SLUG}.zip"] = zipped({"../../../evil.csv": b"x"})
    code, _, errors = command("download", SLUG)
    assert code == 2
    assert "leads out of it" in errors
    assert not (tmp_path / "evil.csv").exists()
