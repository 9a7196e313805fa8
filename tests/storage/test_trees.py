"""Folders and zip archives are read alike."""

import multiprocessing
import os
import pickle
import shutil
import struct
import subprocess
import unicodedata
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from common.errors import InputError
from common.storage.trees import FileTree, open_tree

CONTENT = {"b/images/x.png": b"image", "a.csv": b"text", "b/masks/1.png": b"", "b/images/z.png": b"\0" * 5000}
HIDDEN = {"__MACOSX/b/images/._x.png": b"fork", ".DS_Store": b"", "b/.cache/y": b""}


def write_folder(path: Path, content: dict[str, bytes]) -> Path:
    for name, data in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def write_zip(path: Path, content: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("empty")
        for name, data in content.items():
            archive.writestr(name, data)
    return path


@pytest.fixture(params=["folder", "zip"])
def source(request, tmp_path) -> Path:
    content = CONTENT | HIDDEN
    return write_folder(tmp_path / "set", content) if request.param == "folder" else write_zip(tmp_path / "s", content)


def read_all(tree: FileTree) -> dict[str, bytes]:
    return {name: tree.read(name) for name in tree.names()}


def test_names_are_sorted_and_hidden_files_are_left_out(source):
    tree = open_tree(str(source))
    assert tree.names() == sorted(CONTENT)
    assert read_all(tree) == CONTENT
    assert tree.path == source


def test_a_tree_is_read_from_threads_and_processes(source):
    tree = open_tree(source)
    assert tree.read("a.csv") == b"text"  # opened here, before the fork
    assert pickle.loads(pickle.dumps(tree)).read("a.csv") == b"text"
    names = tree.names() * 50
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(tree.read, names)) == [CONTENT[name] for name in names]
    with multiprocessing.get_context("fork").Pool(2) as processes:
        assert processes.map(tree.read, names) == [CONTENT[name] for name in names]


def test_the_signature_follows_the_content_of_what_is_named(tmp_path):
    folder = write_folder(tmp_path / "set", CONTENT)
    archive = write_zip(tmp_path / "set.zip", CONTENT)

    def signatures(*names):
        return [open_tree(path).signature(names) for path in (folder, archive)]

    names = list(CONTENT)
    before, others = signatures(*names), signatures(*names[1:])
    assert before == signatures(*names) and signatures(*names, "nowhere") != before
    write_folder(folder, {names[0]: b"other", "beside.csv": b"new"})
    write_zip(archive, CONTENT | {names[0]: b"diff", "beside.csv": b"new"})
    assert all(one != other for one, other in zip(before, signatures(*names), strict=True))
    assert others == signatures(*names[1:])


def test_names_from_windows_and_macos(tmp_path):
    decomposed, composed = "Mu\u0308ller", "M\u00fcller"
    assert decomposed != composed
    folder = write_folder(tmp_path / "set", {f"{decomposed}/a.png": b"1"})
    archive = write_zip(tmp_path / "set.zip", {f"{decomposed}\\a.png": b"1"})
    for path in (folder, archive):
        tree = open_tree(path)
        assert tree.names() == [f"{composed}/a.png"]
        assert tree.read(f"{composed}/a.png") == b"1" == pickle.loads(pickle.dumps(tree)).read(f"{composed}/a.png")
    with pytest.raises(InputError, match="which leads out of it"):
        open_tree(write_zip(tmp_path / "climber.zip", {"..\\a": b"1"}))


SHOWN = ["M\u00fcller/a.png", "\u043a\u043b\u0435\u0442\u043a\u0430.png", "\u7d30\u80de.png", "A\u00dfe\u0301.png"]


