"""Skin lesions: tolerant labels, the set, its split, the scores and what is written."""

import csv
import json
import shutil

import numpy as np
import pytest

from common.batches.instance_samples import instance_batches
from common.errors import InputError
from common.images.decoding import decode_image
from common.masks.instances import Instances
from common.masks.polygons import polygon_instances
from common.scoring.evaluation import Pair
from isic.config import PUBLISHED, SMALL, LesionConfig
from isic.dataset import load_images, load_labelled, split
from isic.evaluation import paint_lesion, score_lesion, score_report
from isic.labels import parse_labels
from isic.outputs import save_boxes, save_masks
from tests.lesions import HEIGHT, WIDTH, corners, make_labels, write_labels, write_set
from tests.turned import BOX, find_box, turned_jpeg

NAMES = ("lesion",)


def parse(labels, class_names=NAMES):
    return parse_labels(json.dumps(labels).encode(), "labels.json", class_names)


def test_labels_are_read(lines):
    images = parse(make_labels(["ISIC_1", "ISIC_3", "ISIC_6"]))
    assert [image.file_name for image in images] == ["ISIC_1.jpg", "ISIC_3.jpg"]
    assert images[0].image_shape == (HEIGHT, WIDTH)
    assert [len(lesion.polygons) for lesion in images[1].lesions] == [1, 2]
    assert images[0].lesions[0].polygons[0].tolist() == [[8, 10], [8, 30], [28, 30], [28, 10]]
    assert lines() == ["labels.json: left out 1 images without annotations, such as ISIC_6.jpg"]


def test_categories_are_known_by_their_names(lines):
    labels = make_labels(["ISIC_1", "ISIC_3"])
    labels["categories"] = [{"id": 4, "name": "naevus"}, {"id": 1, "name": "lesion"}]
    labels["annotations"][0]["category_id"] = 4
    images = parse(labels, ("lesion", "naevus"))
    assert [lesion.class_id for image in images for lesion in image.lesions] == [2, 1, 1] and not lines()


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("images", {"width": None}, "left out image ISIC_2.jpg: width is missing"),
        ("images", {"file_name": None}, "left out image without a name: file_name is missing"),
        ("images", {"height": "tall"}, "left out image ISIC_2.jpg: height is 'tall'"),
        ("annotations", {"segmentation": None}, "left out annotation 1: segmentation is missing"),
        ("images", {"height": 48.5}, "left out image ISIC_2.jpg: height is 48.5"),
        ("images", {"id": 1.5}, "left out image ISIC_2.jpg: the id 1.5 is neither a whole number nor a text"),
        ("annotations", {"segmentation": []}, "left out annotation 1: segmentation is [], not a list of polygons"),
        (
            "annotations",
            {"segmentation": [1, 2, 9, 2, 9, 9]},
            "left out annotation 1: a list of numbers; it needs a list",
        ),
        ("annotations", {"iscrowd": "maybe"}, "left out annotation 1: 'maybe' is neither 0 nor 1"),
        (
            "annotations",
            {"segmentation": [[1, 2, 3, 4]]},
            "left out annotation 1: a polygon of 4 numbers; it needs x and y of at least three points",
        ),
        ("annotations", {"segmentation": [[1, 2, 3, 4, 5, "six"]]}, "left out annotation 1: could not convert"),
        ("annotations", {"segmentation": {"counts": [1]}}, "left out annotation 1: segmentation is {'counts': [1]}"),
        ("annotations", {"image_id": 9}, "left out annotation 1: no usable image has the id 9"),
        ("annotations", {"category_id": 2}, "left out annotation 1: unknown category_id 2"),
    ],
)
def test_what_is_unusable_is_reported_and_left_out(lines, part, change, message):
    labels = make_labels(["ISIC_1", "ISIC_2"])
    labels[part][1] = {key: value for key, value in (labels[part][1] | change).items() if value is not None}
    images = parse(labels)
    assert [image.file_name for image in images] == ["ISIC_1.jpg"]
    assert lines()[0].startswith(f"labels.json: {message}")


