import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import ndimage

from common.errors import InputError
from common.images.synthetic import (
    MODALITIES,
    REAL_SIZES,
    generate_indexed,
    generate_sample,
    write_dataset,
    write_image,
)


def draw(modality: str, image_shape: tuple[int, int], num_nuclei: int, seed: int = 0):
    return generate_sample(np.random.default_rng(seed), modality, image_shape, num_nuclei)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize(("image_shape", "num_nuclei"), [((256, 256), 40), ((256, 320), 1), ((603, 1272), 375)])
def test_every_nucleus_is_there_once(modality, image_shape, num_nuclei):
    sample = draw(modality, image_shape, num_nuclei)
    masks = sample.instances.to_masks(image_shape)
    assert sample.image.shape == (*image_shape, 3)
    assert sample.image.dtype == np.uint8
    assert len(masks) == num_nuclei
    assert masks.sum(axis=0, dtype=np.int32).max() == 1
    assert sample.instances.areas.min() >= 12


@pytest.mark.parametrize("modality", MODALITIES)
def test_each_nucleus_is_one_piece(modality):
    sample = draw(modality, (256, 256), 60)
    pieces = [ndimage.label(mask, np.ones((3, 3)))[1] for mask in sample.instances.masks]
    assert pieces == [1] * 60


@pytest.mark.parametrize("modality", MODALITIES)
def test_no_nuclei_is_an_ordinary_image(modality):
    sample = draw(modality, (64, 48), 0)
    assert sample.image.shape == (64, 48, 3)
    assert len(sample.instances) == 0


@pytest.mark.parametrize("modality", MODALITIES)
def test_border_cuts_and_neighbours_touch(modality):
    boxes, touching = [], 0
    for seed in range(3):
        sample = draw(modality, (256, 256), 60, seed)
        labels = sample.instances.to_label_image((256, 256))
        boxes.append(sample.instances.boxes)
        touching += np.count_nonzero((labels[1:] != labels[:-1]) & (labels[1:] > 0) & (labels[:-1] > 0))
    stacked = np.concatenate(boxes)
    assert ((stacked[:, :2] == 0).any(axis=1) | (stacked[:, 2:] == 256).any(axis=1)).any()
    assert touching > 20


@pytest.mark.parametrize(
    ("modality", "brighter"),
    [("fluorescence", True), ("purple_tissue", False), ("stain_on_white", False), ("brightfield", False)],
)
def test_nuclei_stand_out(modality, brighter):
    sample = draw(modality, (256, 256), 30)
    inside = sample.instances.to_label_image((256, 256)) > 0
    difference = sample.image[inside].mean() - sample.image[~inside].mean()
    assert abs(difference) > 10
    assert (difference > 0) == brighter


def test_grey_images_have_equal_channels_and_stained_ones_are_purple():
    for modality in ("fluorescence", "brightfield"):
        image = draw(modality, (96, 96), 5).image
        assert np.array_equal(image[..., 0], image[..., 1])
        assert np.array_equal(image[..., 0], image[..., 2])
    for modality in ("purple_tissue", "stain_on_white"):
        sample = draw(modality, (96, 96), 5)
        red, green, blue = sample.image[sample.instances.to_label_image((96, 96)) > 0].mean(axis=0)
        assert blue > red > green


def test_a_full_image_ends_with_fewer_nuclei():
    assert 0 < len(draw("fluorescence", (32, 32), 375).instances) < 375


@pytest.mark.parametrize(
    ("modality", "image_shape", "num_nuclei", "named"),
    [("x-ray", (64, 64), 1, "x-ray"), ("brightfield", (31, 64), 1, "31"), ("brightfield", (64, 64), -1, "-1")],
)
def test_bad_input_is_named(modality, image_shape, num_nuclei, named):
    with pytest.raises(InputError, match=named):
        draw(modality, image_shape, num_nuclei)


def test_sizes_modalities_and_counts_are_those_of_the_real_set():
    samples = [generate_indexed(1, i, ((256, 256), (256, 320))) for i in range(60)]
    counts = [len(sample.instances) for sample in samples]
    assert {sample.image.shape[:2] for sample in samples} == {(256, 256), (256, 320)}
    assert min(counts) >= 1
    assert 12 < np.median(counts) < 40
    assert len({sample.image_id for sample in samples}) == 60
    assert sum(REAL_SIZES.values()) == 664


def test_dataset_is_laid_out_as_kaggles_and_read_back(tmp_path):
    write_dataset(tmp_path, 2, 5, sizes=[(64, 96)])
    for index in range(2):
        sample = generate_indexed(5, index, [(64, 96)])
        folder = tmp_path / sample.image_id
        assert len(sample.image_id) == 64
        image = cv2.imread(str(folder / "images" / f"{sample.image_id}.png"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(image[..., 2::-1], sample.image)
        assert (image[..., 3] == 255).all()
        masks = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in (folder / "masks").iterdir()]
        assert {mask.shape for mask in masks} == {(64, 96)}
        assert set(np.unique(masks)) == {0, 255}
        written = {mask.tobytes() for mask in np.array(masks) > 0}
        assert written == {mask.tobytes() for mask in sample.instances.to_masks((64, 96))}


def test_same_seed_same_bytes_however_many_images(tmp_path):
    sizes = [(64, 64), (48, 80)]
    write_dataset(tmp_path / "all", 4, 9, sizes=sizes)
    write_dataset(tmp_path / "again", 2, 9, sizes=sizes)
    write_dataset(tmp_path / "again", 2, 9, sizes=sizes, first=2)
    write_dataset(tmp_path / "other", 4, 10, sizes=sizes)
    assert digests(tmp_path / "all") == digests(tmp_path / "again")
    assert not set(digests(tmp_path / "all").values()) & set(digests(tmp_path / "other").values())


def test_image_alone_has_no_masks_beside_it(tmp_path):
    sample = generate_indexed(0, 0, [(48, 48)])
    write_image(tmp_path, sample)
    assert [path.name for path in (tmp_path / sample.image_id).iterdir()] == ["images"]
