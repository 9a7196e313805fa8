import numpy as np
import pytest

from common.masks.instances import Instances
from common.masks.rle import decode_instances, parse_runs
from common.masks.runs import find_runs, join_touching, shared_run_pixels
from tests.objects import random_objects


def parse(*texts):
    runs = parse_runs(texts, 100)
    return runs.starts.tolist(), runs.stops.tolist(), runs.owners.tolist(), runs.num_masks


@pytest.mark.parametrize(
    "texts",
    [
        ("1 2 7 1", "4 1"),
        (" 1 2  7 1", "4\t1 "),
        ("1  2\t7 1", "4 1"),
        ("01 2 +7 1", "4 1"),
        ("1 2\u00a07 1", "4 1"),
    ],
)
def test_whatever_space_parts_the_numbers(texts):
    assert parse(*texts) == ([0, 6, 3], [2, 7, 4], [0, 0, 1], 2)


@pytest.mark.parametrize("texts", [(), ("",), ("", ""), (" ",), ("  ", " ")])
def test_texts_without_numbers(texts):
    assert parse(*texts) == ([], [], [], len(texts))


def test_too_many_spaces_in_one_text_never_make_up_for_too_few_in_another():
    with pytest.raises(ValueError, match="mask 0: 3 numbers"):
        parse("1 2  3", "4")


def test_shared_pixels_of_masks_that_overlap_their_own_kind():
    rng = np.random.default_rng(22)
    for count, other_count in ((0, 0), (0, 3), (3, 0), (25, 22)):
        objects, others = random_objects(rng, count, (30, 40)), random_objects(rng, other_count, (30, 40))
        masks, other_masks = (each.to_masks((30, 40)).reshape(-1, 1200).astype(int) for each in (objects, others))
        expected = masks @ other_masks.T
        first, second, pixels = shared_run_pixels(find_runs(objects, 30), find_runs(others, 30))
        np.testing.assert_array_equal(np.stack([first, second]), np.nonzero(expected))
        np.testing.assert_array_equal(pixels, expected[first, second])


def test_areas_of_runs():
    objects = random_objects(np.random.default_rng(23), 20, (15, 12))
    runs = find_runs(objects, 15)
    assert runs.areas.tolist() == join_touching(runs).areas.tolist() == objects.areas.tolist()
    assert find_runs(Instances.empty(), 15).areas.tolist() == []
    assert decode_instances(["", "3 2"], (15, 12)).areas.tolist() == [0, 2]
