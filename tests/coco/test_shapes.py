"""The generated shapes, and their script as a user runs it."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest

from coco.config import SHAPES_PUBLISHED, SHAPES_SMALL
from coco.shapes_set import COVERED, MARGIN, Shape, draw, generate_shapes, plan_shapes
from common.batches.instance_samples import InstanceSamples
from common.batches.loader import BatchLoader
from common.masks.boxes import box_ious
from common.output.submission import read_rows
from tests.coco.running import FOLDER, run_in
from tests.scripts import NARROW_FLAGS, run_here

SCRIPT = FOLDER / "shapes.py"
SHAPES = generate_shapes(40, 128, 7)
SHARED = "weights logs preset limit seed min-dim validation-images"
TINY = ["--min-dim", "96", "--crop-size", "64", "--batch-size", "2", "--steps-per-epoch", "2", "--images", "8"]
TINY += [*NARROW_FLAGS, "--pre-nms-limit", "200", "--train-proposals", "50"]
TINY += [
    "--train-rois",
    "8",
    "--validation-images",
    "5",
    "--mask-convs",
    "1",
    "--confidence",
    "0",
    "--mask-threshold",
    "0.4",
]


def test_an_image_shows_its_shapes_and_nothing_else():
    for index in range(len(SHAPES)):
        image, (labels,) = SHAPES.load_image(index), SHAPES.load_label_layers(index)
        class_ids, objects = SHAPES.load_class_ids(index), SHAPES.load_instances(index)
        assert image.shape == (*SHAPES.sizes[index], 3) and image.dtype == np.uint8
        assert labels.shape == (128, 128) and labels.dtype == np.int32
        assert 1 <= len(class_ids) <= 4 and set(class_ids) <= {1, 2, 3}
        np.testing.assert_array_equal(np.unique(labels[labels > 0]), np.arange(len(class_ids)) + 1)
        np.testing.assert_array_equal(objects.class_ids, class_ids)
        for label in np.unique(labels):
            assert (np.ptp(image[labels == label], axis=0) == 0).all()


def test_an_image_depends_on_seed_part_and_number_alone():
    others = [generate_shapes(3, 128, 7), generate_shapes(40, 128, 8), generate_shapes(40, 128, 7, "validation")]
    same, *differ = [[np.array_equal(SHAPES.load_image(i), other.load_image(i)) for i in range(3)] for other in others]
    assert all(same) and not any(map(any, differ))
    assert len({images.signature() for images in (SHAPES, *others)}) == 4
    assert len(set(SHAPES.image_ids) | set(others[2].image_ids)) == 80


def test_shapes_keep_their_distance():
    rng = np.random.default_rng(0)
    counts = np.zeros(5, int)
    for _ in range(300):
        shapes = plan_shapes(rng, 128)
        counts[len(shapes)] += 1
        boxes = np.array([shape.box for shape in shapes])
        assert (np.triu(box_ious(boxes, boxes), 1) <= COVERED).all()
        assert all(MARGIN <= side < 128 - MARGIN for shape in shapes for side in (shape.y, shape.x))
        assert all(MARGIN <= shape.size <= 32 for shape in shapes)
    assert counts[0] == 0 and (counts[1:] > 5).all()


def test_the_smallest_image_has_room_for_shapes():
    assert all(shape.size == MARGIN for seed in range(9) for shape in plan_shapes(np.random.default_rng(seed), 80))


def test_each_class_has_its_form():
    square, circle, triangle = (draw(Shape(class_id, 40, 60, 20, (0, 0, 0)), 128) for class_id in (1, 2, 3))
    assert square.sum() == 41 * 41 and square[20:61, 40:81].all()
    assert abs(circle.sum() - math.pi * 20**2) < 20 and circle[20, 60] and not circle[20, 61]
    assert abs(triangle.sum() - 40 * 20 / math.sin(math.pi / 3)) < 30  # its base runs through pixels' centres
    widths = triangle.sum(axis=1)[20:60]
    assert (np.diff(widths) >= 0).all() and not triangle[:20].any() and not triangle[61:].any()
    corner = draw(Shape(1, 20, 107, 32, (0, 0, 0)), 128)
    assert corner.sum() == 53 * 53 and corner[0, 127]


def test_later_shapes_hide_earlier_ones():
    for index in range(len(SHAPES)):
        masks = [draw(shape, 128) for shape in SHAPES.source.plan(index)[0]]
        (labels,) = SHAPES.load_label_layers(index)
        for label, mask in enumerate(masks, start=1):
            seen = mask & ~np.any([np.zeros_like(mask), *masks[label:]], axis=0)
            np.testing.assert_array_equal(labels == label, seen)


def test_classes_reach_the_batch():
    config = replace(SHAPES_SMALL, batch_size=4)
    loader = BatchLoader(SHAPES, config, InstanceSamples(SHAPES, config, training=True), training=True)
    batch = loader.batch_at(0)
    for row, index in enumerate(map(SHAPES.image_ids.index, loader.image_ids_at(0))):
        class_ids = SHAPES.load_class_ids(index)
        assert batch["class_ids"][row, : len(class_ids)].tolist() == class_ids.tolist()
        np.testing.assert_array_equal(batch["images"][row], SHAPES.load_image(index))
        np.testing.assert_array_equal(batch["boxes"][row, : len(class_ids)], SHAPES.load_instances(index).boxes)


def test_a_selection_keeps_its_images():
    chosen = SHAPES.select([3, 1])
    assert chosen.image_ids == ["training-00003", "training-00001"]
    np.testing.assert_array_equal(chosen.load_image(0), SHAPES.load_image(3))
    assert chosen.signature() != SHAPES.first(2).signature()


def test_the_librarys_hyperparameters():
    config = SHAPES_PUBLISHED
    assert (config.num_classes, config.class_names) == (4, ("square", "circle", "triangle"))
    assert (config.batch_size, config.train_rois, config.steps_per_epoch, config.validation_steps) == (8, 32, 100, 5)
    assert (config.min_dim, config.crop_size, config.anchor_scales) == (128, 128, (8, 16, 32, 64, 128))
    assert (config.images, config.validation_images) == (500, 50)
    assert [str(stage) for stage in config.schedule] == ["1:0.001:heads", "2:0.0001:all"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: command"),
        (["tram"], "invalid choice: 'tram'"),
        (["train", "--dataset", "shapes.zip"], "unrecognized arguments: --dataset shapes.zip"),
        (["train", "--weights", "nowhere.h5"], "nowhere.h5: no such file"),
        (["train", "--images", "0"], "--images 0: must be at least 1"),
        (["train", "--min-dim", "79"], "--min-dim 79: must be from 80 to 1024"),
        (["evaluate"], "invalid choice: 'evaluate'"),
        (["predict"], "logs: no trained step; train with coco/shapes.py train"),
        (["predict", "--score", "s.csv"], "--score s.csv: give --score alone"),
        (["predict", "--images", "9"], "unrecognized arguments: --images 9"),
        (["predict", "--limit", "0"], "--limit 0: must be at least 1"),
    ],
)
def test_bad_input_is_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, _, errors = run_here(monkeypatch, capsys, SCRIPT, *arguments)
    assert code == 2 and message in errors and len(errors.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "flags", "others"),
    [
        ("train", "epochs steps-per-epoch images", "score output confidence-score separate views"),
        ("predict", "score output workers overlays confidence", "epochs steps-per-epoch images separate views"),
    ],
)
def test_help_shows_the_flags_that_have_an_effect(monkeypatch, capsys, command, flags, others):
    code, text, errors = run_here(monkeypatch, capsys, SCRIPT, command, "--help")
    assert (code, errors) == (0, "")
    assert "python coco/shapes.py train" in text
    shown = {word.strip("[],") for word in text[text.index("options:") :].split() if word.lstrip("[").startswith("--")}
    assert {f"--{flag}" for flag in f"{SHARED} {flags}".split()} <= shown
    assert not {f"--{flag}" for flag in others.split()} & shown


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Where a user stands who has trained for two epochs, in two goes."""
    folder = tmp_path_factory.mktemp("user")
    for epochs in (1, 2):
        run_in(folder, "shapes.py", "train", *TINY, "--epochs", epochs, "--score-every", 1)
    return folder


