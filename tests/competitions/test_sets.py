"""Sets of all competitions, opened by one function."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from coco.instances_set import open_instances_set, read_subset
from coco.via import open_via_set
from common.errors import InputError
from common.images.decoding import save_image
from common.images.usable import read_in_threads
from common.storage.trees import open_tree
from competitions.sets import COMPETITIONS, open_images, recognise_layout
from isic.config import SMALL as ISIC_SMALL
from isic.dataset import load_images as load_skin
from isic.dataset import load_labelled as load_lesions
from lung.dataset import load_images as load_chests
from lung.dataset import load_labelled as load_lungs
from rsna.dataset import load_labelled as load_radiographs
from tests import cells, chests, lesions, radiographs
from tests.coco.test_balloon import write_part
from tests.coco_files import write_subset
from wbc.config import SMALL as WBC_SMALL
from wbc.dataset import load_cells


def write_nuclei(folder):
    for name in "ab":
        image = np.full((20, 24, 3), 30, np.uint8)
        image[2:9, 3:12] = 200
        save_image(folder / name / "images" / f"{name}.png", image)
        save_image(folder / name / "masks" / "1.png", np.uint8(image[..., 0] > 100) * 255)
    return folder


def write_photos(folder):
    write_subset(folder, "train")
    return folder


def write_balloons(folder):
    write_part(folder, "train")
    return folder


WRITERS = {
    "dsb": write_nuclei,
    "rsna": radiographs.write_set,
    "isic": lesions.write_set,
    "wbc": cells.write_set,
    "coco": write_photos,
    "balloon": write_balloons,
    "lung": chests.write_plain,
}
REAL = {
    "dsb": ("dsb2018/stage1_train.zip", 664),
    "rsna": ("rsna", 61),
    "isic": ("isic/isic.zip", 200),
    "wbc": ("wbc/WBC.zip", 297),
    "coco": ("coco/coco.zip", 40),
    "balloon": ("balloon/balloon.zip", 24),
    "lung": ("lung/lung.zip", 61),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_set_is_recognised_and_opened(tmp_path, name):
    dataset = WRITERS[name](tmp_path / "set")
    competition, images = open_images(dataset)
    assert competition.name == name
    assert images.has_objects and len(images)
    assert sum(len(images.load_class_ids(index)) for index in range(len(images)))
    assert max(max(images.load_class_ids(index), default=1) for index in range(len(images))) <= len(
        competition.config.class_names
    )
    assert images.load_image(0).shape[:2] == images.shape(0)


def sent(read, items, name):
    """Read items as other processes do, which get copies."""
    return read_in_threads(pickle.loads(pickle.dumps(read)), pickle.loads(pickle.dumps(items)), name)


OPENERS = {
    "rsna": lambda folder, reader: load_radiographs(folder, reader=reader),
    "isic": lambda folder, reader: load_lesions(folder, "train", ISIC_SMALL.class_names, reader=reader),
    "isic, unlabelled": lambda folder, reader: load_skin(folder, "train", reader=reader),
    "wbc": lambda folder, reader: load_cells(folder, "train", WBC_SMALL.class_names, reader=reader),
    "coco": lambda folder, reader: open_photos(folder, reader=reader),
    "balloon": lambda folder, reader: open_via_set(open_tree(folder), "train", reader=reader),
    "lung": lambda folder, reader: load_lungs(folder, 32, reader=reader),
    "lung, unlabelled": lambda folder, reader: load_chests(folder, reader=reader),
}


def open_photos(folder, reader):
    tree = open_tree(folder)
    subset = read_subset(tree, "train", "2017")
    return open_instances_set(tree, [subset], subset.file.class_names, skip_bad=True, reader=reader)


@pytest.mark.parametrize("name", OPENERS)
def test_what_reads_a_set_can_be_sent_to_workers(tmp_path, monkeypatch, name):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = WRITERS[name.partition(",")[0]](tmp_path / "set")
    counts = []

    def reader(read, items, name):
        counts.append(len(items))
        yield from sent(read, items, name)

    images = OPENERS[name](folder, reader)
    assert counts == [len(images)] and len(images)


def test_every_competition_is_tried():
    assert WRITERS.keys() == REAL.keys() == COMPETITIONS.keys()


@pytest.mark.parametrize("name", REAL)
def test_real_sets_are_recognised_and_opened(name):
    data = os.environ.get("SEGMENTATION_DATA")
    if not data:
        pytest.skip("SEGMENTATION_DATA names no folder of real sets")
    path, count = REAL[name]
    competition, images = open_images(Path(data) / path)
    assert (competition.name, len(images)) == (name, count)


def test_parts_are_chosen(tmp_path):
    dataset = cells.write_set(tmp_path)
    assert len(open_images(dataset, part="val")[1]) == 2
    assert not open_images(dataset, "wbc", part="detect")[1].has_objects


def test_a_test_set_has_no_objects(tmp_path):
    dataset = radiographs.write_set(tmp_path)
    assert not open_images(dataset, part="test")[1].has_objects


def test_labels_elsewhere_are_those_of_the_chosen_part(tmp_path):
    dataset = radiographs.write_set(tmp_path)
    image_ids = list(open_images(dataset, part="test")[1].image_ids)
    labels = tmp_path / "labels.csv"
    labels.write_text("\n".join(["patientId,x,y,width,height,Target", *(f"{one},,,,,0" for one in image_ids), ""]))
    images = open_images(dataset, part="test", labels=labels)[1]
    assert list(images.image_ids) == image_ids and images.has_objects


def test_unlabelled_radiographs_of_lungs_are_opened(tmp_path):
    dataset = chests.write_plain(tmp_path)
    for path in (dataset / "masks").iterdir():
        path.unlink()
    assert not open_images(dataset, "lung")[1].has_objects


def test_coco_names_its_categories(tmp_path):
    competition, _ = open_images(write_photos(tmp_path))
    assert 0 < len(competition.config.class_names) < 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"competition": "cats"}, "--competition cats: unknown; give one of dsb, rsna"),
        ({"part": "val"}, "--part val: not a part of dsb; give none: its sets have no parts"),
        ({"labels": Path("other.json")}, "other.json: sets of dsb hold their labels themselves"),
        ({"competition": "wbc", "part": "dev"}, "--part dev: not a part of wbc; give one of train, val, detect"),
    ],
)
def test_bad_input_is_one_line(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        open_images(write_nuclei(tmp_path), **arguments)


def test_plain_images_are_those_of_the_bowl():
    assert recognise_layout(["plate/1.tif", "plate/2.tif"]) == "dsb"
    assert recognise_layout(["a/images/a.png", "a/masks/1.png"]) == "dsb"
