"""Images with a mask file an object: what is read, reported and refused; more in `tests/dsb/test_dataset.py`."""

import numpy as np
import pytest
import tifffile

from common.errors import InputError
from common.images.decoding import save_image
from common.images.label_index import ImageFiles
from common.images.mask_files import open_mask_files
from common.images.stored import Choice
from common.storage.trees import open_tree

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


def test_a_choice_of_page_and_channel(tmp_path):
    """Sizes, content, signature and cache follow the choice; nothing of another choice is taken over."""
    stack = np.random.default_rng(0).integers(0, 256, (2, 6, 8, 5), dtype=np.uint8)
    (tmp_path / "set").mkdir()
    tifffile.imwrite(tmp_path / "set" / "a.tif", stack, photometric="minisblack", planarconfig="contig", metadata=None)
    tree, files = open_tree(tmp_path / "set"), [ImageFiles("a", "a.tif")]
    signatures = set()
    for choice in (Choice(1, (5,)), Choice(2, (5,)), Choice(2, (3, 1, 2))):
        images = open_mask_files(tree, files, cache=tmp_path / "cache", choice=choice)
        expected = stack[choice.page - 1][..., [channel - 1 for channel in choice.channels]]
        np.testing.assert_array_equal(images.load_image(0), np.broadcast_to(expected, (6, 8, 3)))
        signatures.add(images.signature())
    assert len(signatures) == 3
    for choice, message in (
        (None, "a.tif: holds 2 images; save one per file"),
        (Choice(), "a.tif: holds 2 images; choose one with --page 1 to 2"),
        (Choice(page=1), "a.tif: has 5 channels that are not red, green and blue; choose one with --channel N"),
        (Choice(page=1, channels=(6,)), "a.tif: has no channel 6, as it holds 5; choose another --channel"),
    ):
        with pytest.raises(InputError, match=message):
            open_mask_files(tree, files, cache=tmp_path / "cache", choice=choice)


def test_a_choice_that_changes_nothing_keeps_the_signature(tree, tmp_path):
    signatures = {
        open_mask_files(tree, FILES, cache=tmp_path / "cache", choice=choice).signature() for choice in (None, Choice())
    }
    assert len(signatures) == 1


def test_an_orientation_is_reported_once(tmp_path, lines):
    (tmp_path / "set").mkdir()
    for number, orientation in enumerate((1, 6, 3)):
        tag = [(274, "H", 1, orientation, True)]
        tifffile.imwrite(tmp_path / "set" / f"{number}.tif", np.eye(6, 8, dtype=np.uint8) * 200, extratags=tag)
    files = [ImageFiles(str(number), f"{number}.tif") for number in range(3)]
    for _ in range(2):
        images = open_mask_files(open_tree(tmp_path / "set"), files, cache=tmp_path / "cache")
        assert images.sizes.tolist() == [[6, 8]] * 3
        np.testing.assert_array_equal(images.load_image(1)[..., 0], np.eye(6, 8) * 200)
        (line,) = lines()
        assert line.startswith(f"{tmp_path / 'set'}: 2 images have an orientation tag") and "read as stored" in line


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
