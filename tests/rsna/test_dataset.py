"""Radiographs and their labels: found, read, checked and shrunk."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from common.batches.instance_samples import InstanceSamples
from common.batches.loader import BatchLoader
from common.errors import InputError
from rsna.augmentation import IMGAUG, OURS, choose_augmentation
from rsna.config import DEMO, PRESETS, RSNAConfig
from rsna.dataset import (
    balance,
    filled_boxes,
    have_boxes,
    load_labelled,
    load_unlabelled,
    true_boxes,
    with_side,
)
from rsna.files import TEST as TEST_PART
from rsna.labels import CLASSES, read_classes, read_labels
from tests.dicoms import encode_dicom
from tests.radiographs import BOXES, SIZE, TEST, radiograph, write_labels, write_set
from tests.radiographs import CLASSES as PATIENT_CLASSES
from tests.tiny import TINY


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A set; not to be changed."""
    return write_set(tmp_path_factory.mktemp("rsna") / "datasets")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Keep what is found out about the images to the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_patients_and_their_boxes(folder):
    images = load_labelled(folder)
    assert list(images.image_ids) == sorted(BOXES) and list(images.source.classes) == list(PATIENT_CLASSES.values())
    for index, boxes in enumerate(BOXES.values()):
        expected = [[y, x, y + height, x + width] for x, y, width, height in boxes]
        assert true_boxes(images)[images.image_ids[index]].tolist() == expected
        image = images.load_image(index)
        assert image.shape == (SIZE, SIZE, 3) and image.dtype == np.uint8
        assert np.abs(image - radiograph(boxes)[..., None].astype(int)).max() <= (40 if index == 1 else 0)
        assert len(images.load_class_ids(index)) == len(boxes) == len(images.load_instances(index))
    assert have_boxes(images).nonzero()[0].tolist() == [1, 4, 5, 8]
    assert images.sizes.tolist() == [[SIZE, SIZE]] * 10


def test_rectangles_end_on_the_pixel_after_their_side(folder):
    images = load_labelled(folder)
    (layer,) = images.load_label_layers(1)
    expected = np.zeros((SIZE, SIZE), int)
    expected[30 : 30 + 60 + 1, 20 : 20 + 40 + 1] = 1
    np.testing.assert_array_equal(layer, expected)
    assert images.load_instances(4).boxes.tolist() == [[80, 100, SIZE, SIZE]]  # cut at the border


def test_overlapping_boxes_stay_whole_and_nothing_is_nothing(folder):
    images = load_labelled(folder)
    layers = images.load_label_layers(5)
    assert len(layers) == 2 and [int((layer > 0).sum()) for layer in layers] == [51 * 51, 61 * 71]
    assert images.load_label_layers(0) == []


def test_shrunken_images_and_boxes(folder):
    images = load_labelled(folder, side=64)
    assert images.sizes.tolist() == [[64, 64]] * 10 and images.source.stored_sizes.tolist() == [[SIZE, SIZE]] * 10
    assert images.load_image(4).shape == (64, 64, 3)
    assert images.load_instances(1).boxes.tolist() == [[12, 8, 36, 24]]  # 30, 20, 91, 61 at two fifths
    assert true_boxes(images)["patient-1"].tolist() == [[30, 20, 90, 60]]


def test_facts_of_patients_follow_a_selection(folder):
    images = load_labelled(folder)
    chosen = with_side(images.select([8, 0, 4, 4]), 64)
    assert have_boxes(chosen).tolist() == [True, False, True, True]
    assert list(true_boxes(chosen)) == ["patient-8", "patient-0", "patient-4"]
    assert chosen.sizes.tolist() == [[64, 64]] * 4 and chosen.source.stored_shape(0) == (SIZE, SIZE)
    assert chosen.load_instances(0).boxes.tolist() == [[4, 32, 40, 50]]  # 10, 80, 101, 126 at two fifths
    assert chosen.signature() != images.select([8, 0, 4, 4]).signature()


