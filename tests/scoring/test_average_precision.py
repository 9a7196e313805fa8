"""Average precision: by hand, and against pycocotools on random predictions."""

import contextlib
import io

import numpy as np
import pytest

from common.masks.crops import drop_empty
from common.masks.instances import Instances
from common.scoring.average_precision import COCO_THRESHOLDS, average_precision, image_average_precision
from common.scoring.comparison import compare_masks
from tests.objects import random_objects

SHAPE = (60, 80)
CLASSES = (1, 2, 3, 4)  # no true object has the last


def squares(*lefts, class_ids=None, scores=None):
    """Objects of 10 x 10 pixels in one row."""
    boxes = np.array([[0, left, 10, left + 10] for left in lefts]).reshape(-1, 4)
    return Instances.from_crops(boxes, [np.ones((10, 10))] * len(lefts), class_ids, scores)


def ap(pairs, class_ids=(1,), **options):
    return average_precision([compare_masks(*pair) for pair in pairs], class_ids, **options)


def test_a_false_find_costs_by_its_rank():
    true = squares(0, 20)
    for scores, expected in (([0.9, 0.8, 0.7], 1.0), ([0.7, 0.8, 0.9], (51 * 2 / 3 + 50 * 2 / 3) / 101)):
        result = ap([(true, squares(0, 20, 40, scores=scores))], thresholds=[0.5])
        assert result.mean == pytest.approx(expected)
        assert result.recall.tolist() == [[1.0]]
    half = ap([(true, squares(0, 40, scores=[0.9, 0.95]))], thresholds=[0.5])
    assert (half.mean, half.recall[0, 0]) == (pytest.approx(0.5 * 51 / 101), 0.5)


def test_an_object_is_found_once_and_by_its_class():
    twice = ap([(squares(0), squares(0, 1, scores=[0.8, 0.9]))], thresholds=[0.5])
    assert twice.mean == 1.0  # the second one comes after full recall
    result = ap([(squares(0, 20, class_ids=[1, 2]), squares(0, 20, class_ids=[2, 2]))], (1, 2, 3), thresholds=[0.5])
    assert result.num_true.tolist() == [1, 1, 0]
    np.testing.assert_allclose(result.precision[:, 0], [0, 0.5, np.nan])
    assert result.mean == 0.25


def test_the_table_names_every_class_and_averages_those_with_objects():
    pair = (squares(0, 20, class_ids=[1, 3]), squares(0, 23, class_ids=[1, 3]))  # the second with an IoU of 70 / 130
    lines = ap([pair], (1, 2, 3)).table(["square", "circle", "triangle"]).splitlines()
    assert [line.split() for line in lines] == [
        ["class", "objects", "AP", "AP50", "AP75", "R50"],
        ["square", "1", "1.000", "1.000", "1.000", "1.000"],
        ["circle", "0", "nan", "nan", "nan", "nan"],
        ["triangle", "1", "0.100", "1.000", "0.000", "1.000"],
        ["all", "2", "0.550", "1.000", "0.500", "1.000"],
    ]
    assert ap([pair], (1, 3), thresholds=[0.5]).table("sct").splitlines()[-1].split()[2:] == [
        "1.000",
        "1.000",
        "nan",
        "1.000",
    ]
    assert ap([pair], (1, 3)).at(0.75).mean == 0.5
    assert ap([], (1,)).table(["square"]).splitlines()[-1].split() == ["all", "0", "nan", "nan", "nan", "nan"]


def test_thresholds_are_reached_by_equality():
    result = ap([(squares(0), squares(5))], thresholds=[1 / 3, 0.34])  # 50 of 150 pixels
    assert result.precision.tolist() == [[1.0, 0.0]]
    assert ap([(squares(0), squares(0))], thresholds=[1.0]).mean == 1.0


def test_crowds_forgive_and_areas_outside_do_not_count():
    crowd = Instances.from_crops(np.array([[0, 0, 10, 10], [20, 0, 60, 80]]), [np.ones((10, 10)), np.ones((40, 80))])
    predicted = Instances.from_crops(
        np.array([[20, 0, 40, 40], [20, 40, 40, 80], [0, 0, 10, 10]]),
        [np.ones((20, 40))] * 2 + [np.ones((10, 10))],
        scores=[0.9, 0.8, 0.7],
    )
    crowds = [compare_masks(crowd, predicted, np.array([False, True]))]
    assert average_precision(crowds, [1]).mean == 1.0
    assert average_precision([compare_masks(crowd, predicted)], [1]).mean < 0.5
    assert ap([(crowd, predicted)], area_range=(0, 200)).mean == 1.0
    assert ap([(crowd, predicted)], area_range=(0, 50)).num_true.tolist() == [0]


def test_nothing_to_find_and_nothing_found():
    assert np.isnan(ap([]).mean)
    assert np.isnan(ap([(Instances.empty(), squares(0))]).mean)
    assert ap([(squares(0), Instances.empty())]).mean == 0
    assert average_precision([], []).precision.shape == (0, 10)


def test_only_the_best_predictions_count():
    predicted = squares(40, 20, 0, scores=[0.9, 0.8, 0.7])
    assert ap([(squares(0), predicted)], max_detections=2).mean == 0
    assert ap([(squares(0), predicted)], max_detections=3).mean == pytest.approx(1 / 3)


