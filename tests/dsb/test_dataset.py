"""Kaggle's layout from folders and archives; what is wrong with it is one line."""

import multiprocessing
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.errors import InputError
from common.images.decoding import decode_image, save_image
from common.images.image_set import ImageSet
from common.images.synthetic import REAL_SIZES
from common.images.truth_files import decode_mask
from dsb.dataset import find_images, load_dataset, pack_dataset


@pytest.fixture
def train(generated_set, tmp_path) -> Path:
    """Return a copy of the generated training set, to be spoilt."""
    return shutil.copytree(generated_set / "stage1_train", tmp_path / "stage1_train")


@pytest.fixture
def load(tmp_path, lines):
    """Return `load_dataset` with a cache of its own; `load.lines()` returns the lines since its last call."""

    def loader(path: Path, **options) -> ImageSet:
        return load_dataset(path, cache=tmp_path / "cache", **options)

    loader.lines = lines
    return loader


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.rglob("*.png"):
            archive.write(file, file.relative_to(folder.parent))
    return path


def counts(images):
    """Return the number of objects of each image."""
    return np.array([len(images.load_class_ids(index)) for index in range(len(images))], int)


def image_path(folder: Path, image_id: str) -> Path:
    return folder / image_id / "images" / f"{image_id}.png"


def mask_paths(folder: Path, image_id: str) -> list[Path]:
    return sorted((folder / image_id / "masks").iterdir())


def test_every_image_and_mask_is_found(train, load):
    dataset = load(train)
    assert dataset.image_ids == sorted(folder.name for folder in train.iterdir()) and len(dataset) == 6
    for index, image_id in enumerate(dataset.image_ids):
        path = image_path(train, image_id)
        np.testing.assert_array_equal(dataset.load_image(index), decode_image(path.read_bytes(), ""))
        masks = [decode_mask(path.read_bytes(), "").pixels for path in mask_paths(train, image_id)]
        expected = sum(number * mask for number, mask in enumerate(masks, start=1))
        np.testing.assert_array_equal(dataset.load_label_layers(index)[0], expected)
        assert counts(dataset)[index] == len(masks) and dataset.load_class_ids(index).tolist() == [1] * len(masks)
        assert tuple(dataset.sizes[index]) == expected.shape
    assert dataset.has_objects and load.lines() == []


def test_folder_parent_and_archive_are_alike(train, load, tmp_path):
    dataset = load(train)
    (train / "notes.txt").write_text("not of the layout")
    for other in (load(train), load(train.parent), load(zipped(train, tmp_path / "train.zip"))):
        assert other.image_ids == dataset.image_ids
        np.testing.assert_array_equal(counts(other), counts(dataset))
        np.testing.assert_array_equal(other.load_label_layers(5)[0], dataset.load_label_layers(5)[0])
        np.testing.assert_array_equal(other.load_image(2), dataset.load_image(2))