def test_an_unusable_image_leaves_the_others_their_boxes(folder, tmp_path):
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "stage_2_train_images" / "patient-0.dcm").write_bytes(b"hello")
    images = load_labelled(other, skip_bad=True)
    assert images.left_out == ("patient-0",) and have_boxes(images).nonzero()[0].tolist() == [0, 3, 4, 7]
    assert images.load_instances(0).boxes.tolist() == [[30, 20, 91, 61]]


def test_labels_of_another_place_belong_to_the_part_that_is_named(folder, tmp_path):
    write_labels(tmp_path, ["test-a,,,,,0", "test-b,1,2,3,4,1", "test-c,,,,,0"])
    images = load_labelled(folder, part=TEST_PART, labels=tmp_path / "stage_2_train_labels.csv")
    assert list(images.image_ids) == list(TEST) and have_boxes(images).tolist() == [False, True, False]


def test_small_boxes_keep_a_pixel():
    boxes = np.array([[10.2, 10.2, 10.4, 10.4], [63.9, 63.9, 64, 64], [-5, -5, 0.2, 3]])
    assert filled_boxes(boxes, (64, 64)).boxes.tolist() == [[10, 10, 11, 11], [63, 63, 64, 64], [0, 0, 1, 3]]
    assert len(filled_boxes(np.zeros((0, 4)), (64, 64))) == 0


@pytest.mark.parametrize(("negatives", "rows"), [("all", range(10)), ("none", [1, 4, 5, 8])])
def test_who_is_trained_on(folder, negatives, rows):
    images = load_labelled(folder)
    assert list(balance(images, negatives).image_ids) == [f"patient-{row}" for row in rows]
    assert len(balance(images, negatives, 3)) == 3


def test_patients_with_boxes_are_repeated(folder):
    images = load_labelled(folder).select(np.array([0, 1, 2, 3, 4, 6]))  # two of six have boxes
    counts = have_boxes(balance(images, "even"))
    assert (counts.sum(), len(counts)) == (4, 8)
    nobody = load_labelled(folder).select(np.array([0]))
    with pytest.raises(InputError, match="--negatives none: none of the 1 patients has a box"):
        balance(nobody, "none")


def test_the_test_part_and_other_layouts(folder, tmp_path):
    test = load_unlabelled(folder)
    assert tuple(test.image_ids) == TEST and not have_boxes(test).any() and not test.has_objects
    shutil.make_archive(str(tmp_path / "stage_2_train_images"), "zip", folder, "stage_2_train_images")
    for path in folder.glob("*.csv"):
        shutil.copy(path, tmp_path)
    for dataset in (tmp_path, tmp_path / "stage_2_train_images.zip", folder / "stage_2_train_images"):
        images = load_labelled(dataset)
        assert list(images.image_ids) == sorted(BOXES)
    (tmp_path / "stage_2_detailed_class_info.csv").unlink()
    shutil.move(tmp_path / "stage_2_train_images.zip", tmp_path / "train.zip")
    assert set(load_labelled(tmp_path).source.classes) == {"with boxes", "without boxes"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a,1,2,3,4,2"], "line 2: 'a,1,2,3,4,2': Target must be 1 with a box, or 0 with empty cells"),
        (["a,1,2,3,4,1", "b,1,2,x,4,1", "c,1,2,3,0,1"], "line 3: 'b,1,2,x,4,1': Target must be 1 .* \\(1 more\\)"),
        (["a,1,2,3,-4,1"], "line 2: "),
        (["a,1,2,inf,4,1"], "line 2: "),
        (["a,,,,,1"], "line 2: "),
        (["a,1,2,3,4,0"], "line 2: "),
        ([",,,,,0"], "line 2: "),
        (["a,1,2"], "line 2: "),
        (["b,,,,,0", "a,1,2,3,4,1", "a,,,,,0"], "line 4: 'a,,,,,0': has other rows"),
        (["a,1,2,3,4,1,5,6"], "line 3: 'a,1,2,3,4,1,5,6' has 8 cells, but the header has 6"),
        (["a,1,2,3,4,1", "a,1,2,9,4,1", "a,1,2,3.0,4,1"], "line 4: 'a,1,2,3.0,4,1': the same box is in an earlier row"),
        (["a,1,2,nan,4,1"], "line 2: "),
    ],
)
def test_bad_rows_of_labels(tmp_path, rows, message):
    write_labels(tmp_path, ["good,,,,,0", *rows] if rows[0].startswith("a,1,2,3,4,1,") else rows)
    with pytest.raises(InputError, match=message):
        read_labels(tmp_path / "stage_2_train_labels.csv")