def library_ap(comparison, threshold):
    """The rule in plain words: true objects in falling IoU, the first that is free and of the class."""
    free, hits = set(range(len(comparison.ious))), []
    for j in sorted(range(len(comparison.scores)), key=lambda j: -comparison.scores[j]):
        hits.append(0)
        for i in sorted(range(len(comparison.ious)), key=lambda i: -comparison.ious[i, j]):
            if comparison.ious[i, j] < threshold:
                break
            if i in free and comparison.true_class_ids[i] == comparison.predicted_class_ids[j]:
                free.remove(i)
                hits[-1] = 1
                break
    precisions = [0, *(sum(hits[: k + 1]) / (k + 1) for k in range(len(hits))), 0]
    recalls = [0, *(sum(hits[: k + 1]) / len(comparison.ious) for k in range(len(hits))), 1]
    return sum((recalls[k] - recalls[k - 1]) * max(precisions[k:]) for k in range(1, len(recalls)))


def test_the_librarys_average_precision_of_an_image():
    assert image_average_precision(
        compare_masks(squares(0, 20), squares(0, 40, 20, scores=[0.9, 0.8, 0.7]))
    ) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert np.isnan(image_average_precision(compare_masks(Instances.empty(), squares(0))))
    assert image_average_precision(compare_masks(squares(0), Instances.empty())) == 0
    for seed in range(20):
        true, predicted, _ = random_image(np.random.default_rng(seed))
        comparison = compare_masks(true, predicted)
        for threshold in (0.3, 0.5, 0.75):
            expected = library_ap(comparison, threshold)
            assert image_average_precision(comparison, threshold) == pytest.approx(expected)


def random_image(rng):
    """Objects of three classes, some of them crowds; predictions near them, with few different scores."""
    true = drop_empty(random_objects(rng, int(rng.integers(0, 9)), SHAPE))
    true = Instances.from_crops(true.boxes, true.masks, rng.integers(1, 4, len(true)))
    near = true.select(rng.integers(0, max(len(true), 1), int(rng.integers(0, 12)) if len(true) else 0))
    far = drop_empty(random_objects(rng, int(rng.integers(0, 6)), SHAPE))
    masks = np.concatenate([near.to_masks(SHAPE), far.to_masks(SHAPE)])
    masks &= rng.random((len(masks), 1, SHAPE[1])) < rng.choice([0.6, 0.8, 0.9, 1], (len(masks), 1, 1))  # columns lost
    ids = np.concatenate([near.class_ids, rng.integers(1, 5, len(far))])
    predicted = Instances.from_masks(masks, ids, rng.integers(1, 12, len(masks)) / 16)
    return true, drop_empty(predicted), rng.random(len(true)) < 0.2


def coco_eval(images, max_detections, area_ranges):
    """Return pycocotools' precision (T, 101, K, A) and recall (T, K, A) of images."""
    coco = pytest.importorskip("pycocotools.coco")
    from pycocotools.cocoeval import COCOeval
    from pycocotools.mask import encode

    annotations, results = [], []
    for image_id, (true, predicted, crowd) in enumerate(images):
        for objects, records in ((true, annotations), (predicted, results)):
            masks = objects.to_masks(SHAPE).astype(np.uint8)
            for i in range(len(objects)):
                record = {"image_id": image_id, "category_id": int(objects.class_ids[i])}
                record |= {"segmentation": encode(np.asfortranarray(masks[i])), "area": int(objects.areas[i])}
                if records is annotations:
                    record |= {"id": len(annotations) + 1, "iscrowd": int(crowd[i])}
                else:
                    record |= {"score": float(objects.scores[i])}
                records.append(record)
    truth = coco.COCO()
    truth.dataset = {
        "images": [{"id": image_id, "height": SHAPE[0], "width": SHAPE[1]} for image_id in range(len(images))],
        "categories": [{"id": class_id} for class_id in CLASSES],
        "annotations": annotations,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "segm")
        evaluation.params.maxDets = [max_detections]
        evaluation.params.areaRng = area_ranges
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation.eval["precision"][..., 0], evaluation.eval["recall"][..., 0]


@pytest.mark.parametrize(("seed", "max_detections"), [(0, 100), (1, 100), (2, 3)])
def test_it_agrees_with_pycocotools(seed, max_detections):
    rng = np.random.default_rng(seed)
    images = [random_image(rng) for _ in range(60)]
    area_ranges = [(0, 1e10), (200, 700)]
    precision, recall = coco_eval(images, max_detections, area_ranges)
    comparisons = [compare_masks(*image) for image in images]
    for a, area_range in enumerate(area_ranges):
        ours = average_precision(comparisons, CLASSES, max_detections=max_detections, area_range=area_range)
        assert 0.05 < ours.mean < 0.9
        expected, found = precision[..., a].mean(axis=1).T, recall[..., a].T  # (K, T)
        np.testing.assert_allclose(ours.precision, np.where(expected < 0, np.nan, expected), rtol=0, atol=1e-12)
        np.testing.assert_allclose(ours.recall, np.where(found < 0, np.nan, found), rtol=0, atol=1e-12)
        assert np.isnan(ours.precision[CLASSES.index(4)]).all()
        np.testing.assert_array_equal(ours.thresholds, COCO_THRESHOLDS)