def zip_with_names(path: Path, names: list[bytes], *, is_utf8: bool = False, extra: bytes = b"") -> Path:
    """Write an archive whose names are these bytes, as programs other than Python's write them."""
    stand_ins = [f"{number:x}".rjust(len(name), "Q").encode() for number, name in enumerate(names)]
    with zipfile.ZipFile(path, "w") as archive:
        for number, stand_in in enumerate(stand_ins):
            info = zipfile.ZipInfo(stand_in.decode())
            info.extra = extra
            archive.writestr(info, bytes([number]))
    data = path.read_bytes()
    for name, stand_in in zip(names, stand_ins, strict=True):
        data = data.replace(stand_in, name)
    if is_utf8:
        for header, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
            parts = data.split(header)
            data = header.join([parts[0], *(part[: offset - 4] + b"\0\10" + part[offset - 2 :] for part in parts[1:])])
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("is_utf8", [False, True], ids=["macOS", "flag"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_in_utf8_are_those_that_were_shown(tmp_path, is_utf8, form):
    names = [unicodedata.normalize(form, name).encode() for name in SHOWN]
    tree = open_tree(zip_with_names(tmp_path / "set.zip", names, is_utf8=is_utf8))
    expected = [unicodedata.normalize("NFC", name) for name in SHOWN]
    assert tree.names() == sorted(expected)
    assert [tree.read(name) for name in expected] == [b"\0", b"\1", b"\2", b"\3"]


@pytest.mark.parametrize(
    ("name", "code_page"),
    [(SHOWN[0], "cp437"), (SHOWN[0], "cp1252"), (SHOWN[1], "cp866"), (SHOWN[2], "cp932"), (SHOWN[2], "gbk")],
)
def test_names_in_a_code_page_are_refused_unless_a_field_gives_them_in_utf8(tmp_path, name, code_page):
    stored = name.encode(code_page)
    with pytest.raises(
        InputError, match=r"set\.zip: '.*' is not a UTF-8 name; unpack the archive, and give the folder"
    ):
        open_tree(zip_with_names(tmp_path / "set.zip", [stored]))
    field = b"\1" + zlib.crc32(stored).to_bytes(4, "little") + name.encode()
    extra = b"UT\5\0\3abcd" + struct.pack("<HH", 0x7075, len(field)) + field
    tree = open_tree(zip_with_names(tmp_path / "named.zip", [stored], extra=extra))
    assert tree.names() == [name] and tree.read(name) == b"\0"


def test_a_field_of_another_name_does_not_count(tmp_path):
    field = b"\1" + zlib.crc32(b"other").to_bytes(4, "little") + b"b.png"
    extra = struct.pack("<HH", 0x7075, len(field)) + field
    assert open_tree(zip_with_names(tmp_path / "set.zip", [b"a.png"], extra=extra)).names() == ["a.png"]


def test_names_that_are_wrongly_said_to_be_utf8_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"set\.zip: not a zip archive, or truncated"):
        open_tree(zip_with_names(tmp_path / "set.zip", [SHOWN[1].encode("cp866")], is_utf8=True))


@pytest.mark.skipif(not shutil.which("zip"), reason="needs the program zip")
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_names_of_the_program_zip(tmp_path, locale):
    folder = write_folder(tmp_path / "set", dict.fromkeys(SHOWN, b"1"))
    subprocess.run(["zip", "-qr", "../set.zip", "."], cwd=folder, env=os.environ | {"LC_ALL": locale}, check=True)
    assert open_tree(tmp_path / "set.zip").names() == open_tree(folder).names()


def test_two_files_of_one_name_are_refused(tmp_path):
    names = [unicodedata.normalize(form, SHOWN[0]) for form in ("NFC", "NFD")]
    folder = write_folder(tmp_path / "set", {names[0]: b"1", names[1]: b"22"})
    archive = zip_with_names(tmp_path / "set.zip", [name.encode() for name in names])
    slashes = zip_with_names(tmp_path / "slashes.zip", [b"a/b.png", b"a\\b.png"])
    for path, name in ((folder, SHOWN[0]), (archive, SHOWN[0]), (slashes, "a/b.png")):
        with pytest.raises(InputError, match=f"holds two files of the name {name}; rename or remove one"):
            open_tree(path)


def test_one_file_may_be_packed_twice(tmp_path):
    path = write_zip(tmp_path / "set.zip", {"a": b"1", ".b": b"1"})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("a", b"1")
        archive.writestr(".b", b"2")
    assert open_tree(path).read("a") == b"1"
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("a", b"2")
    with pytest.raises(InputError, match="holds two files of the name a; rename or remove one"):
        open_tree(path)


def test_a_missing_file_is_named(source):
    with pytest.raises(InputError, match=r"no file nowhere|nowhere: no such file"):
        open_tree(source).read("nowhere")


def test_paths_that_hold_nothing_are_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder or zip archive"):
        open_tree(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: holds no files"):
        open_tree(tmp_path / "empty")
    with pytest.raises(InputError, match="holds no files"):
        open_tree(write_zip(tmp_path / "empty.zip", HIDDEN))


def test_names_that_are_no_text_are_refused(tmp_path):
    folder = write_folder(tmp_path / "set", {"a.txt": b"a"})
    (folder / "gr\udcfcn").write_bytes(b"")
    with pytest.raises(InputError, match=r"set: 'gr\\udcfcn' is not a UTF-8 name; rename it"):
        open_tree(folder)


@pytest.mark.parametrize(
    ("target", "message"), [("..", "again: a link to one of its parent folders"), ("again", "remove")]
)
def test_links_that_go_round_are_refused(tmp_path, target, message):
    folder = write_folder(tmp_path / "set", {"inner/a.txt": b"a"})
    (folder / "inner" / "again").symlink_to(target)
    with pytest.raises(InputError, match=message):
        open_tree(folder)


def test_archives_that_are_none_or_cut_off_are_refused(tmp_path):
    (tmp_path / "text.zip").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"text\.zip: not a zip archive, or truncated"):
        open_tree(tmp_path / "text.zip")
    whole = write_zip(tmp_path / "whole.zip", CONTENT).read_bytes()
    (tmp_path / "half.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"half\.zip: not a zip archive, or truncated"):
        open_tree(tmp_path / "half.zip")


@pytest.mark.parametrize("name", ["../out.png", "/root.png", "b/../../out.png"])
def test_archives_with_names_that_lead_out_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="leads out of it"):
        open_tree(write_zip(tmp_path / "set.zip", {name: b""}))


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_file_in_an_archive_is_named(tmp_path, method):
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("x.png", bytes(range(256)))
        begin = archive.start_dir - archive.getinfo("x.png").compress_size
    damaged = bytearray(path.read_bytes())
    damaged[begin : begin + 24] = bytes(24)
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=r"set\.zip: x\.png cannot be unpacked"):
        open_tree(path).read("x.png")
