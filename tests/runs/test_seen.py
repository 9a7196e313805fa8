"""Which images weights were trained on: by content, else by name."""

import shutil

import numpy as np
import pytest

from common.runs.seen import IMAGES_FILE, find_seen, format_images, seen_images
from common.runs.start import named_weights
from common.settings.config import STATE_FILE
from common.storage.trees import open_tree

SEEN = [("1", "5-aa"), ("2", "5-bb"), ("old", "")]


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ([("1", "5-cc"), ("2", "5-dd")], []),  # numbered from the same id: no leak
        ([("7", "5-aa"), ("8", "5-ee")], ["7"]),  # another name: a leak
        ([("1", "5-aa")], ["1"]),
        ([("old", "5-cc"), ("new", "5-cc")], ["old"]),  # a list of before contents were noted
        ([("1", ""), ("3", "")], ["1"]),
        ([], []),
    ],
)
def test_contents_decide_where_they_are_known(images, expected):
    assert find_seen(images, SEEN) == expected
    assert find_seen(images, []) == []


def test_lists_come_back_from_states_and_files(tmp_path):
    assert seen_images(tmp_path) == []
    (tmp_path / IMAGES_FILE).write_text("".join(f"{line}\n" for line in format_images(SEEN)))
    assert seen_images(tmp_path) == SEEN
    np.savez(tmp_path / STATE_FILE, images=format_images(SEEN[:1]))
    assert seen_images(tmp_path) == SEEN[:1]
    np.savez(tmp_path / STATE_FILE, images=["a", "b"])  # as runs noted it before
    assert seen_images(tmp_path) == [("a", ""), ("b", "")]
    (tmp_path / STATE_FILE).write_bytes(b"torn")
    assert seen_images(tmp_path) == []


def test_the_list_of_the_weights_that_come_along():
    seen = seen_images(named_weights()["small"].parent)
    assert len(seen) == 531 and {content for _, content in seen} == {""}
    assert find_seen([(seen[5][0], "9-ff"), ("1", "9-ee")], seen) == [seen[5][0]]


def test_a_file_has_one_fingerprint_in_a_folder_and_an_archive(tmp_path):
    for name, data in (("a", b"hello"), ("b", b"hello"), ("c", b"hallo"), ("d", b"")):
        (tmp_path / "set" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "set" / name).write_bytes(data)
    trees = [open_tree(tmp_path / "set"), open_tree(shutil.make_archive(str(tmp_path / "z"), "zip", tmp_path / "set"))]
    prints = [[tree.fingerprint(name) for name in "abcd"] for tree in trees]
    assert prints[0] == prints[1] and prints[0][0] == prints[0][1] == "5-3610a686" and len(set(prints[0])) == 3
