"""Files on S3, as moto plays it on this machine: fetched, mirrored, and never a checkpoint newer than its log."""

import sys

import pytest

from common.errors import InputError
from common.settings.config import STATE_FILE
from common.storage.s3 import LAST, Mirror, Place, fetch, open_s3
from tests.aws import aws_here

BUCKET = "bucket"


@pytest.fixture(scope="module")
def environment():
    with aws_here() as variables:
        yield variables


@pytest.fixture
def client(environment, monkeypatch):
    """A client of an S3 with one empty bucket."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = open_s3()
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield client
    for name in names_on(client):
        client.delete_object(Bucket=BUCKET, Key=name)
    client.delete_bucket(Bucket=BUCKET)


def names_on(client):
    return [found["Key"] for found in client.list_objects_v2(Bucket=BUCKET).get("Contents", ())]


def read(client, key):
    return client.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def put(client, **contents):
    for key, content in contents.items():
        client.put_object(Bucket=BUCKET, Key=key, Body=content)


@pytest.mark.parametrize("url", ["bucket/key", "s3:/bucket/key", "s3://", "s3:///key", "gs://bucket/key", ""])
def test_what_is_not_on_s3(url):
    with pytest.raises(InputError, match="not on S3; give s3://bucket/name"):
        Place.parse(url)


def test_places():
    place = Place.parse("s3://bucket/runs/small")
    assert not place.is_folder()
    assert str(place.below("log.csv")) == str(place.as_folder().below("log.csv")) == "s3://bucket/runs/small/log.csv"
    assert Place.parse("s3://bucket").is_folder()
    assert str(Place.parse("s3://bucket").below("a")) == "s3://bucket/a"


def test_boto3_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(InputError, match="pip install boto3"):
        open_s3()


def test_an_object_is_fetched_with_its_date(client, tmp_path):
    put(client, **{"data/train.zip": b"images"})
    path = tmp_path / "new" / "train.zip"
    fetch(client, Place(BUCKET, "data/train.zip"), path)
    assert path.read_bytes() == b"images"
    modified = client.head_object(Bucket=BUCKET, Key="data/train.zip")["LastModified"]
    assert path.stat().st_mtime == modified.timestamp()
    assert [one.name for one in path.parent.iterdir()] == ["train.zip"]


def test_a_folder_is_fetched(client, tmp_path):
    put(client, **{"set/a.dcm": b"a", "set/deep/b.dcm": b"b", "set/deep/": b"", "settled": b"not this"})
    fetch(client, Place.parse("s3://bucket/set/"), tmp_path)
    files = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert files == {"a.dcm": b"a", "deep/b.dcm": b"b"}


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("s3://bucket/none", "s3://bucket/none: .*Not Found; check the name"),
        ("s3://bucket/none/", "s3://bucket/none/: holds nothing"),
        ("s3://elsewhere/none/", "s3://elsewhere/none/: .*NoSuchBucket.*; check the name"),
    ],
)
def test_what_is_not_there_is_one_line(client, tmp_path, url, line):
    with pytest.raises(InputError, match=line):
        fetch(client, Place.parse(url), tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_names_that_lead_out_are_refused(client, tmp_path):
    put(client, **{"set/../../evil": b""})
    with pytest.raises(InputError, match="leads out of"):
        fetch(client, Place(BUCKET, "set/"), tmp_path / "set")


def test_nobody_answers(client, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with pytest.raises(InputError, match="s3://bucket/a: Could not connect"):
        fetch(open_s3(), Place(BUCKET, "a"), tmp_path / "a")


def test_a_mirror_begins_empty_and_follows(client, tmp_path):
    folder = tmp_path / "logs"
    mirror = Mirror(client, Place(BUCKET, "small"), folder)
    mirror.fetch()
    assert list(folder.iterdir()) == []
    for name in ("001/log.csv", "001/last.npz", "part.csv.partial", ".lock", "001/.12.last.h5"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    mirror.push()
    assert names_on(client) == ["small/001/last.npz", "small/001/log.csv", "small/part.csv.partial"]
    (folder / "part.csv.partial").rename(folder / "part.csv")
    (folder / "001" / "log.csv").write_text("longer than before")
    mirror.push()
    assert names_on(client) == ["small/001/last.npz", "small/001/log.csv", "small/part.csv"]
    assert read(client, "small/001/log.csv") == b"longer than before"
    assert sorted(path.name for path in folder.rglob(".*")) == [".12.last.h5", ".lock"]


def test_only_what_has_changed_is_uploaded(client, tmp_path, monkeypatch):
    put(client, **{"small/log.csv": b"1", "small/last.npz": b"2"})
    mirror = Mirror(client, Place(BUCKET, "small/"), tmp_path)
    mirror.fetch()
    (tmp_path / "new").write_text("3")
    uploaded = []
    monkeypatch.setattr(client, "upload_file", lambda source, bucket, key: uploaded.append(key))
    mirror.push()
    mirror.push()
    assert uploaded == ["small/new"]


def test_a_checkpoint_is_never_newer_than_its_log(client, tmp_path, monkeypatch):
    """Training goes on while it is uploaded: an epoch ends between two files."""
    assert LAST == STATE_FILE

    def finish_epoch(number):
        for name in ("last.h5", "log.csv", "last.npz"):
            (tmp_path / ".aside").write_text(f"epoch {number}")
            (tmp_path / ".aside").replace(tmp_path / name)

    mirror = Mirror(client, Place(BUCKET, "run/"), tmp_path)
    finish_epoch(1)
    upload, order = client.upload_file, []

    def upload_slowly(source, bucket, key):
        order.append(key)
        upload(source, bucket, key)
        finish_epoch(len(order) + 1)

    monkeypatch.setattr(client, "upload_file", upload_slowly)
    mirror.push()
    assert order == ["run/last.h5", "run/log.csv", "run/last.npz"]
    assert [read(client, key) for key in order] == [b"epoch 1", b"epoch 2", b"epoch 1"]
    monkeypatch.setattr(client, "upload_file", upload)
    mirror.push()
    assert [read(client, key) for key in order] == [b"epoch 4"] * 3
