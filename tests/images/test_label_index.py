"""Masks become one label image; the index is cached, renewed, and moved if its folder is not writable."""

import os
import tempfile

import cv2
import h5py
import numpy as np
import pytest

from common.errors import InputError
from common.images.decoding import save_image
from common.images.label_index import ImageFiles, open_index, stack_masks
from common.storage.trees import open_tree

MASKS = np.zeros((3, 9, 7), bool)
MASKS[0, :4, :5], MASKS[1, 2:9, 3:7], MASKS[2, 3, 4] = True, True, True
IMAGES = [ImageFiles("a", "a.png", ("1.png", "2.png", "3.png"))]


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "set"
    save_image(folder / "a.png", np.full((9, 7, 3), 5, np.uint8))
    for number, mask in enumerate(MASKS, start=1):
        save_image(folder / f"{number}.png", mask.astype(np.uint8) * 255)
    return open_tree(folder)


def test_the_first_mask_keeps_a_contested_pixel():
    label_image, contested, dropped = stack_masks(MASKS, (9, 7))
    expected = np.zeros((9, 7), np.int32)
    expected[MASKS[1]] = 2
    expected[MASKS[0]] = 1
    np.testing.assert_array_equal(label_image, expected)
    assert label_image.dtype == np.int32
    assert (contested, dropped) == (4 + 1, 1)


def test_masks_without_pixels_leave_no_gap():
    masks = [np.zeros((2, 3), bool), np.eye(2, 3, dtype=bool), np.zeros((2, 3), bool), ~np.eye(2, 3, dtype=bool)]
    label_image, contested, dropped = stack_masks(masks, (2, 3))
    assert label_image.tolist() == [[1, 2, 2], [2, 1, 2]]
    assert (contested, dropped) == (0, 2)


def test_no_masks():
    label_image, contested, dropped = stack_masks([], (2, 3))
    assert label_image.tolist() == [[0, 0, 0], [0, 0, 0]] and (contested, dropped) == (0, 0)


def test_random_masks_against_painting_backwards():
    rng = np.random.default_rng(0)
    masks = np.zeros((30, 40, 50), bool)
    for mask, top, left in zip(masks, rng.integers(40, size=30), rng.integers(50, size=30), strict=True):
        cv2.circle(mask.view(np.uint8), (int(left), int(top)), 6, 1, -1)
    painted = np.zeros((40, 50), int)
    for number in reversed(range(30)):
        painted[masks[number]] = number + 1
    label_image, contested, dropped = stack_masks(masks, (40, 50))
    kept = np.unique(painted[painted > 0])
    np.testing.assert_array_equal(label_image, np.searchsorted(np.r_[0, kept], painted))
    assert contested == masks.sum() - masks.any(axis=0).sum() and dropped == 30 - len(kept)


def test_an_index_is_built_once_and_again_after_a_change(tree, tmp_path, lines):
    first = open_index(tree, IMAGES, tmp_path / "cache")
    changed = first.path.stat().st_mtime_ns
    again = open_index(open_tree(tree.path), IMAGES, tmp_path / "cache")
    assert again.path == first.path and first.path.stat().st_mtime_ns == changed
    np.testing.assert_array_equal(again.load_label_image("a"), stack_masks(MASKS, (9, 7))[0])
    assert again.sizes.tolist() == [[9, 7]] and again.counts.tolist() == [2] and again.problems == [""]
    save_image(tree.path / "1.png", np.zeros((9, 7), np.uint8))
    renewed = open_index(open_tree(tree.path), IMAGES, tmp_path / "cache")
    assert renewed.path != first.path and renewed.load_label_image("a").max() == 1
    assert first.load_label_image("a").max() == 2
    assert lines() == []


def test_a_problem_that_is_gone_is_forgotten(tree, tmp_path, monkeypatch):
    def lack_a_decoder(data, name, choice):
        raise InputError(f"{name}: no decoder installed")

    with monkeypatch.context() as context:
        context.setattr("common.images.label_index.decode_stored", lack_a_decoder)
        for _ in range(2):
            index = open_index(tree, IMAGES, tmp_path / "cache")
            assert "no decoder installed" in index.problems[0]
    assert open_index(tree, IMAGES, tmp_path / "cache").problems == [""]


def test_labels_beyond_8_bits_survive(tmp_path):
    folder = tmp_path / "set"
    save_image(folder / "a.png", np.zeros((20, 20, 3), np.uint8))
    for number in range(300):
        mask = np.zeros(400, np.uint8)
        mask[number] = 255
        save_image(folder / f"{number:03}.png", mask.reshape(20, 20))
    images = [ImageFiles("a", "a.png", tuple(f"{number:03}.png" for number in range(300)))]
    label_image = open_index(open_tree(folder), images, tmp_path / "cache").load_label_image("a")
    np.testing.assert_array_equal(label_image.ravel(), np.r_[1:301, np.zeros(100)])


def test_a_folder_that_cannot_be_written_to_is_replaced(tree, tmp_path, monkeypatch, lines):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "file").write_text("no folder")
    index = open_index(tree, IMAGES, tmp_path / "file")
    assert index.path.parent == tmp_path / "temporary" / f"kaggle-segmentation-{os.getuid()}"
    (line,) = lines()
    assert "file: not writable" in line
    assert open_index(tree, IMAGES, tmp_path / "file").path == index.path


def test_the_default_folder_is_the_users_cache(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert open_index(tree, IMAGES, None).path.parent == tmp_path / "home" / "kaggle-segmentation"


def test_a_damaged_index_is_named(tree, tmp_path):
    path = open_index(tree, IMAGES, tmp_path / "cache").path
    with h5py.File(path, "a") as file:
        del file["counts"]
    with pytest.raises(InputError, match="a damaged index; remove the file"):
        open_index(tree, IMAGES, tmp_path / "cache")
    path.write_bytes(b"HDF")
    with pytest.raises(InputError, match="a damaged index; remove the file"):
        open_index(tree, IMAGES, tmp_path / "cache")
