"""Trees in S3 and Google Cloud Storage, as servers on this machine play them."""

import importlib
import io
import pickle
import subprocess
import sys
import zipfile

import pytest

from common.errors import InputError, run_main
from common.storage.remote import RemoteFolder
from common.storage.trees import UrlPath, check_there, data_path, open_tree
from tests.storage.buckets import SCHEMES, WITHOUT_CREDENTIALS, serve_buckets, serve_refusals

fsspec = pytest.importorskip("fsspec")
for package in ("s3fs", "moto.server", "gcsfs", "gcp_storage_emulator"):
    pytest.importorskip(package)

CONTENT = {"b/images/x.png": b"image", "a.csv": b"text", "b/masks/1.png": b"", "b/images/z #1%.png": b"\0" * 5000}
FOLDERS = {"set/": b"", "set/b/": b""}  # as the web consoles make them
TREES = [f"{scheme}://cells/{name}" for scheme in SCHEMES for name in ("set", "set.zip")]


def packed(content):
    """Return a zip archive."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return memory.getvalue()


@pytest.fixture(scope="module")
def buckets():
    """Buckets with a folder and an archive of the same files; child processes see them, too."""
    content = {f"set/{name}": data for name, data in CONTENT.items()} | FOLDERS
    content |= {"set.zip": packed(CONTENT), "large.zip": packed({"a.csv": b"text", "b.bin": bytes(6 << 20)})}
    with serve_buckets("cells", content) as settings, pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def strangers(buckets, monkeypatch):
    """The same without credentials, and with a server that asks for them."""
    with serve_refusals() as settings:
        for name, value in {**settings, **WITHOUT_CREDENTIALS["s3"], **WITHOUT_CREDENTIALS["gs"]}.items():
            monkeypatch.setenv(name, value)
        systems = [fsspec.get_filesystem_class(scheme) for scheme in SCHEMES]
        for system in systems:
            system.clear_instance_cache()
        yield
        for system in systems:
            system.clear_instance_cache()


def last_words(act, capsys):
    """Return the one line that a script prints as it ends with code 2."""
    with pytest.raises(SystemExit) as stop:
        run_main(act)
    errors = capsys.readouterr().err
    assert (stop.value.code, errors.count("\n")) == (2, 1), errors
    return errors.removesuffix("\n")


@pytest.mark.parametrize("url", [*TREES, "s3://cells/set/", "gs://cells/set/", "gcs://cells/set"])
def test_a_bucket_is_read_like_a_folder(buckets, url):
    tree = open_tree(data_path(url))
    assert tree.names() == sorted(CONTENT)
    assert {name: tree.read(name) for name in tree.names()} == CONTENT
    assert str(tree.path) == url.rstrip("/")
    with pytest.raises(InputError, match=r"(no such file|holds no file)"):
        tree.read("b/images/missing.png")


@pytest.mark.parametrize("url", TREES)
def test_a_tree_is_sent_by_its_address_and_opened_once(buckets, url):
    sent = pickle.dumps(open_tree(url))
    assert len(sent) < 300
    assert pickle.loads(sent) is pickle.loads(sent)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_url_is_checked_without_being_opened(buckets, scheme):
    for name in ("set", "set.zip"):
        check_there(UrlPath(f"{scheme}://cells/{name}"))
    with pytest.raises(InputError, match=rf"{scheme}://cells/other: no such folder or zip archive"):
        check_there(UrlPath(f"{scheme}://cells/other"))


def test_another_process_reads_what_it_is_sent(buckets):
    program = "import pickle, sys; print(*(tree.read('a.csv') for tree in pickle.load(sys.stdin.buffer)))"
    sent = pickle.dumps([open_tree(url) for url in TREES])
    run = subprocess.run([sys.executable, "-c", program], input=sent, capture_output=True, check=True)
    assert run.stdout.split() == [b"b'text'"] * len(TREES) and not run.stderr


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_signature_changes_with_a_file(buckets, scheme):
    path = UrlPath(f"{scheme}://cells/set")
    assert RemoteFolder(path).signature(CONTENT) == RemoteFolder(path).signature(CONTENT)
    other = UrlPath(f"{scheme}://cells/other")
    elsewhere = fsspec.filesystem(scheme, skip_instance_cache=True)  # what it writes is news to this process
    elsewhere.pipe_file("cells/other/a.csv", b"text")
    before = open_tree(other).signature(["a.csv"])
    elsewhere.pipe_file("cells/other/a.csv", b"TEXT")
    assert RemoteFolder(other).signature(["a.csv"]) != before


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("cells/nothing", r"cells/nothing: holds no files"),
        ("cells/nothing.zip", r"cells/nothing.zip: no such folder or zip archive"),
        ("nobody/set", r"nobody/set: (no such folder|holds no files|cannot be read)"),
        ("nobody/set.zip", r"nobody/set.zip: no such folder or zip archive"),
    ],
)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_not_there_is_one_line(buckets, capsys, scheme, url, message):
    with pytest.raises(InputError, match=f"^{scheme}://{message}"):
        open_tree(f"{scheme}://{url}")
    assert f"{scheme}://{url}" in last_words(lambda: open_tree(f"{scheme}://{url}"), capsys)


def test_a_scheme_that_nobody_reads_is_one_line(capsys):
    line = last_words(lambda: open_tree("nosuch://bucket/set"), capsys)
    assert "nosuch://bucket/set: " in line and "give a path, or a URL such as s3://bucket/folder" in line


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("s3://cells/set", "Unable to locate credentials"),
        ("gs://cells/set", "Anonymous caller does not have storage.objects.list access"),
        ("gs://cells/set.zip", "Anonymous caller does not have storage.objects.list access"),
    ],
)
def test_missing_credentials_are_one_line(strangers, capsys, url, reason):
    line = last_words(lambda: open_tree(url), capsys)
    assert f"{url}: cannot be read: {reason}" in line and "check the address and your credentials" in line


@pytest.mark.parametrize("url", ["gs://cells/set", "gs://cells/large.zip"])
def test_credentials_that_end_within_a_run_are_one_line(buckets, capsys, monkeypatch, url):
    tree = open_tree(url)
    with serve_refusals() as settings:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", settings["STORAGE_EMULATOR_HOST"])
        line = last_words(lambda: tree.read("a.csv"), capsys)
    assert f"{url}/a.csv: Anonymous caller" in line and "check your credentials and the connection" in line


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs")])
@pytest.mark.parametrize("missing", ["fsspec.core", ""])
def test_a_missing_package_is_named(monkeypatch, capsys, scheme, package, missing):
    monkeypatch.setitem(sys.modules, missing or package, None)
    opened = importlib.import_module("fsspec.registry")._registry  # what an earlier test imported
    monkeypatch.delitem(opened, scheme, raising=False)
    line = last_words(lambda: open_tree(f"{scheme}://bucket/set"), capsys)
    assert line.endswith(f"{scheme}://bucket/set: needs the package {package}; pip install {package}")


def test_urls_are_told_from_paths():
    assert isinstance(data_path("s3://a/b"), UrlPath) and str(data_path("s3://a/b") / "c") == "s3://a/b/c"
    assert not isinstance(data_path("data/stage1_train"), UrlPath)
    assert not isinstance(data_path("/data/x.zip"), UrlPath)