@pytest.mark.parametrize("crowd", [1, 1.0, True, "1", "true"])
def test_crowds_are_not_learnt(lines, crowd):
    labels = make_labels(["ISIC_1", "ISIC_3"])
    labels["annotations"][1]["iscrowd"] = crowd
    assert [len(image.lesions) for image in parse(labels)] == [1, 1]
    assert lines() == ["labels.json: left out 1 crowds (iscrowd 1), which are not learnt"]
    for annotation in labels["annotations"]:
        annotation["iscrowd"] = crowd
    with pytest.raises(InputError, match=r"its 2 images have only 3 crowds; draw some, with iscrowd 0"):
        parse(labels)


@pytest.mark.parametrize("key", ["id", "file_name"])
def test_images_that_share_an_id_or_a_file_are_left_out(lines, key):
    labels = make_labels(["ISIC_1", "ISIC_2", "ISIC_3"])
    labels["images"][1][key] = labels["images"][0][key]
    assert [image.file_name for image in parse(labels)] == ["ISIC_3.jpg"]  # whose lesion is whose cannot be told
    assert sum("left out image ISIC_" in line for line in lines()) == 2


def as_written(part, keys, kind):
    def change(labels):
        for record in labels[part]:
            record |= {key: kind(record.get(key, 0)) for key in keys}

    return change


@pytest.mark.parametrize(
    "change",
    [
        as_written("annotations", ["id", "image_id", "category_id"], float),
        as_written("annotations", ["image_id", "category_id"], str),
        as_written("images", ["id", "height", "width"], float),
        as_written("images", ["id"], str),
        as_written("categories", ["id"], str),
        as_written("annotations", ["iscrowd"], str),
        as_written("annotations", ["iscrowd"], bool),
    ],
)
def test_other_ways_to_write_the_same(lines, change):
    labels = make_labels(["ISIC_1", "ISIC_3"])
    expected = parse(labels)
    change(labels)
    found = parse(labels)
    assert [(image.file_name, image.image_shape) for image in found] == [
        (image.file_name, image.image_shape) for image in expected
    ]
    outlines = [[part.tolist() for lesion in image.lesions for part in lesion.polygons] for image in found]
    assert outlines == [[part.tolist() for lesion in image.lesions for part in lesion.polygons] for image in expected]
    assert lines() == []


def test_lesions_that_cannot_be_meant_are_told(lines):
    labels = make_labels(["ISIC_1", "ISIC_3"])
    labels["annotations"][0]["segmentation"] = [[100, 100, 120, 100, 120, 120]]
    labels["annotations"].append(labels["annotations"][1] | {"id": 99})
    parse(labels)
    assert [line.rpartition(": ")[2] for line in lines()] == [
        "1, such as lesion 1 of ISIC_1.jpg",
        "1, such as lesion 3 of ISIC_3.jpg",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"categories": [{"id": 0, "name": "lesion"}]},
            "ids are integers from 1, as 0 is background; renumber it",
        ),
        ({"categories": [{"id": 1, "name": "mole"}]}, "category 'mole' is none of lesion; check --class-names"),
        ({"annotations": {}}, "labels.json: has no list of annotations; export the labels in COCO format"),
        ({"annotations": []}, "labels.json: its 1 images have no usable annotation; draw some"),
    ],
)
def test_labels_that_cannot_be_used(change, message):
    with pytest.raises(InputError, match=message):
        parse(make_labels(["ISIC_1"]) | change)
    with pytest.raises(InputError, match=r"labels\.json: not JSON: "):
        parse_labels(b"{", "labels.json", NAMES)


@pytest.fixture(scope="module")
def small_set(tmp_path_factory):
    """Images with lesions at the border and of several parts, and one without labels; not to be changed."""
    return write_set(tmp_path_factory.mktemp("lesions"))


