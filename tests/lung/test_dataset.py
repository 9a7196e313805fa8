import zipfile

import cv2
import numpy as np
import pytest

from common.batches.mask_samples import mask_batches
from common.errors import InputError
from common.masks.resize import resize_image, resize_mask
from lung.config import LungConfig
from lung.dataset import load_images, load_labelled, pack, resized, split
from tests.chests import HEIGHT, WIDTH, lungs, radiograph, write, write_kaggle, write_plain

SIDE = 32


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache of this test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def test_the_lungs_of_montgomery_are_joined(tmp_path, lines):
    images = load_labelled(write_kaggle(tmp_path), SIDE)
    assert images.image_ids == [*(f"CHNCXR_000{n}_1" for n in range(3, 6)), *(f"MCUCXR_000{n}_0" for n in range(3))]
    assert images.sizes.tolist() == [[90, 70]] * 3 + [[HEIGHT, WIDTH]] * 3
    np.testing.assert_array_equal(images.load_label_layers(4)[0], np.logical_or(*lungs(1)))
    np.testing.assert_array_equal(images.load_image(4), np.repeat(radiograph(1)[..., None], 3, axis=2))
    said = lines()
    assert any("1 radiographs have no mask, such as CHNCXR_0006_1; left out" in line for line in said)
    assert any("every radiograph counts as another patient's" in line for line in said)


def test_resized_radiographs_come_from_the_cache_once_read(tmp_path, cache, monkeypatch):
    root = write_plain(tmp_path / "set")
    images = load_labelled(root, SIDE)
    small = resized(images.select([4, 1]), SIDE)
    assert small.image_ids == ["cxr_4", "cxr_1"] and small.sizes.tolist() == [[SIDE, SIDE]] * 2
    for index, number in enumerate((4, 1)):
        whole = np.repeat(radiograph(number)[..., None], 3, axis=2)
        np.testing.assert_array_equal(small.load_image(index), resize_image(whole, (SIDE, SIDE)))
        mask = resize_mask(np.logical_or(*lungs(number)), (SIDE, SIDE))
        np.testing.assert_array_equal(small.load_label_layers(index)[0], mask)
    assert len(list(cache.rglob("*.h5"))) == 1
    with monkeypatch.context() as patch:
        patch.setattr("lung.cache.decode_image", lambda *_: pytest.fail("read again"))
        assert load_labelled(root, SIDE).image_ids == images.image_ids
    write(root / "images" / "cxr_0.png", radiograph(9))
    assert not np.array_equal(resized(load_labelled(root, SIDE), SIDE).load_image(0), small.load_image(0))
    assert len(list(cache.rglob("*.h5"))) == 2


def test_a_damaged_cache_is_one_line(tmp_path, cache):
    root = write_plain(tmp_path / "set")
    load_labelled(root, SIDE)
    (path,) = cache.rglob("*.h5")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"h5: a damaged cache; remove the file to rebuild it"):
        load_labelled(root, SIDE)


def test_masks_are_cut_at_half_of_their_largest_value(tmp_path):
    """Soft edges, masks of 0 and 1, and colours."""
    root = write_plain(tmp_path, 3)
    mask = np.logical_or(*lungs(0)).astype(np.uint8)
    soft = cv2.GaussianBlur(mask * 255, (0, 0), 2)
    for number, values in enumerate((soft, mask, np.dstack([mask * 0, mask * 200, mask * 9]))):
        cv2.imwrite(str(root / "masks" / f"cxr_{number}_mask.png"), values)
    images = load_labelled(root, SIDE)
    found = [images.load_label_layers(index)[0] > 0 for index in range(3)]
    assert (found[0] != mask).mean() < 0.02
    np.testing.assert_array_equal(found[1], mask > 0)
    np.testing.assert_array_equal(found[2], mask > 0)
    assert set(np.unique(resized(images, SIDE).load_label_layers(0)[0])) == {0, 1}


