"""Archives are the same bytes whenever their files are, and everybody may read what they hold."""

import io
import time
import zipfile

from common.storage.zips import zipped


def test_the_same_files_are_the_same_bytes_at_any_time(monkeypatch):
    files = {"b/two.txt": b"2" * 1000, "a.txt": b"", "ä.bin": bytes(range(256))}
    first = zipped(files)
    monkeypatch.setattr(time, "localtime", lambda *_: time.struct_time((2030, 1, 1, 0, 0, 0, 0, 1, 0)))
    assert zipped(dict(reversed(files.items()))) == first
    assert zipped({**files, "a.txt": b"x"}) != first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == files
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o644}


def test_no_files_are_an_archive():
    with zipfile.ZipFile(io.BytesIO(zipped({}))) as archive:
        assert archive.namelist() == []
