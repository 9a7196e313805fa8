"""Images with a mask file an object: what is read, reported and refused; more in `tests/dsb/test_dataset.py`."""

import numpy as np
import pytest

from common.errors import InputError
from common.files import open_tree
from common.images.decoding import save_image
from common.images.label_index import ImageFiles
from common.images.mask_files import open_mask_files

FILES = [ImageFiles("a", "a.png", ("a_1.png", "a_2.png")), ImageFiles("b", "b.png", ("b_1.png",))]


@pytest.fixture
def tree(tmp_path):
    """Two images; the second mask of the first one overlaps the other by a pixel."""
    folder = tmp_path / "set"
    for name in "ab":
        save_image(folder / f"{name}.png", np.full((6, 8, 3), ord(name), np.uint8))
    for name, (top, left) in {"a_1": (0, 0), "a_2": (1, 1), "b_1": (2, 5)}.items():
        mask = np.zeros((6, 8), np.uint8)
        mask[top : top + 2, left : left + 2] = 255
        save_image(folder / f"{name}.png", mask)
    return open_tree(folder)


def test_images_and_their_objects(tree, tmp_path, lines):
    images = open_mask_files(tree, FILES, cache=tmp_path / "cache")
    assert images.image_ids == ["a", "b"] and images.image_names == ["a.png", "b.png"] and images.has_objects
    assert images.load_image(1)[0, 0].tolist() == [ord("b")] * 3
    assert images.load_instances(0).areas.tolist() == [4, 3]
    assert images.load_class_ids(0).tolist() == [1, 1]
    assert lines() == [f"{tree.path}: masks overlap in 1 images by 1 pixels; the first by file name keeps them"]


def test_a_set_without_masks_has_no_objects(tree, tmp_path):
    images = open_mask_files(tree, [ImageFiles("a", "a.png")], cache=tmp_path / "cache")
    assert not images.has_objects
    with pytest.raises(InputError, match="set: holds no masks; training and scoring need them"):
        images.load_instances(0)


def test_unusable_images_are_refused_or_left_out(tree, tmp_path):
    (tree.path / "b.png").write_bytes(b"torn")
    tree = open_tree(tree.path)
    with pytest.raises(InputError, match=r"b\.png: not an image"):
        open_mask_files(tree, FILES, cache=tmp_path / "cache")
    images = open_mask_files(tree, FILES, cache=tmp_path / "cache", skip_bad=True)
    assert images.image_ids == ["a"] and images.left_out == ("b",)
    with pytest.raises(InputError, match="no images found"):
        open_mask_files(tree, [], cache=tmp_path / "cache")


def test_soft_and_inverted_masks_are_reported_once_and_from_the_cache(tree, tmp_path, lines):
    grey = np.zeros((6, 8), np.uint8)
    grey[2:5, 2:6] = [90, 255, 255, 90]
    save_image(tree.path / "b_1.png", grey)
    save_image(tree.path / "a_1.png", np.uint8(255) - 255 * (np.mgrid[:6, :8].sum(axis=0) == 6).astype(np.uint8))
    for _ in range(2):
        images = open_mask_files(open_tree(tree.path), FILES, cache=tmp_path / "cache")
        assert images.load_instances(1).areas.tolist() == [6]
        _, _, cut, spanning = lines()
        assert cut.startswith(f"{tree.path}: 1 masks with soft edges are cut") and cut.endswith("such as b)")
        assert spanning.startswith(f"{tree.path}: 1 objects reach all borders") and spanning.endswith("such as a)")


@pytest.mark.parametrize("name", ["a_1.png", "a_2.png"])
def test_a_mask_that_cannot_be_right_is_named(tree, tmp_path, name):
    save_image(tree.path / name, np.arange(48, dtype=np.uint8).reshape(6, 8))
    with pytest.raises(InputError, match=rf"set/{name}: not a mask: it has areas of more than two values"):
        open_mask_files(open_tree(tree.path), FILES, cache=tmp_path / "cache")
    images = open_mask_files(open_tree(tree.path), FILES, cache=tmp_path / "cache", skip_bad=True)
    assert images.left_out == ("a",)
