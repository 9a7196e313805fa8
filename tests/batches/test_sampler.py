"""Balanced groups, endless passes, folds."""

import numpy as np
import pytest

from common.batches.sampler import Sampler, class_balanced_indices, size_balanced_indices
from common.images.synthetic import REAL_SIZES


def dsb_sizes() -> np.ndarray:
    sizes = np.repeat(np.array(list(REAL_SIZES)), list(REAL_SIZES.values()), axis=0)
    return np.random.default_rng(0).permutation(sizes)


def test_rare_sizes_are_repeated_by_the_floor_rule():
    sizes = dsb_sizes()
    copies = np.bincount(size_balanced_indices(sizes), minlength=len(sizes))
    assert [334 // REAL_SIZES[tuple(size)] for size in sizes.tolist()] == copies.tolist()
    assert copies[(sizes == (1040, 1388)).all(axis=1)].tolist() == [334]


def test_classes_balance_like_sizes():
    assert size_balanced_indices(np.array(["a", "b", "b", "b"])).tolist() == [0, 0, 0, 1, 2, 3]
    assert size_balanced_indices(np.zeros((0, 2), int)).tolist() == []


def test_one_class_an_image_balances_like_sizes():
    classes = np.random.default_rng(0).choice(5, 200, p=[0.6, 0.2, 0.1, 0.06, 0.04]) + 1
    balanced = class_balanced_indices([np.repeat(name, count % 4 + 1) for count, name in enumerate(classes)])
    np.testing.assert_array_equal(balanced, size_balanced_indices(classes))


def test_an_image_of_several_classes_follows_the_rarest():
    images = [[1], [1, 2], [1], [1, 3, 3], [2], [], [1]]  # 1 is in five images, 2 in two, 3 in one
    copies = np.bincount(class_balanced_indices([np.array(ids, np.int32) for ids in images]))
    assert copies.tolist() == [1, 2, 1, 5, 2, 1, 1]
    assert class_balanced_indices([]).tolist() == []
    assert class_balanced_indices([np.zeros(0, np.int32)] * 2).tolist() == [0, 1]


def test_the_root_repeats_rare_groups_less():
    counts = {1: 100, 2: 25, 3: 4, 4: 1}
    groups = np.repeat(list(counts), list(counts.values()))
    expected = np.repeat([1, 2, 5, 10], list(counts.values()))  # square roots of 1, 4, 25, 100
    np.testing.assert_array_equal(np.bincount(size_balanced_indices(groups, root=True)), expected)
    of_classes = class_balanced_indices([np.array([name]) for name in groups], root=True)
    np.testing.assert_array_equal(np.bincount(of_classes), expected)


def test_a_pass_holds_every_index_once_and_passes_differ():
    sampler = Sampler(np.array([7, 7, 3, 5, 1]), seed=123)
    passes = [sampler.indices_at(5 * number, 5).tolist() for number in range(20)]
    assert all(sorted(one) == [1, 3, 5, 7, 7] for one in passes)
    assert len({tuple(one) for one in passes}) > 10
    assert passes != [Sampler(sampler.indices, seed=124).indices_at(5 * number, 5).tolist() for number in range(20)]


def test_the_stream_is_the_same_from_any_position():
    sampler = Sampler(np.arange(11), seed=1)
    stream = sampler.indices_at(0, 60)
    for position, count in [(0, 2), (10, 2), (11, 11), (21, 25), (59, 1), (33, 0), (5, 0)]:
        np.testing.assert_array_equal(sampler.indices_at(position, count), stream[position : position + count])


def test_a_sampler_without_images_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        Sampler(np.array([], int), seed=1)
