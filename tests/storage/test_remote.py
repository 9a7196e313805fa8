"""Trees in S3, as moto's server has it, and in fsspec's memory."""

import io
import pickle
import subprocess
import sys
import zipfile

import pytest

from common.errors import InputError
from common.storage.remote import RemoteFolder
from common.storage.trees import UrlPath, check_there, data_path, open_tree
from tests.storage.buckets import serve_bucket

pytest.importorskip("s3fs")
pytest.importorskip("moto.server")

CONTENT = {"b/images/x.png": b"image", "a.csv": b"text", "b/masks/1.png": b"", "b/images/z.png": b"\0" * 5000}


@pytest.fixture(scope="module")
def bucket():
    """A bucket with a folder and an archive of the same files; child processes see it, too."""
    import boto3

    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in CONTENT.items():
            archive.writestr(name, data)
    content = {f"set/{name}": data for name, data in CONTENT.items()} | {"set.zip": memory.getvalue()}
    with serve_bucket("cells", content) as settings, pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        yield boto3.client("s3")


@pytest.mark.parametrize("url", ["s3://cells/set", "s3://cells/set/", "s3://cells/set.zip"])
def test_a_bucket_is_read_like_a_folder(bucket, url):
    tree = open_tree(data_path(url))
    assert tree.names() == sorted(CONTENT)
    assert {name: tree.read(name) for name in tree.names()} == CONTENT
    assert str(tree.path) == url.rstrip("/")
    with pytest.raises(InputError, match=r"(no such file|holds no file)"):
        tree.read("b/images/missing.png")


@pytest.mark.parametrize("url", ["s3://cells/set", "s3://cells/set.zip"])
def test_a_tree_is_sent_by_its_address_and_opened_once(bucket, url):
    packed = pickle.dumps(open_tree(url))
    assert len(packed) < 300
    assert pickle.loads(packed) is pickle.loads(packed)
    program = "import pickle, sys; print(pickle.load(sys.stdin.buffer).read('a.csv'))"
    run = subprocess.run([sys.executable, "-c", program], input=packed, capture_output=True, check=True)
    assert run.stdout == b"b'text'\n"


def test_a_url_is_checked_without_being_opened(bucket):
    for url in ("s3://cells/set", "s3://cells/set.zip"):
        check_there(UrlPath(url))
    with pytest.raises(InputError, match=r"s3://cells/other: no such folder or zip archive"):
        check_there(UrlPath("s3://cells/other"))


def test_the_signature_changes_with_a_file(bucket):
    before = RemoteFolder(UrlPath("s3://cells/set")).signature(CONTENT)
    assert RemoteFolder(UrlPath("s3://cells/set")).signature(CONTENT) == before
    bucket.put_object(Bucket="cells", Key="other/a.csv", Body=b"text")
    first = open_tree("s3://cells/other").signature(["a.csv"])
    bucket.put_object(Bucket="cells", Key="other/a.csv", Body=b"TEXT")
    other = RemoteFolder(UrlPath("s3://cells/other"))
    assert other.signature(["a.csv"]) != first


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://cells/nothing", r"s3://cells/nothing: holds no files"),
        ("s3://cells/nothing.zip", r"s3://cells/nothing.zip: no such folder or zip archive"),
        ("s3://nobody/set", r"s3://nobody/set: (no such folder|holds no files|cannot be read)"),
        ("nosuch://bucket/set", r"nosuch://bucket/set: .*give a path, or a URL such as s3://bucket/folder"),
    ],
)
def test_what_is_not_there_is_one_line(bucket, url, message):
    with pytest.raises(InputError, match=message):
        open_tree(url)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(InputError, match=r"gs://bucket/set: needs the package gcsfs; pip install gcsfs"):
        open_tree("gs://bucket/set")


def test_urls_are_told_from_paths():
    assert isinstance(data_path("s3://a/b"), UrlPath) and str(data_path("s3://a/b") / "c") == "s3://a/b/c"
    assert not isinstance(data_path("data/stage1_train"), UrlPath)
    assert not isinstance(data_path("/data/x.zip"), UrlPath)
