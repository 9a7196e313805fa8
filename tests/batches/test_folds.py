import numpy as np
import pytest

from common.batches.folds import first_with_objects, in_fold, owner_folds, shuffled, split, split_folds
from common.errors import InputError
from tests.batches.test_sampler import REAL_SIZES, dsb_sizes
from tests.image_sets import array_set


class Numbers(list):
    """A set of numbers of which some can be chosen."""

    def select(self, indices):
        return Numbers(np.array(self)[indices].tolist())


def test_folds_share_groups_out_and_cover_the_set():
    groups = np.array(["a"] * 10 + ["b"] * 5)
    folds = np.array([in_fold(groups, fold) for fold in "01234"])
    assert folds.sum(axis=0).tolist() == [1] * 15
    assert (folds[:, :10].sum(axis=1) == 2).all() and (folds[:, 10:].sum(axis=1) == 1).all()
    assert not in_fold(groups, "all").any()


def test_a_whole_size_is_held_back():
    numbers, sizes = Numbers(range(5)), np.array([[256, 320], [256, 256], [256, 320], [320, 256], [9, 9]])
    assert split(numbers, sizes, "256x320", None) == ([1, 3, 4], [0, 2])
    with pytest.raises(InputError, match="--fold 7x7: no image has this size"):
        split(numbers, sizes, "7x7", None)


def test_a_set_is_split():
    numbers, groups = Numbers(range(12)), np.zeros(12)
    training, held_out = split(numbers, groups, "3", None)
    assert sorted([*training, *held_out]) == numbers and len(held_out) in (2, 3)
    assert split(numbers, groups, "3", 4) == (training[:4], held_out)
    assert split(numbers, groups, "all", None) == (numbers, [])
    with pytest.raises(InputError, match="--fold 0: no images are left to train on; the set has 1"):
        split(Numbers([7]), groups[:1], "0", None)
    empty = [fold for fold in "01234" if not in_fold(groups[:4], fold).any()]
    for fold in empty:
        with pytest.raises(InputError, match=f"--fold {fold}: would hold out none of the 4 images; choose another"):
            split(Numbers(range(4)), groups[:4], fold, None)
    assert len(empty) == 1


@pytest.mark.parametrize("num_folds", [2, 5])
def test_folds_spread_every_size_evenly(num_folds):
    sizes = dsb_sizes()
    folds = split_folds(sizes, num_folds, seed=123)
    groups = [np.bincount(folds[(sizes == size).all(axis=1)], minlength=num_folds) for size in REAL_SIZES]
    assert all(np.ptp(counts) <= 1 for counts in [*groups, np.bincount(folds)])


def test_folds_follow_the_seed():
    sizes = dsb_sizes()
    np.testing.assert_array_equal(split_folds(sizes, seed=1), split_folds(sizes, seed=1))
    assert (split_folds(sizes, seed=1) != split_folds(sizes, seed=2)).any()
    assert split_folds(np.zeros((0, 2)), seed=1).tolist() == []


def test_an_owner_is_in_one_fold():
    rng = np.random.default_rng(0)
    owners = [f"patient {number}" for number in rng.integers(0, 31, 100)]
    folds = owner_folds(owners, seed=1)
    assert {len({fold for one, fold in zip(owners, folds, strict=True) if one == owner}) for owner in owners} == {1}
    assert np.ptp(np.bincount(folds, minlength=5)) <= 2
    np.testing.assert_array_equal(folds, owner_folds(owners, seed=1))
    assert (folds != owner_folds(owners, seed=2)).any()


def test_one_owner_of_everything_and_none():
    assert len(set(owner_folds(["a"] * 4, seed=3).tolist())) == 1
    assert owner_folds([], seed=3).tolist() == []


def test_images_with_objects_come_first_and_others_only_where_too_few_have_some():
    labels = [np.full((2, 2), row % 2, np.int32) for row in range(6)]  # every second image has an object
    images = array_set([np.zeros((2, 2, 3), np.uint8)] * 6, labels)
    assert first_with_objects(images, 2).image_ids == ["p1", "p3"]
    assert first_with_objects(images, 5).image_ids == ["p1", "p3", "p5", "p0", "p2"]
    assert first_with_objects(images, 9).image_ids == ["p1", "p3", "p5", "p0", "p2", "p4"]
    assert len(first_with_objects(images.select([]), 2)) == 0


def test_shuffled_is_always_the_same_order_of_all():
    images = array_set([np.zeros((2, 2, 3), np.uint8)] * 6)
    assert shuffled(images).image_ids == shuffled(images).image_ids != images.image_ids
    assert sorted(shuffled(images).image_ids) == images.image_ids