def test_a_packed_set_is_the_same_set(train, load, tmp_path):
    dataset = load(train)
    for name in ("one.zip", "two.zip"):
        pack_dataset(dataset, tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    packed = load(tmp_path / "one.zip")
    assert packed.has_objects and packed.image_ids == dataset.image_ids
    np.testing.assert_array_equal(packed.sizes, dataset.sizes)
    np.testing.assert_array_equal(counts(packed), counts(dataset))
    for index in range(len(dataset)):
        np.testing.assert_array_equal(packed.load_image(index), dataset.load_image(index))
        np.testing.assert_array_equal(packed.load_label_layers(index)[0], dataset.load_label_layers(index)[0])


def test_label_images_stand_for_masks(train, load):
    image_id = load(train).image_ids[2]
    shape = load(train).sizes[2].tolist()
    shutil.rmtree(train / image_id / "masks")
    labels = np.zeros(shape, np.uint16)
    labels[1:5, 2:9], labels[7:9, 2:9] = 700, 3
    save_image(train / image_id / "labels" / "nuclei.tif", labels)
    dataset = load(train)
    np.testing.assert_array_equal(dataset.load_label_layers(2)[0], np.searchsorted([0, 3, 700], labels))
    assert counts(dataset)[2] == 2
    for array, problem in (
        (labels[1:], f"a mask of {shape[0] - 1} x {shape[1]} pixels"),
        (np.zeros((*shape, 3), np.uint8), "not a label image"),
        (labels.astype(np.int32) - 1, "has the label -1; background is 0"),
    ):
        Image.fromarray(array).save(train / image_id / "labels" / "nuclei.tif")
        with pytest.raises(InputError, match=rf"labels/nuclei\.tif: {problem}"):
            load(train)
    save_image(train / image_id / "labels" / "more.tif", labels)
    with pytest.raises(InputError, match=f"{image_id}/labels holds 2 images"):
        load(train)
    (train / image_id / "labels" / "more.tif").unlink()
    save_image(train / image_id / "masks" / "1.png", (labels > 0).astype(np.uint8))
    with pytest.raises(InputError, match=f"{image_id} holds both masks and a label image"):
        load(train)


def test_a_packed_set_holds_however_many_objects_there_are(load, tmp_path):
    labels = np.arange(70_000, dtype=np.uint32).reshape(280, 250)
    save_image(tmp_path / "set" / "a" / "images" / "a.png", np.zeros((*labels.shape, 3), np.uint8))
    save_image(tmp_path / "set" / "a" / "labels" / "a.tif", labels)
    pack_dataset(load(tmp_path / "set"), tmp_path / "packed.zip")
    np.testing.assert_array_equal(load(tmp_path / "packed.zip").load_label_layers(0)[0], labels)


def test_masks_that_are_no_images_are_reported(train, load, lines):
    folder = train / load(train).image_ids[0] / "masks"
    for name in ("8.npy", "9.mat", "Thumbs.db", ".DS_Store"):
        (folder / name).write_bytes(b"")
    load(train)
    (line,) = lines()
    assert "left out 2 files among masks that are no images, such as " in line and line.endswith("masks/8.npy")


def test_a_set_is_used_from_other_processes(train, load, tmp_path):
    dataset = load(zipped(train, tmp_path / "train.zip"))
    expected = [dataset.load_label_layers(index)[0] for index in range(6)]
    assert len(pickle.dumps(dataset)) < 5_000
    with multiprocessing.get_context("fork").Pool(2) as processes:
        np.testing.assert_equal([layers[0] for layers in processes.map(dataset.load_label_layers, range(6))], expected)
        images = processes.map(dataset.load_image, range(6))
    np.testing.assert_equal(images, [dataset.load_image(index) for index in range(6)])


def test_selections_keep_their_order(train, load):
    dataset = load(train)
    chosen = dataset.select([4, 1]).select([1, 0])
    assert chosen.image_ids == [dataset.image_ids[1], dataset.image_ids[4]]
    assert counts(chosen).tolist() == counts(dataset)[[1, 4]].tolist()
    np.testing.assert_array_equal(chosen.load_label_layers(1)[0], dataset.load_label_layers(4)[0])
    assert counts(dataset.select(counts(dataset) > counts(dataset).min())).min() > counts(dataset).min()
    nothing = dataset.select([])
    assert len(nothing) == 0 and nothing.sizes.shape == (0, 2)


def test_a_test_set_has_no_masks(train, load):
    assert not load(train, masks=False).has_objects
    for folder in train.glob("*/masks"):
        shutil.rmtree(folder)
    dataset = load(train)
    assert not dataset.has_objects and counts(dataset).tolist() == [0] * 6
    assert dataset.sizes.tolist() == [list(dataset.load_image(index).shape[:2]) for index in range(6)]
    with pytest.raises(InputError, match="stage1_train: holds no masks"):
        dataset.load_label_layers(0)[0]


def test_overlapping_and_empty_masks_are_reported(train, load):
    image_id = load(train).image_ids[3]
    paths = mask_paths(train, image_id)
    mask = decode_mask(paths[0].read_bytes(), "").pixels
    save_image(paths[0].with_name("zz.png"), mask.astype(np.uint8) * 255)
    save_image(paths[0].with_name("zzz.png"), np.zeros(mask.shape, np.uint8))
    for _ in range(2):  # built, and read again
        load.lines()
        dataset = load(train)
        assert counts(dataset)[3] == len(paths)
        assert load.lines() == [
            f"{train}: masks overlap in 1 images by {mask.sum()} pixels; the first by file name keeps them",
            f"{train}: left out 2 masks without pixels of their own in 1 images",
        ]


def spoil_image(train: Path, image_id: str) -> str:
    image_path(train, image_id).write_bytes(b"hello")
    return f"{image_path(train, image_id)}: not an image"


def spoil_mask(train: Path, image_id: str) -> str:
    path = mask_paths(train, image_id)[0]
    path.write_bytes(path.read_bytes()[:50])
    return f"{path}: a damaged image"


def shrink_mask(train: Path, image_id: str) -> str:
    path = mask_paths(train, image_id)[0]
    save_image(path, np.ones((9, 8), np.uint8))
    return f"{path}: a mask of 9 x 8 pixels for an image of 64 x "


def remove_masks(train: Path, image_id: str) -> str:
    shutil.rmtree(train / image_id / "masks")
    return f"{image_path(train, image_id)}: has no masks, unlike others"


def remove_image(train: Path, image_id: str) -> str:
    image_path(train, image_id).unlink()
    return f"{image_path(train, image_id)}: no such file"


@pytest.mark.parametrize("spoil", [spoil_image, spoil_mask, shrink_mask, remove_masks, remove_image])
def test_unusable_images_are_named_and_can_be_left_out(train, load, spoil):
    whole = load(train)
    message = spoil(train, whole.image_ids[2])
    with pytest.raises(InputError) as raised:
        load(train)
    assert str(raised.value).startswith(message) and "\n" not in str(raised.value)
    dataset = load(train, skip_bad=True)
    (line,) = load.lines()
    assert line.startswith(f"left out: {message}")
    assert dataset.image_ids == [*whole.image_ids[:2], *whole.image_ids[3:]]
    assert counts(dataset).tolist() == np.delete(counts(whole), 2).tolist()
    np.testing.assert_array_equal(dataset.load_label_layers(2)[0], whole.load_label_layers(3)[0])


def test_several_unusable_images_are_counted(train, load):
    image_ids = load(train).image_ids
    for image_id in image_ids[:3]:
        spoil_image(train, image_id)
    with pytest.raises(InputError, match=r"not an image; .* \(2 more are unusable\)"):
        load(train)
    for image_id in image_ids[3:]:
        spoil_image(train, image_id)
    with pytest.raises(InputError, match="none of its 6 images is usable"):
        load(train, skip_bad=True)


def test_other_folders_are_refused(tmp_path, load):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        load(tmp_path / "nowhere")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "x.txt").write_text("no image")
    with pytest.raises(InputError, match=r"notes: no images found; .*<id>/images/<id>\.png"):
        load(tmp_path / "notes")


