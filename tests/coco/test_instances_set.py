"""COCO's annotation files and layouts: what is read, what is learnt, and what is refused."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from coco.config import COCO_PUBLISHED, COCO_SMALL
from coco.instances_set import open_instances_set, read_subset, training_subsets, validation_subsets
from common import engine
from common.batches.instance_samples import InstanceSamples
from common.batches.loader import BatchLoader
from common.errors import InputError
from common.images.decoding import decode_image, save_image
from common.runs.start import Start
from common.storage.trees import open_tree
from tests.coco_files import OBJECTS, SHAPE, annotation_file, filled, write_subset
from tests.turned import find_box, turned_jpeg

NAMES = ("boat", "goat", "kite")  # ids 3, 17, 90


def open_set(folder, name="train", year="2017", class_names=NAMES, **options):
    tree = open_tree(folder)
    return open_instances_set(tree, [read_subset(tree, name, year)], class_names, **options)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coco")
    write_subset(folder, "train")
    return folder


def test_every_form_of_object_is_read(drawn):
    images = open_set(drawn)
    assert (images.image_ids, len(images)) == (["7", "11", "12"], 3)
    assert images.sizes.tolist() == [list(SHAPE)] * 3
    ids = {90: 3, 3: 1, 17: 2}
    for index, objects in enumerate(OBJECTS.values()):
        true, crowd = images.load_truth(index)
        assert true.class_ids.tolist() == [ids[category_id] for category_id, *_ in objects]
        assert crowd.tolist() == [bool(crowd) for *_, crowd in objects]
        learnt = images.load_instances(index)
        assert learnt.class_ids.tolist() == true.class_ids[~crowd].tolist() == images.load_class_ids(index).tolist()
        for mask, (_, boxes, _, _) in zip(true.to_masks(SHAPE), objects, strict=True):
            np.testing.assert_array_equal(mask, filled(*boxes))
        assert images.load_image(index).shape == (*SHAPE, 3)


def test_overlapping_objects_stay_whole_and_crowds_are_not_learnt(drawn):
    images = open_set(drawn)
    layers = images.load_label_layers(0)
    assert len(layers) == 2 and images.load_class_ids(0).tolist() == [3, 1, 1]
    for label, (_, boxes, _, _) in enumerate(OBJECTS[7][:3], start=1):
        np.testing.assert_array_equal(np.any([layer == label for layer in layers], axis=0), filled(*boxes))
    assert max(layer.max() for layer in layers) == 3
    assert (len(images.load_label_layers(1)), images.load_label_layers(2)) == (1, [])
    assert images.load_class_ids(2).shape == (0,)


def test_a_batch_holds_the_objects(drawn):
    changes = {"min_dim": 64, "max_dim": 128, "crop_size": 128, "batch_size": 3, "augment": False, "zoom": 1.0}
    config = replace(COCO_SMALL, class_names=NAMES, **changes, aspect_ratio=1.0, tile_size=64, tile_overlap=32)
    images = open_set(drawn)
    samples = InstanceSamples(images, config, training=False)
    batch = BatchLoader(images, config, samples, training=False).batch_at(0)
    rows = zip(batch["class_ids"], batch["boxes"], strict=True)
    found = {tuple(ids[ids > 0].tolist()): boxes[ids > 0] for ids, boxes in rows}
    assert found.keys() == {(3, 1, 1), (3, 2), ()}
    boxes = np.array([[0, 0, 12, 20], [8, 10, 30, 30], [25, 25, 40, 60]]) * 64 / 40
    np.testing.assert_allclose(found[3, 1, 1], boxes, atol=1)


def test_some_classes_alone(drawn):
    images = open_set(drawn, class_names=("kite",))
    assert [images.load_class_ids(index).tolist() for index in range(3)] == [[1], [1], []]
    assert images.select([1]).image_ids == ["11"] and images.select(np.zeros(3, bool)).image_ids == []
    with pytest.raises(InputError, match="none of its categories \\(boat, goat, kite"):
        open_set(drawn, class_names=("person",))


def test_the_librarys_subsets_of_2014(tmp_path):
    write_subset(tmp_path, "train", "2014", objects={1: OBJECTS[11]})
    tree = open_tree(tmp_path)
    assert [subset.folder for subset in training_subsets(tree, "2014")] == ["train2014"]
    assert validation_subsets(tree, "2014") == []
    write_subset(tmp_path, "valminusminival", "2014", images="val2014", objects={7: OBJECTS[7]})
    write_subset(tmp_path, "minival", "2014", images="val2014", objects={12: []})
    write_subset(tmp_path, "val", "2014", objects={7: OBJECTS[7], 12: []})
    tree = open_tree(shutil.make_archive(str(tmp_path / "set"), "zip", tmp_path))
    images = open_instances_set(tree, training_subsets(tree, "2014"), NAMES)
    assert images.image_names == ["train2014/1.png", "val2014/7.png"]
    (watched,) = validation_subsets(tree, "2014")
    assert open_instances_set(tree, [watched], NAMES).image_ids == ["12"]
    with pytest.raises(InputError, match=r"instances_train2017\.json 0 times; give COCO's folder, and its --year"):
        training_subsets(tree, "2017")
    both = [read_subset(tree, name, "2014") for name in ("val", "minival")]
    with pytest.raises(InputError, match="two images have the id 12"):
        open_instances_set(tree, both, NAMES)


def test_images_may_stand_in_a_folder_called_images(tmp_path):
    write_subset(tmp_path / "coco", "val", images="images/val2017")
    assert open_set(tmp_path, "val").image_names[0] == "coco/images/val2017/7.png"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["annotations"][1].update(segmentation=[[1, 2, 3, 4]]),
            "annotation 101 of image 7: segmentation: a p",
        ),
        (lambda c: c["annotations"][1].pop("segmentation"), "annotation 101 of image 7: segmentation: missing"),
        (lambda c: c["annotations"][1].update(category_id=4), "annotation 101 of image 7: unknown category_id 4"),
        (
            lambda c: c["annotations"][3]["segmentation"].update(size=[60, 40]),
            "annotation 103 of image 7: run lengths for an image",
        ),
        (
            lambda c: c["annotations"][1].update(image_id=8),
            "annotation 101 of image 8: no usable image has this id; list the image",
        ),
        (lambda c: c["annotations"][1].update(id=100), "annotation 100 of image 7: another annotation has the same id"),
        (
            lambda c: c["annotations"][1].update(id=[1]),
            "annotation \\[1\\] of image 7: the id \\[1\\] is neither a whole number nor a text",
        ),
        (lambda c: c["annotations"][1].pop("image_id"), "an annotation without image_id"),
        (lambda c: c["images"][0].update(id=11), "image 11 is listed twice"),
        (lambda c: c["images"][0].update(height=0), "\\(image 7 with 0 x 60 pixels\\)"),
        (lambda c: c["images"][0].update(height=40.5), "\\(image 7 with 40.5 x 60 pixels\\)"),
        (lambda c: c["images"][0].update(file_name=None), "\\(file_name None\\)"),
        (lambda c: c["images"][0].update(id=7.5), "\\(the id 7.5 is neither a whole number nor a text\\)"),
        (lambda c: c["images"][0].update(file_name="11.png"), "images 7 and 11 are one file, 11.png; merge them"),
        (lambda c: c["images"][0].update(file_name="7.PNG"), "has no train2017/7.PNG, but train2017/7.png; unpack"),
        (lambda c: c["annotations"][1].update(iscrowd="maybe"), "101 of image 7: iscrowd: 'maybe' is neither 0 nor 1"),
        (lambda c: c["annotations"][1].update(iscrowd=2), "annotation 101 of image 7: iscrowd: 2 is neither 0 nor 1"),
        (lambda c: c["annotations"][1].pop("category_id"), "annotation 101 of image 7: the id None is neither"),
        (
            lambda c: c["annotations"][1].update(segmentation=[0, 0, 9, 0, 9, 9]),
            "a list of numbers; it needs a list of p",
        ),
        (lambda c: c["annotations"][1].update(segmentation=[[0, 0, 9, 0, 9, 1e9]]), "with the coordinate 1e\\+09"),
        (lambda c: c["images"][0].pop("width"), "without id, file_name, height or width \\('width'\\)"),
        (lambda c: c["images"][0].update(file_name="8.png"), "has no train2017/8.png; unpack"),
        (lambda c: c["categories"][0].update(id=3), "two categories have the id 3"),
        (lambda c: c["categories"][0].update(name="goat"), "categories 90 and 17 have the same name 'goat'"),
        (lambda c: c["categories"][0].update(name=None), "a category without id or name"),
        (lambda c: c.update(categories=[]), "has no categories; add them"),
        (lambda c: c["categories"][0].pop("name"), "a category without id or name"),
        (lambda c: c.pop("categories"), "images, annotations or categories missing"),
    ],
)
def test_bad_annotations_are_one_line(tmp_path, change, message):
    content = annotation_file()
    change(content)
    write_subset(tmp_path, "train", content=content)
    with pytest.raises(InputError, match=message) as caught:
        open_set(tmp_path)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_an_unusable_image_is_left_out_where_asked(tmp_path, lines):
    content = annotation_file()
    content["annotations"][1]["segmentation"] = []
    write_subset(tmp_path, "train", content=content)
    (tmp_path / "train2017" / "12.png").unlink()
    with pytest.raises(InputError, match=r"annotation 101 .* \(1 more are unusable\)"):
        open_set(tmp_path)
    assert open_set(tmp_path, skip_bad=True).image_ids == ["11"]
    assert [line[:10] for line in lines()] == ["left out: "] * 2


def change_all(part, **values):
    """Return a change of every record of a part: a function of the old value for each key."""

    def change(content):
        for record in content[part]:
            record |= {key: value(record.get(key)) for key, value in values.items()}

    return change


def several(*changes):
    return lambda content: [change(content) for change in changes]


# What other programs write for the same objects.
SAME = {
    "as COCO writes it": lambda content: None,
    "whole floats": several(
        change_all("annotations", id=float, image_id=float, category_id=float),
        change_all("images", id=float, height=float, width=float),
        change_all("categories", id=float),
    ),
    "annotations' ids as text": change_all("annotations", image_id=str, category_id=str),
    "images' ids as text": several(change_all("images", id=str), change_all("categories", id=str)),
    "no ids": lambda content: [annotation.pop("id") for annotation in content["annotations"]],
    "crowds as text": change_all("annotations", iscrowd=str),
    "crowds as true and false": change_all("annotations", iscrowd=bool),
    "crowds alone noted": lambda c: [one.pop("iscrowd") for one in c["annotations"] if not one["iscrowd"]],
    "image_id in images": lambda content: [image.update(image_id=image["id"]) for image in content["images"]],
    "folders of another machine": change_all("images", file_name="C:\\\\data\\\\{}".format),
    "the subset's folder": change_all("images", file_name="train2017/{}".format),
    "counts as floats": lambda content: content["annotations"][3]["segmentation"].update(
        counts=[*map(float, content["annotations"][3]["segmentation"]["counts"])]
    ),
    "boxes": lambda content: content["annotations"][1].update(bbox=[10, 8, 20, 22]),
}


@pytest.mark.parametrize("name", SAME)
def test_other_ways_to_write_the_same(tmp_path, drawn, lines, name):
    content = annotation_file()
    SAME[name](content)
    write_subset(tmp_path, "train", content=content)
    images, expected = open_set(tmp_path), open_set(drawn)
    assert (images.image_ids, images.image_names) == (expected.image_ids, expected.image_names)
    for index in range(len(expected)):
        (found, crowd), (true, truly_crowd) = (some.load_truth(index) for some in (images, expected))
        assert found.class_ids.tolist() == true.class_ids.tolist() and crowd.tolist() == truly_crowd.tolist()
        np.testing.assert_array_equal(found.to_masks(SHAPE), true.to_masks(SHAPE))
    assert lines() == []


OUTSIDE, BEYOND = [[100, 100, 120, 100, 120, 120]], [[-10, 5, 20, 5, 20, 25, -10, 25]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            change_all("annotations", segmentation=lambda _: OUTSIDE),
            "outlines without a pixel .*: 6, such as annotation",
        ),
        (
            lambda c: c["annotations"][0].update(segmentation=[[5, 5, 9, 9, 5, 5]]),
            "outlines without a pixel .*: 1, such",
        ),
        (
            lambda c: c["annotations"][0].update(segmentation={"size": [40, 60], "counts": [2400]}),
            "outlines without a pixel in their images.*: 1, such as annotation 100 of image 7",
        ),
        (lambda c: c["annotations"][0].update(segmentation=BEYOND), "outlines that leave their images.*: 1, such as"),
        (
            lambda c: c["annotations"].append(c["annotations"][0] | {"id": 999}),
            "outlines drawn twice; remove one: 1, such as annotation 999 of image 7",
        ),
        (
            lambda c: c["annotations"][1].update(bbox=[10, 8, 30, 30]),  # x1, y1, x2, y2
            "the bbox of 1 of 6 annotations does not fit the outline, such as annotation 101 of image 7",
        ),
        (lambda c: c["annotations"][1].update(bbox=[8, 10, float("nan"), 3]), "the bbox of 1 of 6"),
    ],
)
def test_what_cannot_be_meant_is_told(tmp_path, lines, change, message):
    content = annotation_file()
    change(content)
    write_subset(tmp_path, "train", content=content)
    assert len(open_set(tmp_path)) == 3
    (line,) = lines()
    assert re.search(message, line) and line.startswith("warning: ")


def test_objects_of_categories_that_are_no_classes_are_counted(drawn, lines):
    open_set(drawn, class_names=("kite",))
    assert lines()[0].endswith("left out objects of categories that are no classes: 2 of boat, 2 of goat")


@pytest.mark.parametrize(
    ("change", "kept", "message"),
    [
        (
            lambda c: c["annotations"][1].update(image_id=8),
            ["7", "11", "12"],
            "annotation 101 of image 8: no usable image has this id; list the image, or remove the annotation",
        ),
        (
            lambda c: c["annotations"][4].update(id=100),
            ["7", "12"],
            "annotation 100 of image 11: another annotation has",
        ),
        (lambda c: c["images"].append(dict(c["images"][2])), ["7", "11"], "image 12 is listed twice; remove one"),
        (lambda c: c["images"][2].pop("width"), ["7", "11"], "an image without id, file_name, height or width"),
        (lambda c: c["annotations"][4].pop("image_id"), ["7", "11", "12"], "an annotation without image_id; fix it"),
    ],
)
def test_what_belongs_to_no_usable_image_is_left_out_where_asked(tmp_path, lines, change, kept, message):
    content = annotation_file()
    change(content)
    write_subset(tmp_path, "train", content=content)
    with pytest.raises(InputError, match=f"{message}.* leave out unusable images with --skip-bad"):
        open_set(tmp_path)
    assert open_set(tmp_path, skip_bad=True).image_ids == kept
    assert [line for line in lines() if message in line and line.startswith("left out: ")]


def test_a_misnamed_validation_set_is_not_overlooked(tmp_path, lines):
    write_subset(tmp_path, "train")
    assert validation_subsets(open_tree(tmp_path), "2017") == []
    assert lines()[-1].endswith("has no instances_val2017.json, so no images are held out to validate and score on")
    write_subset(tmp_path, "val", "2014")  # another year's, beside it
    assert validation_subsets(open_tree(tmp_path), "2017") == []
    write_subset(tmp_path, "valid")
    with pytest.raises(
        InputError, match=r"instances_valid2017\.json: the annotations of val are called instances_val2017"
    ):
        validation_subsets(open_tree(tmp_path), "2017")
    with pytest.raises(
        InputError, match=r"instances_val2017\.json 0 times; .*; it holds annotations/instances_train2017"
    ):
        read_subset(open_tree(tmp_path), "val", "2017")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"images": []}', "\udcff"])
def test_what_is_no_annotation_file_is_one_line(tmp_path, text):
    write_subset(tmp_path, "train")
    path = tmp_path / "annotations" / "instances_train2017.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"instances_train2017\.json: (not JSON|images, annotations)"):
        open_set(tmp_path)


def test_damaged_images_are_left_out_where_asked(tmp_path, lines):
    write_subset(tmp_path, "train")
    images = open_set(tmp_path)
    torn, small = (tmp_path / name for name in images.image_names[:2])
    torn.write_bytes(torn.read_bytes()[:50])
    save_image(small, np.zeros((4, 5, 3), np.uint8))
    assert len(open_set(tmp_path)) == len(images)  # a large set is not looked through in vain
    assert open_set(tmp_path, skip_bad=True).image_ids == images.image_ids[2:]
    assert [line[:10] for line in lines()] == ["left out: "] * 2


def test_an_image_of_another_size_is_named(tmp_path):
    content = annotation_file({12: []})
    content["images"][0]["width"] = 61
    write_subset(tmp_path, "train", content=content)
    with pytest.raises(InputError, match=r"train2017/12\.png: 40 x 60 pixels, but annotated as 40 x 61"):
        open_set(tmp_path).load_image(0)


@pytest.mark.parametrize(
    ("orientation", "listed"),
    [*((number, "upright") for number in range(1, 9)), *((number, "stored") for number in (1, 5, 6, 7, 8))],
)
def test_photographs_lie_under_their_outlines(tmp_path, orientation, listed):
    """Tools in a browser list the size of the upright image, and draw on it; others know nothing of orientation."""
    data = turned_jpeg(orientation)
    shown = decode_image(data, "x", upright=listed == "upright")
    (height, width), (y1, x1, y2, x2) = shown.shape[:2], find_box(shown)
    content = annotation_file({7: [(90, [(0, 0, 1, 1)], "polygons", 0)]})
    content["images"][0] |= {"file_name": "7.jpg", "height": height, "width": width}
    content["annotations"][0]["segmentation"] = [[x1, y1, x2, y1, x2, y2, x1, y2]]
    write_subset(tmp_path, "train", content=content, objects={})
    (tmp_path / "train2017").mkdir()
    (tmp_path / "train2017" / "7.jpg").write_bytes(data)
    for skip_bad in (False, True):
        images = open_set(tmp_path, skip_bad=skip_bad)
        assert images.load_instances(0).boxes.tolist() == [list(find_box(images.load_image(0)))]


def test_the_librarys_hyperparameters():
    config = COCO_PUBLISHED
    assert (config.num_classes, config.class_names[0], config.class_names[-1]) == (81, "person", "toothbrush")
    assert [str(stage) for stage in config.schedule] == ["40:0.001:heads", "120:0.001:4+", "160:0.0001:all"]
    assert (config.min_dim, config.max_dim, config.crop_size, config.confidence) == (800, 1024, 1024, 0)
    assert (config.batch_size, config.steps_per_epoch, config.validation_steps) == (2, 1000, 50)
    assert (config.backbone, config.anchor_scales, config.geometry) == ("resnet101", (32, 64, 128, 256, 512), "library")


def test_the_real_subset(data_folder):
    tree = open_tree(data_folder / "coco" / "coco.zip")
    (watched,) = validation_subsets(tree, "2017")
    images = open_instances_set(tree, [watched], COCO_PUBLISHED.class_names)
    assert watched.file.class_names == COCO_PUBLISHED.class_names
    counts = [len(images.load_class_ids(index)) for index in range(len(images))]
    assert (len(images), sum(counts)) == (40, 292)
    content = json.loads(tree.read(watched.file_name))
    areas = {annotation["id"]: annotation["area"] for annotation in content["annotations"]}
    for index, listed in enumerate(watched.file.images):
        objects = images.load_instances(index)
        noted = [areas[annotation.annotation_id] for annotation in listed.annotations]
        np.testing.assert_allclose(objects.areas, noted, rtol=0.1, atol=60)
        assert (images.load_image(index).shape[:2] == images.sizes[index]).all()


def test_what_lies_outside_is_not_learnt_but_counts_in_the_score(tmp_path):
    content = annotation_file()
    content["annotations"][0]["segmentation"] = OUTSIDE
    write_subset(tmp_path, "train", content=content)
    images = open_set(tmp_path)
    assert images.load_class_ids(0).tolist() == images.load_instances(0).class_ids.tolist() == [1, 1]
    true, crowd = images.load_truth(0)
    assert (true.class_ids.tolist(), crowd.tolist()) == ([3, 1, 1, 2], [False, False, False, True])
    assert true.areas[0] == 0


@pytest.mark.parametrize(
    "change",
    [change_all("annotations", iscrowd=lambda _: "1"), change_all("annotations", segmentation=lambda _: OUTSIDE)],
)
def test_nothing_left_to_learn_is_refused(tmp_path, change):
    content = annotation_file()
    change(content)
    write_subset(tmp_path, "train", content=content)
    with pytest.raises(InputError, match="none of the 3 training images has an object to learn; annotate some"):
        engine.train(COCO_SMALL, open_set(tmp_path), None, Start(tmp_path, "none"))