def test_the_set_is_read(small_set):
    lesions = load_labelled(small_set, "train", NAMES)
    assert lesions.image_ids == ["ISIC_1", "ISIC_2", "ISIC_3", "ISIC_4"]
    assert lesions.sizes.tolist() == [[HEIGHT, WIDTH]] * 4
    boxes = [lesions.load_instances(index).boxes.tolist() for index in range(4)]
    assert boxes[:2] == [[[8, 10, 28, 30]], [[0, 0, 16, 16]]] and boxes[3] == [[28, 36, 48, 60]]
    several = lesions.load_instances(2)
    assert several.boxes.tolist() == [[20, 30, 44, 54], [4, 4, 38, 28]] and several.areas.tolist() == [576, 164]
    assert load_labelled(small_set, "test", NAMES).image_ids == ["ISIC_5"]
    assert load_images(small_set, "train").image_ids == ["ISIC_1", "ISIC_2", "ISIC_3", "ISIC_4", "ISIC_6"]


def test_masks_lie_where_the_images_show_them(small_set):
    lesions = load_labelled(small_set, "train", NAMES)
    for index in range(len(lesions)):
        seen = lesions.load_image(index)[..., 0] < 140
        layers = lesions.load_label_layers(index)
        assert len(layers) == 1 and lesions.load_class_ids(index).tolist() == [1] * layers[0].max()
        assert np.mean(seen != (layers[0] > 0)) < 0.02  # JPEG blurs edges


def test_a_batch_of_lesions(small_set):
    batch = instance_batches(load_labelled(small_set, "train", NAMES), SMALL, training=True).batch_at(3)
    assert batch["images"].shape == (4, 128, 128, 3) and set(np.unique(batch["class_ids"])) == {0, 1}