def test_images_of_any_kind_need_no_layout(tmp_path, load):
    rng = np.random.default_rng(0)
    colour = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    save_image(tmp_path / "mine" / "a.b.png", colour)
    save_image(tmp_path / "mine" / "deeper" / "c.TIF", (colour[..., 0].astype(np.uint16) << 8) + 7)
    save_image(tmp_path / "mine" / "d.bmp", colour[:5])
    save_image(tmp_path / "mine" / "e.jpeg", colour)
    (tmp_path / "mine" / "readme.txt").write_text("not an image")
    images = load(tmp_path / "mine")
    assert images.image_ids == ["a.b", "c", "d", "e"]
    assert not images.has_objects
    assert images.sizes.tolist() == [[20, 30], [20, 30], [5, 30], [20, 30]]
    np.testing.assert_array_equal(images.load_image(0), colour)
    assert images.load_image(1).shape == (20, 30, 3)


def test_one_image_of_kaggle_s_is_not_taken_for_its_masks():
    names = ["images/a.png", "masks/1.png", "masks/2.png"]
    assert [image.image_id for image in find_images(names, "a")] == ["a"]


def test_images_beside_kaggle_s_layout_are_reported(lines):
    names = ["a.png", "plate/b.tif", "plate/c/images/c.png", "plate/c/masks/1.png", "notes.txt"]
    assert [image.image_id for image in find_images(names, "set")] == ["c"]
    assert lines() == ["set: left out 2 images outside <id>/images folders, where others are: a.png"]


