"""Polygons and run lengths: against pycocotools, there and back, and damaged ones."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from coco.segmentation import decode_counts, read_segmentation, runs_to_segmentations, segmentation_instances
from common.masks.instances import Instances
from common.masks.rle import encode_instances, parse_runs
from tests.coco_files import SHAPE, compressed, filled, rectangle, uncompressed


def random_masks():
    """Noise, blobs, nothing, everything, a pixel in each corner; in images of several shapes."""
    rng = np.random.default_rng(0)
    for shape in [(1, 1), (7, 1), (1, 9), (40, 60), (300, 411)]:
        for share in (0, 0.02, 0.5, 0.97, 1):
            yield rng.random(shape) < share
        blobs = np.zeros(shape, bool)
        blobs[: shape[0] // 2 + 1, -1:] = True
        yield blobs


def test_counts_are_decoded():
    for mask in random_masks():
        runs = compressed(mask)
        counts = uncompressed(mask)["counts"]
        expected = counts if counts[-1] else counts[:-1]
        assert decode_counts(runs["counts"]).tolist() == expected


def test_run_lengths_are_filled_in_either_form():
    for mask in random_masks():
        both = [read_segmentation(compressed(mask)), read_segmentation(uncompressed(mask))]
        filled_in = segmentation_instances(both, mask.shape, [4, 2])
        np.testing.assert_array_equal(filled_in.to_masks(mask.shape), [mask, mask])
        assert filled_in.class_ids.tolist() == [4, 2]


def test_polygons_are_filled_as_pycocotools_does():
    rng = np.random.default_rng(1)
    drawn = [[rng.uniform(-8, 70, 2 * rng.integers(3, 12)).round(2).tolist() for _ in range(3)] for _ in range(40)]
    filled_in = segmentation_instances([read_segmentation(polygons) for polygons in drawn], SHAPE)
    for polygons, mask in zip(drawn, filled_in.to_masks(SHAPE), strict=True):
        expected = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, *SHAPE)))
        np.testing.assert_array_equal(mask, expected)


def test_a_polygon_in_parts_at_the_border():
    boxes = [(30, 50, 40, 60), (0, 0, 3, 5)]
    polygons = [rectangle(30, 50, 45, 70), rectangle(0, 0, 3, 5)]
    objects = segmentation_instances([read_segmentation(polygons), read_segmentation([rectangle(50, 0, 60, 9)])], SHAPE)
    assert objects.boxes.tolist() == [[0, 0, 40, 60], [0, 0, 0, 0]]
    np.testing.assert_array_equal(objects.to_masks(SHAPE)[0], filled(*boxes))
    assert len(segmentation_instances([], SHAPE)) == 0


def test_masks_are_written_as_pycocotools_does():
    for mask in random_masks():
        runs = parse_runs(encode_instances(Instances.from_masks(np.stack([mask, ~mask])), mask.shape), mask.size)
        assert runs_to_segmentations(runs, mask.shape) == [compressed(mask), compressed(~mask)]
    assert runs_to_segmentations(parse_runs([], 9), (3, 3)) == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "no polygons"),
        ([[1, 1, 5, 5]], "a polygon of 4 numbers"),
        ([[1, 1, 5, 5, 9]], "a polygon of 5 numbers"),
        ([[1, 1, 5, 5, 9, 3, 4]], "a polygon of 7 numbers"),
        ([1, 1, 5, 5, 9, 3], "a list of numbers; it needs a list of polygons"),
        ([[[1, 1], [5, 5], [9, 3]]], "a polygon of points; it needs one flat list"),
        ([[1, 1, 5, 5, 9, float("nan")]], "not finite"),
        ([[1, 1, 5, 5, 9, "a"]], "could not convert"),
        ("1 2", "neither polygons nor run lengths"),
        ({"counts": [4]}, "neither polygons nor run lengths"),
        ({"size": [2, 2], "counts": [1, 2]}, "counts sum to 3 pixels, but 2 x 2 has 4"),
        ({"size": [2, 2], "counts": [5, -1]}, "non-negative integers"),
        ({"size": [2, 2], "counts": [2.5, 1.5]}, "non-negative integers"),
        ({"size": [2, 2], "counts": "4 "}, "damaged"),
        ({"size": [2, 2], "counts": "0P"}, "damaged"),  # more was to follow
        ({"size": [2, 2], "counts": "é"}, "damaged"),
        ({"size": [2, 2], "counts": "P" * 40 + "0"}, "damaged"),
        ({"size": [2, 2], "counts": ""}, "counts sum to 0 pixels"),
    ],
)
def test_damaged_segmentations_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        read_segmentation(value)