def test_labels_of_nobody_and_classes(tmp_path):
    write_labels(tmp_path, [])
    assert read_labels(tmp_path / "stage_2_train_labels.csv") == {}
    path = tmp_path / "classes.csv"
    path.write_text(f"patientId,class\na,{CLASSES[2]}\na,{CLASSES[2]}\nb,Normal\n")
    assert read_classes(path) == {"a": CLASSES[2], "b": "Normal"}
    path.write_text("patientId,class\na,Normal\nb,Ill\n")
    with pytest.raises(InputError, match="line 3: 'b,Ill': choose one of Normal"):
        read_classes(path)
    path.write_text(f"patientId,class\na,Normal\nb,Normal\na,{CLASSES[2]}\n")
    with pytest.raises(InputError, match=r"line 4: 'a,Lung Opacity': also has another class"):
        read_classes(path)


def test_images_and_labels_of_different_patients(folder, tmp_path, lines):
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "stage_2_train_images" / "patient-3.dcm").unlink()
    with pytest.raises(InputError, match=r"1 patients without an image, such as patient-3; .*--skip-bad"):
        load_labelled(other)
    (other / "stage_2_train_images" / "new.dcm").write_bytes(encode_dicom(radiograph([])))
    images = load_labelled(other, skip_bad=True)
    assert len(images) == 9 and "patient-3" not in images.image_ids
    reported = lines()
    assert len(reported) == 2 and "1 patients without a row, such as new" in reported[1]
    write_labels(other, ["somebody,,,,,0"])
    with pytest.raises(InputError, match="labels none of the 10 images"):
        load_labelled(other, skip_bad=True)


def test_a_box_outside_of_its_image(folder, tmp_path):
    other = shutil.copytree(folder, tmp_path / "other")
    text = (other / "stage_2_train_labels.csv").read_text()
    (other / "stage_2_train_labels.csv").write_text(text.replace("100.0,80.0", "160.0,80.0"))
    with pytest.raises(InputError, match="patient-4: the box 160,80,60,80 leaves the image of 160 x 160"):
        load_labelled(other)
    (other / "stage_2_train_labels.csv").write_text(text.replace("100.0,80.0", "-2.0,80.0"))
    with pytest.raises(InputError, match="patient-4: the box -2,80,60,80 leaves the image"):
        load_labelled(other)
    kept = load_labelled(other, skip_bad=True)
    assert kept.left_out == ("patient-4",) and have_boxes(kept).nonzero()[0].tolist() == [1, 4, 7]
    (other / "stage_2_train_labels.csv").write_text(text.replace("100.0,80.0", "100.5,80.0"))
    assert len(load_labelled(other)) == 10  # half a pixel is rounding


def test_labels_as_programs_write_them(tmp_path):
    rows = ["a,1.0,2.0,3.0,4.0,1.0", "b,NaN,NaN,NaN,NaN,0.0"]
    write_labels(tmp_path, rows)
    labels = read_labels(tmp_path / "stage_2_train_labels.csv")
    assert {patient: boxes.tolist() for patient, boxes in labels.items()} == {"a": [[2, 1, 6, 4]], "b": []}


@pytest.mark.parametrize("name", list(OURS))
@pytest.mark.parametrize("imgaug", [False, True])
def test_augmented_batches(folder, name, imgaug):
    config = replace(TINY, augment=True, aspect_ratio=1.0, min_enlarge=1.0, zoom=1.0, batch_size=8)
    images = balance(load_labelled(folder, side=64), "none")

    def first_batch(config, change=None):
        sample = InstanceSamples(images, config, training=True, change=change)
        return BatchLoader(images, config, sample, training=True).batch_at(0)

    try:
        batch = first_batch(config, choose_augmentation(name, imgaug=imgaug))
    except InputError as error:
        pytest.skip(str(error))
    plain = first_batch(replace(config, augment=False))
    assert batch["images"].shape == plain["images"].shape and (batch["images"] != plain["images"]).any()
    inside = [
        image[int(y1 + 1) : int(y2 - 1), int(x1 + 1) : int(x2 - 1)].mean()
        for image, boxes in zip(batch["images"], batch["boxes"], strict=True)
        for y1, x1, y2, x2 in boxes[(boxes[:, 2:] - boxes[:, :2] > 8).all(axis=1)]
    ]
    assert len(inside) >= 8 and min(inside) > 110  # rectangles are bright, and their boxes follow them
    assert set(OURS) == set(IMGAUG)