def test_a_folder_of_images_may_be_called_images():
    names = ["mine/images/a.png", "mine/images/b.png"]
    assert [image.image_id for image in find_images(names, "mine.zip")] == ["a", "b"]


def test_loose_images_of_one_name_are_told_apart_by_their_folders():
    found = find_images(["plate_1/a.png", "plate_2/a.tif", "b.png"], "mine")
    assert [image.image_id for image in found] == ["b", "plate_1_a", "plate_2_a"]
    found = find_images(["set/x/1/a.png", "set/x/2/a.tif"], "mine.zip")
    assert [image.image_id for image in found] == ["1_a", "2_a"]
    with pytest.raises(InputError, match=r"mine: a\.png and a\.tif have the same name; rename or remove one"):
        find_images(["a.tif", "a.png"], "mine")


@pytest.mark.parametrize(
    ("names", "masks", "expected", "first"),
    [
        (["a.png", "masks/b.png"], True, {"a": ()}, "masks/b.png"),
        (["p/1.png", "p/2.png", "p/masks/1.png", "p/labels/1.tif"], False, {"1": (), "2": ()}, "p/masks/1.png"),
        (["a/images/a.png", "a/masks/x/1.png", "a/masks/2.png"], True, {"a": ("a/masks/2.png",)}, "a/masks/x/1.png"),
    ],
)
def test_masks_that_are_nobody_s_are_reported(lines, names, masks, expected, first):
    found = find_images(names, "mine", masks=masks)
    assert {image.image_id: image.mask_names for image in found} == expected
    (line,) = lines()
    assert line.startswith("mine: left out ") and line.endswith(f"masks or labels that belong to no image: {first}")


def test_an_id_in_two_places_or_with_two_images_is_refused():
    with pytest.raises(InputError, match=r"set: test/a/images/a\.png and train/a/images/a\.png have the same name"):
        find_images(["train/a/images/a.png", "test/a/images/a.png"], "set")
    with pytest.raises(InputError, match="set: a/images holds 2 images"):
        find_images(["a/images/a.png", "a/images/b.png", "c/images/c.png"], "set")


@pytest.mark.slow
def test_real_training_set(data_folder, load, tmp_path):
    dataset = load(data_folder / "dsb2018" / "stage1_train.zip")
    sizes, images = np.unique(dataset.sizes, axis=0, return_counts=True)
    assert dict(zip(map(tuple, sizes.tolist()), images.tolist(), strict=True)) == REAL_SIZES
    objects = counts(dataset)
    assert (len(dataset), objects.sum(), objects.min(), objects.max(), np.median(objects)) == (664, 28986, 1, 375, 27)
    largest = int(np.argmax(objects))
    assert dataset.load_label_layers(largest)[0].max() == objects[largest]
    pack_dataset(dataset.select(range(0, 664, 8)), tmp_path / "packed.zip")
    assert 8 * (tmp_path / "packed.zip").stat().st_size < 50e6


def test_images_of_kinds_that_are_not_read_are_reported(lines):
    names = ["a.png", "b.webp", "c.jp2", "d.gif", "e.czi", "f.heic", "notes.txt"]
    assert [image.image_name for image in find_images(names, "set")] == names[:4]
    assert lines() == ["set: left out 2 images of kinds that are not read: e.czi; save them as TIFF"]
