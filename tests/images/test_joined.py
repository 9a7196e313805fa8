"""Several sets as one."""

import pickle

import numpy as np
import pytest

from common.errors import InputError
from common.images.joined import join_sets
from tests.image_sets import array_set


def numbered(first, count, **options):
    images = [np.full((8, 9 + first, 3), first + row, np.uint8) for row in range(count)]
    labels = [np.eye(8, 9 + first, dtype=np.int32) * (first > 0) for _ in range(count)]
    return array_set(images, labels, image_ids=[f"i{first + row}" for row in range(count)], **options)


def test_each_image_is_that_of_its_own_set_whatever_was_selected():
    joined = join_sets([numbered(0, 3).select([2, 0]), numbered(10, 4).select([1, 3, 0])])
    assert joined.image_ids == ["i2", "i0", "i11", "i13", "i10"] and joined.has_objects
    for again in (joined, pickle.loads(pickle.dumps(joined)), joined.select([3, 0]).select([1, 0])):
        for row, image_id in enumerate(again.image_ids):
            number = int(image_id[1:])
            assert again.load_image(row)[0, 0, 0] == number == again.source.loader(int(again.rows[row]))()[0, 0, 0]
            assert again.shape(row) == again.load_image(row).shape[:2]
            assert len(again.load_instances(row)) == len(again.load_class_ids(row)) == (number >= 10)
            assert len(again.load_truth(row)[0]) == (number >= 10)


def test_an_id_in_two_sets_is_refused():
    with pytest.raises(InputError, match=r"arrays and arrays: i1 is the id of several images; rename them, or leave"):
        join_sets([numbered(0, 3), numbered(1, 1)])


def test_an_id_of_a_set_apart_is_refused():
    with pytest.raises(InputError, match=r"i10 is the id of several images"):
        join_sets([numbered(0, 2), numbered(10, 1)], apart_from=[numbered(5, 1), numbered(2, 9).select([4, 8])])
    joined = join_sets([numbered(0, 2), numbered(10, 1)], apart_from=[numbered(5, 1), numbered(2, 8).select([7])])
    assert joined.image_ids == ["i0", "i1", "i10"]


def test_it_changes_with_each_of_its_sets():
    before = join_sets([numbered(0, 1), numbered(10, 2)]).signature()
    assert join_sets([numbered(0, 1), numbered(10, 2)]).signature() == before
    assert join_sets([numbered(0, 1), numbered(10, 2, name="edited")]).signature() != before
    assert join_sets([numbered(0, 1), numbered(10, 1)]).signature() != before
