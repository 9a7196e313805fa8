"""Average precision by COCO's rules, from objects to values, against pycocotools.

    python benchmarks/average_precision.py

Random objects of many classes; predictions lie near them, some are of another class or of none. pycocotools gets its
run lengths ready made, and only what we compute: one range of areas, at most 100 detections. "Matching" starts from the
IoUs, "all" from the masks. Values must agree to 12 digits. The sides alternate on one thread.
"""

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # before NumPy reads them

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from pycocotools.mask import encode

sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.measure import print_table, race, readable
from common.masks.instances import Instances
from common.scoring.average_precision import average_precision
from common.scoring.comparison import Comparison, compare_masks

SHAPE = (240, 320)
# (images, classes, objects in an image, predictions in an image)
SIZES = ((100, 80, 8, 30), (100, 80, 8, 100), (1000, 80, 8, 30), (100, 3, 8, 30), (100, 1, 50, 80), (10, 80, 8, 30))
REPEATS = 3
Pair = tuple[Instances, Instances]


def main() -> None:
    """Check that the sides agree, then measure and print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print_table(
        ("images", "classes", "objects, predictions", "part", "pycocotools", "ours", "ratio"),
        (row for size in SIZES for row in measure(*size)),
    )


def measure(images: int, classes: int, objects: int, predictions: int, repeats: int = REPEATS) -> list[Sequence[str]]:
    """Return the rows of a size, after a check that both sides give the same values."""
    rng = np.random.default_rng(0)
    pairs = [draw(rng, classes, objects, predictions) for _ in range(images)]
    class_ids = range(1, classes + 1)
    comparisons = [compare_masks(*pair) for pair in pairs]
    evaluation = prepare(pairs, classes)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
    check(comparisons, evaluation, class_ids)
    parts: dict[str, dict[str, Callable[[], object]]] = {
        "matching": {
            "theirs": lambda: match(evaluation),
            "ours": lambda: average_precision(comparisons, class_ids),
        },
        "all": {
            "theirs": lambda: [evaluation.evaluate(), evaluation.accumulate()],
            "ours": lambda: average_precision((compare_masks(*pair) for pair in pairs), class_ids),
        },
    }
    rows: list[Sequence[str]] = []
    for part, sides in parts.items():
        with contextlib.redirect_stdout(io.StringIO()):
            seconds = race(sides, repeats=repeats)
        times = readable(seconds["theirs"]), readable(seconds["ours"]), f"{seconds['theirs'] / seconds['ours']:.1f}"
        rows.append((str(images), str(classes), f"{objects}, {predictions}", part, *times))
    return rows


def draw(rng: np.random.Generator, classes: int, objects: int, predictions: int) -> Pair:
    """Return random true and predicted objects of an image, ellipses."""
    true = ellipses(rng.uniform(20, [220, 300], (objects, 2)), rng.uniform(5, 20, (objects, 2)))
    near = rng.integers(0, objects, predictions)
    y1, x1, y2, x2 = true.boxes[near].T
    sides = np.stack([y2 - y1, x2 - x1], axis=1) / 2
    centres = np.stack([y1 + y2, x1 + x2], axis=1) / 2 + rng.normal(0, 0.2, (predictions, 2)) * sides
    true_ids = rng.integers(1, classes + 1, objects)
    wrong = rng.random(predictions) < 0.3
    ids = np.where(wrong, rng.integers(1, classes + 1, predictions), true_ids[near])
    found = ellipses(centres, sides * rng.uniform(0.8, 1.2, sides.shape))
    scores = rng.random(predictions)
    return Instances.from_crops(true.boxes, true.masks, true_ids), Instances.from_crops(
        found.boxes, found.masks, ids, scores
    )


def ellipses(centres: np.ndarray, radii: np.ndarray) -> Instances:
    """Return filled ellipses, cut at the border."""
    boxes, crops = [], []
    for (y, x), (ry, rx) in zip(centres, radii, strict=True):
        y1, x1 = max(int(y - ry), 0), max(int(x - rx), 0)
        y2, x2 = min(int(y + ry) + 2, SHAPE[0]), min(int(x + rx) + 2, SHAPE[1])
        rows, columns = np.ogrid[y1:y2, x1:x2]
        boxes.append((y1, x1, y2, x2))
        crops.append(((rows - y) / ry) ** 2 + ((columns - x) / rx) ** 2 < 1)
    return Instances.from_crops(np.array(boxes), crops)


def prepare(pairs: Sequence[Pair], classes: int) -> COCOeval:
    """Return pycocotools' evaluation of the same objects, with what we do not compute left out."""
    annotations: list[dict] = []
    results: list[dict] = []
    for image_id, (true, predicted) in enumerate(pairs):
        for objects, records in ((true, annotations), (predicted, results)):
            masks = np.asfortranarray(objects.to_masks(SHAPE).transpose(1, 2, 0).astype(np.uint8))
            for i, runs in enumerate(encode(masks)):
                record = {"image_id": image_id, "category_id": int(objects.class_ids[i]), "segmentation": runs}
                record |= {"area": int(objects.areas[i]), "iscrowd": 0, "id": len(records) + 1}
                records.append(record | {"score": float(objects.scores[i])})
    truth = COCO()
    truth.dataset = {
        "images": [{"id": image_id, "height": SHAPE[0], "width": SHAPE[1]} for image_id in range(len(pairs))],
        "categories": [{"id": class_id} for class_id in range(1, classes + 1)],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "segm")
    evaluation.params.maxDets, evaluation.params.areaRng, evaluation.params.areaRngLbl = [100], [[0, 1e10]], ["all"]
    return evaluation


def match(evaluation: COCOeval) -> None:
    """Match as `COCOeval.evaluate` does once the IoUs are known, and accumulate."""
    params = evaluation.params
    evaluation.evalImgs = [
        evaluation.evaluateImg(image_id, class_id, area, params.maxDets[-1])
        for class_id in params.catIds
        for area in params.areaRng
        for image_id in params.imgIds
    ]
    evaluation.accumulate()


def check(comparisons: Sequence[Comparison], evaluation: COCOeval, class_ids: Sequence[int]) -> None:
    """Compare every value of both sides."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.accumulate()
    expected = evaluation.eval["precision"][..., 0, 0].mean(axis=1).T
    ours = average_precision(comparisons, class_ids)
    np.testing.assert_allclose(ours.precision, np.where(expected < 0, np.nan, expected), rtol=0, atol=1e-12)
    assert 0.05 < ours.mean < 0.9, "too easy or too hard a set"


if __name__ == "__main__":
    main()