def test_no_patient_is_in_two_parts(tmp_path):
    images = load_labelled(write_plain(tmp_path, 20, patients=7), SIDE)
    held_out = []
    for fold in "01234":
        training, held = split(images, fold, seed=1)
        patients = [{int(one.split("_")[1]) % 7 for one in part.image_ids} for part in (training, held)]
        assert not patients[0] & patients[1] and sorted([*training.image_ids, *held.image_ids]) == sorted(
            images.image_ids
        )
        held_out += held.image_ids
    assert sorted(held_out) == sorted(images.image_ids)
    assert split(images, "0", seed=1)[1].image_ids == split(images, "0", seed=1)[1].image_ids
    others = [split(images, "0", seed=seed)[1].image_ids for seed in range(2, 6)]
    assert any(other != split(images, "0", seed=1)[1].image_ids for other in others)
    assert len(split(images, "0", 1, limit=3)[0]) == 3 and len(split(images, "all", 1)[1]) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,patient\ncxr_0,a\n", "metadata.csv: has no patient for cxr_1 .1 are missing.; add the rows"),
        ("id,patient\ncxr_0,a\ncxr_1,\n", "metadata.csv: has no patient for cxr_1"),
        ("name,patient\ncxr_0,a\n", "metadata.csv: not a CSV with columns id and patient; correct it"),
        (b"\xff\xfe\x00", "metadata.csv: not a CSV with columns id and patient; correct it"),
    ],
)
def test_metadata_that_do_not_fit_are_one_line(tmp_path, text, message):
    root = write_plain(tmp_path, 2)
    (root / "metadata.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        load_labelled(root, SIDE)


def test_metadata_lie_in_the_set_or_beside_it_or_are_named(tmp_path):
    root = write_plain(tmp_path / "set", 4, patients=2)
    inside = load_labelled(root, SIDE).source.patients
    (root / "metadata.csv").rename(tmp_path / "metadata.csv")
    beside = load_labelled(root, SIDE).source.patients
    (tmp_path / "metadata.csv").rename(tmp_path / "own.csv")
    named = load_labelled(root, SIDE, metadata=tmp_path / "own.csv").source.patients
    assert inside == beside == named == ["p0", "p1", "p0", "p1"]
    assert load_labelled(root, SIDE).source.patients == [f"cxr_{number}" for number in range(4)]
    with pytest.raises(InputError, match=r"--metadata .*no.csv: no such file"):
        load_labelled(root, SIDE, metadata=tmp_path / "no.csv")
    for folder in ("a", "b"):
        (root / folder).mkdir()
        (root / folder / "metadata.csv").write_text("id,patient\n")
    with pytest.raises(InputError, match=r"holds metadata.csv 2 times; name one with --metadata"):
        load_labelled(root, SIDE)


def damage(root, kind):
    image, mask = root / "images" / "cxr_1.png", root / "masks" / "cxr_1_mask.png"
    if kind == "text":
        image.write_text("no image")
    elif kind == "cut off":
        mask.write_bytes(mask.read_bytes()[:60])
    elif kind == "another size":
        write(mask, np.ones((9, 9), bool))
    elif kind == "empty":
        write(mask, np.zeros((HEIGHT, WIDTH), bool))
    elif kind == "inverted":
        inverted = np.ones((HEIGHT, WIDTH), bool)
        inverted[40:44, 20:60] = False
        write(mask, inverted)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("text", "images/cxr_1.png: not an image"),
        ("cut off", "masks/cxr_1_mask.png: a damaged image"),
        ("another size", "masks/cxr_1_mask.png: a mask of 9 x 9 pixels for a radiograph of 80 x 96; replace it"),
        ("empty", "masks/cxr_1_mask.png: an empty mask; draw the lungs, or remove it"),
        ("inverted", "masks/cxr_1_mask.png: covers 98% of the radiograph; is it inverted?"),
    ],
)
def test_an_unusable_radiograph_is_one_line_or_left_out(tmp_path, lines, kind, message):
    root = write_plain(tmp_path, 4)
    damage(root, kind)
    with pytest.raises(InputError, match="--skip-bad") as caught:
        load_labelled(root, SIDE)
    assert message in str(caught.value)
    assert load_labelled(root, SIDE, skip_bad=True).image_ids == ["cxr_0", "cxr_2", "cxr_3"]
    assert any(line.startswith("left out: ") and message in line for line in lines())


def test_a_set_without_masks_cannot_be_learnt_but_predicted(tmp_path):
    for number in range(2):
        write(tmp_path / f"{number}.png", radiograph(number))
    with pytest.raises(InputError, match="none of its 2 radiographs has a mask"):
        load_labelled(tmp_path, SIDE)
    images = load_images(tmp_path)
    assert images.image_ids == ["0", "1"] and not images.has_objects
    assert images.load_image(0).shape == (HEIGHT, WIDTH, 3)


def test_large_radiographs_of_16_bits_are_read(tmp_path):
    write_plain(tmp_path, 1)
    image = cv2.resize(radiograph(0), (1500, 1700)).astype(np.uint16) * 200
    cv2.imwrite(str(tmp_path / "images" / "cxr_0.png"), image)
    write(tmp_path / "masks" / "cxr_0_mask.png", np.logical_or(*lungs(0, height=1700, width=1500)))
    images = load_labelled(tmp_path, SIDE)
    assert images.shape(0) == (1700, 1500)
    small = resized(images, SIDE)
    mask = small.load_label_layers(0)[0] > 0
    assert small.load_image(0)[mask].mean() < small.load_image(0)[~mask].mean() - 50


def test_a_packed_set_gives_the_same_batches(tmp_path):
    images = load_labelled(write_plain(tmp_path / "set", 6), SIDE)
    pack(images, SIDE, tmp_path / "packed.zip")
    first = (tmp_path / "packed.zip").read_bytes()
    pack(images, SIDE, tmp_path / "packed.zip")
    assert (tmp_path / "packed.zip").read_bytes() == first
    with zipfile.ZipFile(tmp_path / "packed.zip") as archive:
        assert len(archive.namelist()) == 13 and b"cxr_4,p1,96,80" in archive.read("metadata.csv")
    packed = load_labelled(tmp_path / "packed.zip", SIDE)
    assert packed.source.patients == images.source.patients
    config = LungConfig(image_size=SIDE, channels=(16,), batch_size=3)
    ours, theirs = (mask_batches(resized(one, SIDE), config, training=True).batch_at(1) for one in (images, packed))
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name])


def test_the_real_set_holds_back_a_fifth_of_its_patients(data_folder):
    images = load_labelled(data_folder / "lung" / "lung.zip", SIDE)
    assert len(images) == 61 and len(set(images.source.patients)) == 31
    sizes = [len(split(images, fold, LungConfig().fold_seed)[1]) for fold in "01234"]
    assert sum(sizes) == 61 and min(sizes) >= 11
    shares = [resized(images, SIDE).load_label_layers(index)[0].mean() for index in range(61)]
    assert min(shares) > 0.15 and max(shares) < 0.7
