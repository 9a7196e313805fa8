"""COCO's results file and official score: the truth is perfect, and our own average precision agrees."""

import json

import numpy as np
import pytest

from coco.config import COCO_PUBLISHED
from coco.instances_set import class_ids_by_category, open_instances_set, read_subset
from coco.official import (
    COLUMNS,
    box_rows,
    convert_rows,
    official_report,
    official_score,
    open_truth,
    save_results,
    score_results,
)
from common.errors import InputError
from common.masks.boxes import box_areas, box_intersections
from common.masks.crops import drop_empty
from common.masks.instances import Instances
from common.masks.rle import encode_instances
from common.prediction.detections import Detections
from common.prediction.postprocess import Look, Masking, Prediction
from common.prediction.views import View
from common.scoring.average_precision import average_precision
from common.scoring.comparison import Comparison, compare_masks
from common.storage.trees import open_tree
from tests.coco_files import OBJECTS, SHAPE, annotation_file, write_subset

NAMES = ("boat", "goat", "kite")
HEADER = ",".join(COLUMNS)
PERFECT = pytest.approx({"bbox": 1.0, "segm": 1.0})


def rows_of(image_id, objects, image_shape, boxes=None):
    """The CSV rows of objects; their boxes are those of their masks, unless others are given, x, y, width, height."""
    y1, x1, y2, x2 = objects.boxes.T
    boxes = np.stack([x1, y1, x2 - x1, y2 - y1], axis=1) if boxes is None else boxes
    fields = zip(objects.class_ids, objects.scores, boxes, encode_instances(objects, image_shape), strict=True)
    rows = [f"{image_id},{i},{score},{','.join(map(str, box))},{runs}" for i, score, box, runs in fields]
    return rows or [f"{image_id},,,,,,,"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coco")
    content = annotation_file()
    content["annotations"][0].pop("iscrowd")  # as other tools write it
    write_subset(folder, "val", content=content)
    tree = open_tree(folder)
    subset = read_subset(tree, "val", "2017")
    return tree.read(subset.file_name), subset.file, open_instances_set(tree, [subset], NAMES)


def evaluate(folder, drawn, rows, names=NAMES):
    """Pycocotools' evaluations of rows, by kind."""
    data, file, images = drawn
    (folder / "rows.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    results = folder / "out" / "results.json"
    count = convert_rows(folder / "rows.csv", results, file, images, names)
    assert count == len(json.loads(results.read_text()))
    return score_results(results, data, file, images, names)


def score(folder, drawn, rows, names=NAMES):
    return {kind: evaluation.stats[0] for kind, evaluation in evaluate(folder, drawn, rows, names).items()}


def truth_rows(drawn):
    rows = []
    for index, image_id in enumerate(drawn[2].image_ids):
        true = drawn[2].load_instances(index)
        unsure = Instances(true.boxes, true.masks, true.class_ids, np.full(len(true), 0.5, np.float32))
        rows += rows_of(image_id, unsure, SHAPE)
    return rows


def test_the_truth_is_perfect_and_crowds_forgive(tmp_path, drawn):
    rows = truth_rows(drawn)
    assert score(tmp_path, drawn, rows) == PERFECT
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {result["category_id"] for result in results} == {3, 17, 90} and len(results) == 5
    assert results[0]["bbox"] == [0, 0, 20, 12] and results[0]["segmentation"]["size"] == list(SHAPE)
    within = Instances.from_crops(np.array([[2, 32, 18, 50]]), [np.ones((16, 18))], [2], [1.0])
    assert score(tmp_path, drawn, [*rows, *rows_of("7", within, SHAPE)]) == PERFECT
    elsewhere = Instances.from_crops(np.array([[2, 2, 18, 20]]), [np.ones((16, 18))], [2], [1.0])
    assert max(score(tmp_path, drawn, [*rows, *rows_of("12", elsewhere, SHAPE)]).values()) < 0.9


def test_the_report_holds_all_values_and_ends_with_both_scores(tmp_path, drawn, capsys):
    rows = [row for row in truth_rows(drawn) if not row.startswith("7,")]
    evaluations = evaluate(tmp_path, drawn, rows)
    report = official_report(evaluations, 3)
    lines = report.text.splitlines()
    boxes, masks = (evaluations[kind].stats[0] for kind in ("bbox", "segm"))
    assert 0 < masks < 1 and report.score == masks
    assert lines[-1] == f"average precision: boxes {boxes:.4f}, masks {masks:.4f}, over 3 images"
    assert sum("Average Precision" in line for line in lines) == 12 and {"bbox:", "segm:"} <= set(lines)
    assert capsys.readouterr().out == ""


def test_what_other_tools_write_scores_alike(tmp_path, drawn):
    data, file, images = drawn
    content = json.loads(data)
    for number, annotation in enumerate(content["annotations"]):
        annotation["id"] = number  # pycocotools takes 0 for nothing
    content["annotations"][1] |= {"area": None, "bbox": []}
    content["annotations"][2] |= {"id": "text", "area": "400"}
    assert score(tmp_path, (json.dumps(content).encode(), file, images), truth_rows(drawn)) == PERFECT


@pytest.mark.parametrize("kinds", ["ids", "flags"])
def test_ids_and_flags_as_text_score_alike(tmp_path, drawn, kinds):
    content = json.loads(drawn[0])
    if kinds == "ids":
        for part, keys in (("images", ["id"]), ("categories", ["id"]), ("annotations", ["image_id", "category_id"])):
            for record in content[part]:
                record |= {key: str(record[key]) for key in keys}
    else:
        for annotation in content["annotations"]:
            annotation |= {"iscrowd": str(annotation.get("iscrowd", 0)), "image_id": float(annotation["image_id"])}
            annotation.pop("id")
    write_subset(tmp_path, "val", content=content)
    tree = open_tree(tmp_path)
    subset = read_subset(tree, "val", "2017")
    same = (tree.read(subset.file_name), subset.file, open_instances_set(tree, [subset], NAMES))
    rows = truth_rows(drawn)
    within = Instances.from_crops(np.array([[2, 32, 18, 50]]), [np.ones((16, 18))], [2], [1.0])
    assert score(tmp_path, same, [*rows, *rows_of("7", within, SHAPE)]) == PERFECT
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {result["image_id"] for result in results} == ({"7", "11"} if kinds == "ids" else {7, 11})
    assert {result["category_id"] for result in results} == ({"3", "17", "90"} if kinds == "ids" else {3, 17, 90})
    assert score(tmp_path, same, rows[1:])["segm"] == score(tmp_path, drawn, rows[1:])["segm"] < 0.95


def test_only_predicted_images_and_known_classes_count(tmp_path, drawn):
    data, file, images = drawn
    rows = [row for row in truth_rows(drawn) if not row.startswith("7,")]
    assert score(tmp_path, (data, file, images.select([1, 2])), rows) == PERFECT
    assert score(tmp_path, drawn, rows)["segm"] < 0.9
    renumbered = [row.replace("11,3,", "11,1,") for row in rows if "11,2," not in row]
    assert score(tmp_path, (data, file, images.select([1, 2])), renumbered, ("kite", "moon")) == PERFECT


def test_nothing_found_scores_nothing(tmp_path, drawn):
    assert score(tmp_path, drawn, [f"{image_id},,,,,,," for image_id in OBJECTS]) == {"bbox": 0.0, "segm": 0.0}
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == []


@pytest.mark.parametrize("row", ["8,1,0.5,0,0,5,5,1 2", "7,1,0.5,0,0,5,5,1 2 2", "7,1,half,0,0,5,5,1 2"])
def test_malformed_rows_are_one_line(tmp_path, drawn, row):
    with pytest.raises(InputError, match=r"rows\.csv: [78]: .*predict again"):
        score(tmp_path, drawn, [row])
    assert not list((tmp_path / "out").iterdir())


def test_the_networks_boxes_are_written_and_masks_without_pixels(tmp_path):
    probs = np.stack([np.full((4, 4), 0.9), np.zeros((4, 4))]).astype(np.float16)
    boxes = np.array([[1.25, 2, 5, 8.5], [10, 10, 20, 30]], np.float32)
    found = Detections(boxes, np.array([0.75, 0.5], np.float32), np.array([3, 1], np.int32), probs, SHAPE)
    rows = box_rows(Prediction([Look(View(), [0], found)], SHAPE, Masking(0.5, separate=False)))
    assert [row.rsplit(",", 1)[0] for row in rows] == ["3,0.75,2.00,1.25,6.50,3.75", "1,0.5,10.00,10.00,20.00,10.00"]
    (tmp_path / "rows.csv").write_text("\n".join([HEADER, *(f"7,{row}" for row in rows)]) + "\n")
    assert save_results(tmp_path / "rows.csv", tmp_path / "r.json", {"7": (7, SHAPE)}, {1: 3, 3: 90}) == 2
    first, second = json.loads((tmp_path / "r.json").read_text())
    assert (first["category_id"], first["bbox"], second["bbox"]) == (90, [2, 1.25, 6.5, 3.75], [10, 10, 20, 10])
    assert second["segmentation"] == {"size": [40, 60], "counts": "P[2"}  # 2400 pixels outside


def blurred(rng, objects, num_classes):
    """Predictions near objects: shifted, some twice, some of another class, with few different scores."""
    chosen = objects.select(rng.integers(0, len(objects), len(objects) + 3))
    wrong = rng.random(len(chosen)) < 0.2
    class_ids = np.where(wrong, rng.integers(1, num_classes + 1, len(chosen)), chosen.class_ids)
    masks = [mask & (rng.random((1, mask.shape[1])) < rng.choice([0.6, 0.8, 0.95, 1])) for mask in chosen.masks]
    return drop_empty(Instances.from_crops(chosen.boxes, masks, class_ids, rng.integers(1, 16, len(chosen)) / 16))


def compare_boxes(true, found, true_boxes, found_boxes):
    """The comparison of objects by their boxes, y1, x1, y2, x2, instead of their masks."""
    shared, areas = box_intersections(true_boxes, found_boxes), (box_areas(true_boxes), box_areas(found_boxes))
    ious = shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-9)
    fields = (true.class_ids, found.class_ids, found.scores, *areas, np.zeros(len(true), bool))
    return Comparison(ious, *fields)


@pytest.mark.slow
def test_the_real_subset_is_scored_alike(tmp_path, data_folder):
    tree = open_tree(data_folder / "coco" / "coco.zip")
    subset = read_subset(tree, "val", "2017")
    data, names = tree.read(subset.file_name), COCO_PUBLISHED.class_names
    images = open_instances_set(tree, [subset], names)
    rng, perfect, rows = np.random.default_rng(0), [], []
    noted = {one["id"]: one["bbox"] for one in json.loads(data)["annotations"]}
    boxes = {"segm": [], "bbox": []}
    for index, listed in enumerate(subset.file.images):
        true, image_id, shape = images.load_instances(index), images.image_ids[index], listed.image_shape
        true_boxes = np.array([noted[annotation.annotation_id] for annotation in listed.annotations]).reshape(-1, 4)
        perfect += rows_of(image_id, true, shape, true_boxes)
        found = blurred(rng, true, len(names))
        sides = np.round(found.boxes[:, [1, 0, 3, 2]] + rng.normal(0, 3, (len(found), 4)), 2)
        sides[:, 2:] = np.round(np.maximum(sides[:, 2:] - sides[:, :2], 1), 2)
        rows += rows_of(image_id, found, shape, sides)
        boxes["segm"].append(compare_masks(true, found))
        corners = (
            np.concatenate([some[:, 1::-1], some[:, 1::-1] + some[:, :1:-1]], axis=1) for some in (true_boxes, sides)
        )
        boxes["bbox"].append(compare_boxes(true, found, *corners))
    drawn = (data, subset.file, images)
    assert score(tmp_path, drawn, perfect, names) == PERFECT
    scores = score(tmp_path, drawn, rows, names)
    ids = [listed.image_id for listed in subset.file.images]
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    categories = list(class_ids_by_category(subset.file, names))
    for kind, comparisons in boxes.items():
        ours = average_precision(comparisons, range(1, len(names) + 1))
        assert 0.1 < ours.mean < 0.9 and scores[kind] == pytest.approx(ours.mean, abs=1e-6)
        theirs = official_score(open_truth(data, ids), results, kind, ids, categories).eval["precision"][..., 0, -1]
        expected = theirs.mean(axis=1).T
        np.testing.assert_allclose(ours.precision, np.where(expected < 0, np.nan, expected), rtol=0, atol=1e-6)