@pytest.mark.slow
def test_training_is_scored_and_resumes(trained):
    with (trained / "logs" / "shapes" / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(0 <= float(row["score"]) <= 1 and float(row["val_loss"]) > 0 for row in rows)


@pytest.mark.slow
def test_validation_images_are_predicted_scored_and_drawn(trained):
    lines = run_in(trained, "shapes.py", "predict", "--score", "--overlays", "overlays", "--workers", 0)
    assert [line.split()[0] for line in lines[-6:-2]] == ["square", "circle", "triangle", "all"]
    assert lines[-1].startswith("mAP at IoU 0.5: ") and lines[-1].endswith(" over 5 images")
    table = read_rows(trained / "submissions" / "shapes.csv", ["ImageId", "ClassId", "Score", "EncodedPixels"])
    images = generate_shapes(5, 96, SHAPES_SMALL.seed, "validation")
    assert list(dict.fromkeys(table["ImageId"])) == images.image_ids
    assert {path.stem for path in (trained / "overlays").iterdir()} == {*images.image_ids, "overview"}
    lines = run_in(trained, "shapes.py", "predict", "--limit", 2, "--output", "two.csv", "--workers", 0)
    assert lines[-1] == "wrote two.csv: 2 images"
    whole = (trained / "submissions" / "shapes.csv").read_text().splitlines()
    two = (trained / "two.csv").read_text().splitlines()
    assert two == whole[: len(two)] and whole[len(two)].startswith("validation-00002,")