def test_the_hyperparameters_of_the_known_runs():
    runs = {name: config for name, config in PRESETS.items() if name not in ("demo", "small")}
    names = "batch_size backbone min_dim train_rois max_instances max_detections confidence detection_nms_threshold"
    names += " rpn_train_anchors fpn_channels train_proposals steps_per_epoch validation_steps weight_decay"
    values = {
        name: (*(getattr(config, field) for field in names.split()), config.anchor_scales[:4])
        for name, config in runs.items()
    }
    usual, ours, coco = (16, 32, 64, 128), (32, 64, 128, 256), (200, 50, 1e-4)
    assert values == {
        "lungfish": (2, "resnet50", 256, 32, 4, 3, 0.78, 0.01, 256, 256, 2000, *coco, usual),
        "lungfish-small-data": (2, "resnet50", 256, 32, 4, 3, 0.7, 0.01, 256, 256, 2000, 500, 50, 1e-4, usual),
        "lungfish-big-data": (2, "resnet101", 256, 32, 4, 3, 0.78, 0.01, 256, 256, 2000, *coco, usual),
        "mdai": (8, "resnet50", 64, 16, 3, 3, 0.9, 0.1, 16, 32, 2000, 100, 50, 1e-4, ours),
        "mdai-client": (16, "resnet50", 64, 16, 3, 3, 0.9, 0.1, 16, 32, 200, 100, 50, 1e-4, ours),
        "transfer": (8, "resnet50", 256, 32, 3, 3, 0.7, 0.1, 256, 256, 2000, *coco, ours),
        "transfer-copy": (8, "resnet50", 256, 32, 4, 3, 0.78, 0.01, 256, 256, 2000, *coco, ours),
    }
    assert all((c.crop_size, c.num_classes, c.geometry) == (c.min_dim, 2, "library") for c in runs.values())
    assert all(c.name == "pneumonia" and c.max_whole_side >= 2**16 for c in PRESETS.values())


def test_options_without_effect_are_none(tmp_path):
    DEMO.save(tmp_path / "config.json")
    written = json.loads((tmp_path / "config.json").read_text())
    without = {"views", "separate", "rotation_range", "upright", "max_whole_side", "tile_size", "mask_threshold"}
    assert without <= RSNAConfig.unused and not RSNAConfig.unused & written.keys()
    assert RSNAConfig.load(tmp_path / "config.json") == DEMO
    assert {"augment", "imgaug", "augmentation", "recolour", "fuse_views", "shrink"} <= written.keys()


def test_real_patients(data_folder):
    images = load_labelled(data_folder / "rsna", side=256)
    assert (len(images), have_boxes(images).sum(), sum(map(len, true_boxes(images).values()))) == (61, 21, 27)
    assert {name: list(images.source.classes).count(name) for name in CLASSES} == dict(
        zip(CLASSES, (21, 19, 21), strict=True)
    )
    assert images.source.stored_sizes.tolist() == [[1024, 1024]] * 61
    row = list(images.image_ids).index("01cad8d0-45cd-4603-b099-94055d322310")
    assert images.source.boxes[row].tolist() == [[667, 218, 991, 476], [556, 756, 997, 981]]
    image = images.load_image(row)
    assert image.shape == (256, 256, 3) and 130 < image.mean() < 150 and (image[..., 0] == image[..., 2]).all()
    for index in have_boxes(images).nonzero()[0].tolist():
        objects = images.load_instances(index)
        assert np.abs(objects.boxes - images.source.boxes[index] / 4).max() <= 0.75
        assert (objects.areas > 100).all()