def test_an_archive_with_its_labels_beside(small_set, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(small_set, images, ignore=shutil.ignore_patterns("*.json"))
    archive = shutil.make_archive(str(tmp_path / "isic"), "zip", images)
    with pytest.raises(InputError, match=r"labels\.json: no such file; give the labels with --labels"):
        load_labelled(archive, "train", NAMES)
    write_labels(tmp_path / "labels.json", make_labels(["ISIC_1", "ISIC_2"]))
    assert load_labelled(archive, "train", NAMES).image_ids == ["ISIC_1", "ISIC_2"]
    elsewhere = small_set / "labels_test.json"
    assert load_labelled(archive, "test", NAMES, labels=elsewhere).image_ids == ["ISIC_5"]


def test_a_folder_of_images_alone(small_set):
    assert load_images(small_set / "train", "test").image_ids == ["ISIC_1", "ISIC_2", "ISIC_3", "ISIC_4", "ISIC_6"]


def test_images_that_do_not_fit_their_labels(small_set, tmp_path, lines):
    labels = make_labels(["ISIC_1", "ISIC_2"])
    labels["images"][1]["width"] = 61
    write_labels(tmp_path / "wide.json", labels)
    with pytest.raises(InputError, match=r"ISIC_2\.jpg: 48 x 60 pixels, but annotated as 48 x 61; label it again"):
        load_labelled(small_set, "train", NAMES, labels=tmp_path / "wide.json")
    kept = load_labelled(small_set, "train", NAMES, labels=tmp_path / "wide.json", skip_bad=True)
    assert kept.image_ids == ["ISIC_1"] and len(lines()) == 1
    write_labels(tmp_path / "more.json", make_labels(["ISIC_5"]))
    with pytest.raises(InputError, match=r"more\.json: ISIC_5\.jpg is not among the images of "):
        load_labelled(small_set, "train", NAMES, labels=tmp_path / "more.json")


def test_splits(small_set):
    lesions = load_labelled(small_set, "train", NAMES)
    parts = [split(lesions, str(fold), 1) for fold in range(4)]
    with pytest.raises(InputError, match="--fold 4: would hold out none of the 4 images"):
        split(lesions, "4", 1)
    assert sorted(name for _, held_out in parts for name in held_out.image_ids) == lesions.image_ids
    assert all(not set(training.image_ids) & set(held_out.image_ids) for training, held_out in parts)
    orders = {tuple(split(lesions, "0", seed)[1].image_ids) for seed in range(9)}
    assert len(orders) > 1
    training, watched = split(lesions, "same", 1, limit=3)
    assert training.image_ids == watched.image_ids == lesions.image_ids[:3]
    training, watched = split(lesions, "all", 1)
    assert len(training) == 4 and len(watched) == 0
    with pytest.raises(InputError, match="--fold 0: no images are left to train on; the set has 1"):
        split(lesions.select([0]), "0", 1)


def square(left, top, side, score=1.0):
    return Instances.from_crops(
        np.array([[top, left, top + side, left + side]]), [np.ones((side, side))], None, [score]
    )


def test_one_mask_an_image():
    pair = Instances.from_crops(
        np.array([[0, 0, 2, 2], [1, 1, 4, 3]]), [np.ones((2, 2)), np.ones((3, 2))], None, [0.4, 0.6]
    )
    assert paint_lesion(pair, (4, 5), "best").sum() == 6
    assert paint_lesion(pair, (4, 5), "union").sum() == 9
    assert not paint_lesion(Instances.empty(), (4, 5), "best").any()


def test_scores_by_hand():
    mask = np.zeros((10, 10), bool)
    mask[:, :5] = True
    same, half, nothing = (score_lesion(mask, other) for other in (mask, mask & mask.T, ~mask))
    assert (same.jaccard, same.thresholded, same.dice) == (1, 1, 1)
    assert (half.jaccard, half.thresholded) == (0.5, 0) and half.dice == pytest.approx(2 / 3)
    assert (nothing.jaccard, nothing.dice) == (0, 0)
    most = mask.copy()
    most[:3, 4] = False
    assert score_lesion(mask, most).thresholded == 47 / 50
    empty = np.zeros((10, 10), bool)
    assert score_lesion(empty, empty).jaccard == 1 and score_lesion(mask, empty).dice == 0


def pair(true, predicted):
    return Pair("a", (HEIGHT, WIDTH), true, predicted, np.zeros(len(true), bool))


def test_scores_of_a_set():
    pairs = [
        pair(square(10, 8, 20), square(10, 8, 20)),
        pair(square(10, 8, 20), square(10, 18, 20)),  # Jaccard 1/3
        pair(square(0, 0, 10), Instances.empty()),
    ]
    report = score_report(iter(pairs), NAMES, "best")
    assert report.score == pytest.approx(4 / 9)
    lines = report.text.splitlines()
    assert lines[-2:] == ["Dice 0.5000, Jaccard thresholded at 0.65: 0.3333", "mean Jaccard 0.4444 over 3 images"]
    assert "mean of per-image average precision at IoU 0.5: 0.3333" in lines


def test_the_chosen_mask_is_scored():
    two = Instances.from_crops(
        np.array([[8, 10, 28, 30], [30, 40, 40, 50]]), [np.ones((20, 20)), np.ones((10, 10))], None, [0.9, 0.4]
    )
    assert score_report([pair(square(10, 8, 20), two)], NAMES, "best").score == 1
    assert score_report([pair(square(10, 8, 20), two)], NAMES, "union").score == pytest.approx(0.8)


def test_a_set_knows_where_its_images_are(small_set):
    some = load_images(small_set, "train").select([4, 0])
    assert some.image_names == ["train/ISIC_6.jpg", "train/ISIC_1.jpg"] and some.path == small_set
    assert not some.has_objects and len(some.load_instances(0)) == 0
    assert some.signature() != load_images(small_set, "train").signature()


def test_options_without_an_effect_are_not_offered():
    training, prediction = ({spec.name for spec in LesionConfig.options(use)} for use in ("training", "prediction"))
    assert not {"separate", "views"} & (training | prediction)
    assert "lesion" in prediction - training and {"fold", "fold_seed"} <= training & prediction


def test_masks_and_boxes_are_written(tmp_path):
    found = {"a": square(10, 8, 20, 0.5), "b": Instances.empty()}
    save_masks(tmp_path / "masks", found, {"a": (HEIGHT, WIDTH), "b": (30, 20)}, "best")
    mask, nothing = (
        decode_image((tmp_path / "masks" / f"{name}_segmentation.png").read_bytes(), name)[..., 0] for name in "ab"
    )
    assert mask.shape == (HEIGHT, WIDTH) and (mask[8:28, 10:30] == 255).all() and mask.sum() == 255 * 400
    assert nothing.shape == (30, 20) and not nothing.any()
    save_boxes(tmp_path / "boxes.csv", found)
    with (tmp_path / "boxes.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert [row[key] for key in ("ImageId", "ClassId", "Score", "X", "Y", "Width", "Height")] == [
        *("a", "1", "0.5", "10", "8", "20", "20")
    ]


def test_polygons_have_the_area_of_their_outline():
    labels = make_labels(["ISIC_1"])
    labels["annotations"][0]["segmentation"] = [[5.5, 3.2, 50.1, 9.9, 40.0, 44.4, 12.3, 30.0], corners(0, 0, 2)]
    (image,) = parse(labels)
    y, x = image.lesions[0].polygons[0].T
    area = abs(np.dot(y, np.roll(x, 1)) - np.dot(x, np.roll(y, 1))) / 2 + 4
    (painted,) = polygon_instances([image.lesions[0].polygons], image.image_shape).areas
    assert painted == pytest.approx(area, rel=0.02)


def test_the_published_hyperparameters():
    assert (PUBLISHED.num_classes, PUBLISHED.backbone, PUBLISHED.batch_size) == (2, "resnet101", 2)
    assert (PUBLISHED.min_dim, PUBLISHED.max_dim, PUBLISHED.anchor_scales) == (800, 1024, (32, 64, 128, 256, 512))
    assert (PUBLISHED.steps_per_epoch, PUBLISHED.epochs, PUBLISHED.validation_steps) == (100, 10, 50)
    assert (PUBLISHED.confidence, PUBLISHED.detection_nms_threshold, PUBLISHED.mini_mask_size) == (0.7, 0.3, 56)
    assert [str(stage) for stage in PUBLISHED.schedule] == ["10:0.001:heads"]
    assert PUBLISHED.fold == "same" and not PUBLISHED.augment


@pytest.mark.slow
def test_the_real_set(data_folder, lines):
    archive = data_folder / "isic" / "isic.zip"
    training, test = (load_labelled(archive, subset, NAMES) for subset in ("train", "test"))
    assert (len(training), len(test), lines()) == (200, 14, [])
    assert (training.sizes == 224).all() and len(split(training, "0", 2018)[1]) == 40
    ious = []
    for index, image_id in enumerate(test.image_ids):
        name = f"masks/{image_id}_Segmentation.png"
        drawn = decode_image(test.source.tree.read(name), name)[..., 0] > 127
        ious.append(score_lesion(drawn, paint_lesion(test.load_instances(index), (224, 224), "union")).jaccard)
    assert min(ious) > 0.95  # what the outlines leave of the masks that they were drawn around


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_lie_under_their_labels(tmp_path, orientation, lines):
    """makesense.ai lists the size of the upright image, and draws on it; without labels, images are upright, too."""
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "phone.jpg").write_bytes(turned_jpeg(orientation))
    labels = make_labels(["ISIC_1"])
    labels["images"][0] |= {"file_name": "phone.jpg", "width": 36, "height": 60}
    y1, x1, y2, x2 = BOX
    labels["annotations"][0]["segmentation"] = [[x1, y1, x2, y1, x2, y2, x1, y2]]
    write_labels(tmp_path / "labels.json", labels)
    images = load_labelled(tmp_path, "train", NAMES)
    assert images.load_instances(0).boxes.tolist() == [list(BOX)] == [list(find_box(images.load_image(0)))]
    assert find_box(load_images(tmp_path, "train").load_image(0)) == BOX
    assert sum("turned upright" in line for line in lines()) == 2 * (orientation != 1)
