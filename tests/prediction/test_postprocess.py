import itertools
import pickle

import numpy as np
import pytest

from common.masks.crops import remove_overlaps
from common.masks.instances import SoftInstances
from common.masks.rle import decode_instances, encode_instances
from common.prediction.detections import Detections
from common.prediction.majority import elect_instances
from common.prediction.postprocess import (
    Look,
    Masking,
    Prediction,
    count_votes,
    merge_by_majority,
    merge_by_votes,
    run_length_rows,
    separate,
)
from common.prediction.views import VIEWS, View, distinct_views, invert_crops, invert_view, scaled_shape

SHAPE = (40, 56)


def single(found, masking):
    return Prediction([Look(View(), [0], found)], SHAPE, masking)


def merged(looks, masking, merging="votes"):
    return Prediction([Look(*look) for look in looks], SHAPE, masking, merging)


def detections(boxes, scores, image_shape=SHAPE, probs=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    probs = np.ones((len(boxes), 28, 28)) if probs is None else probs
    class_ids = np.ones(len(boxes), np.int32)
    return Detections(boxes, np.array(scores, np.float32), class_ids, probs.astype(np.float16), image_shape)


def random_detections(rng, count, image_shape=SHAPE):
    """Ragged objects that overlap a lot and hang over the border."""
    centres, sides = rng.uniform(0, image_shape, (count, 2)), rng.uniform(1, 20, (count, 2))
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)
    probs = np.repeat(np.repeat(rng.random((count, 4, 4)), 7, axis=1), 7, axis=2)
    return detections(boxes, np.sort(rng.random(count))[::-1], image_shape, probs)


def stack(instances, image_shape=SHAPE):
    """(H, W, N), as the reference has it."""
    return np.moveaxis(instances.to_masks(image_shape), 0, 2)


def without_empty(masks):
    return masks[:, :, masks.any(axis=(0, 1))]


@pytest.mark.parametrize("seed", range(8))
def test_separate_is_the_references(oracle, seed):
    found = random_detections(np.random.default_rng(seed), 12)
    expected = without_empty(oracle.dilate_and_separate(stack(found.paint(0.5)), found.scores))
    np.testing.assert_array_equal(stack(separate(found, Masking(0.5, dilation=True))), expected)
    assert expected.shape[2] > 1


@pytest.mark.parametrize("published", [False, True])
def test_separate_without_dilation_is_the_references(oracle, published):
    found = random_detections(np.random.default_rng(9), 12)
    expected = oracle.without_overlaps(stack(found.paint(0.3)), scores=found.scores, published=published)
    instances = separate(found, Masking(0.3, published=published))
    np.testing.assert_array_equal(stack(instances), without_empty(expected))


def test_higher_score_has_the_contested_pixels():
    found = detections([(0, 0, 4, 4), (0, 3, 4, 8)], [0.6, 0.9])
    first, second = separate(found, Masking(0.5, dilation=True)).to_masks(SHAPE)
    assert (first.sum(), second.sum()) == (4 * 2 + 3, 4 * 7 + 5)  # the cross leaves out the corners below
    assert not (first & second).any()
    assert second[0, 2]


def test_nothing_found():
    found = detections([], [])
    assert len(separate(found, Masking(0.5))) == 0
    assert run_length_rows(single(found, Masking(0.5, dilation=True))) == []
    assert run_length_rows(merged([(View(), list(range(15)), found)], Masking(0.5))) == []


def seen(view, box, image_shape=SHAPE):
    """One full object in a view's pixels."""
    return detections([box], [0.9], scaled_shape(view, image_shape))


def test_equal_views_count_as_often_as_they_occur():
    corner = seen(View(), (0, 0, 6, 8))
    for places, kept in (([0, 3, 5, 8], 0), ([0, 3, 5, 8, 9], 1)):
        instances = merge_by_votes([Look(View(), places, corner)], SHAPE, Masking(0.5))
        assert len(instances) == kept
    np.testing.assert_array_equal(instances.boxes, [(0, 0, 6, 8)])


def test_views_vote_in_the_images_own_pixels():
    quarter, doubled = View(turns=1), View(True, False, 0, 0, 2, 2)
    predictions = [
        (View(), [0, 1], seen(View(), (2, 4, 10, 20))),
        (quarter, [2, 3], seen(quarter, (56 - 20, 2, 56 - 4, 10))),
        (doubled, [4], seen(doubled, (2 * (40 - 10), 8, 2 * (40 - 2), 40))),
    ]
    np.testing.assert_array_equal(merge_by_votes(predictions, SHAPE, Masking(0.5)).boxes, [(2, 4, 10, 20)])
    assert len(merge_by_votes(predictions[1:], SHAPE, Masking(0.5))) == 0


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_merge_is_the_references_over_all_fifteen(oracle, seed, published):
    found = random_detections(np.random.default_rng(seed), 10)
    groups = distinct_views(VIEWS, SHAPE)
    predictions = [(view, places, _as_seen(found, view, seed + places[0])) for view, places in groups]
    by_place = {place: (view, some) for view, places, some in predictions for place in places}
    assert sorted(by_place) == list(range(15))
    stacks = []
    for place in range(15):
        view, some = by_place[place]
        stacks.append(without_empty(stack(invert_view(some.paint(0.5), view, SHAPE, published=published))))
    expected = oracle.merge_tta(stacks, published=published)
    assert expected is not None
    np.testing.assert_array_equal(
        stack(merge_by_votes(predictions, SHAPE, Masking(0.5, published=published))), expected
    )


def _as_seen(found, view, seed):
    """The objects of an image in a view's pixels, each a little moved, as a network would find them."""
    boxes = found.boxes + np.random.default_rng(seed).uniform(-0.7, 0.7, found.boxes.shape)
    boxes = np.sort(boxes.reshape(-1, 2, 2), axis=1).reshape(-1, 4)
    probs, (height, width) = found.mask_probs.astype(np.float32), SHAPE
    if view.flip_ud:
        boxes, probs = abs(boxes[:, [2, 1, 0, 3]] - [height, 0, height, 0]), probs[:, ::-1]
    if view.flip_lr:
        boxes, probs = abs(boxes[:, [0, 3, 2, 1]] - [0, width, 0, width]), probs[:, :, ::-1]
    for _ in range(view.turns):
        boxes = np.stack([width - boxes[:, 3], boxes[:, 0], width - boxes[:, 1], boxes[:, 2]], axis=1)
        probs, height, width = np.rot90(probs, axes=(1, 2)), width, height
    shape = scaled_shape(view, SHAPE)
    scale = np.tile(np.array(shape) / (height, width), 2)
    return detections(boxes * scale, found.scores, shape, probs)


def test_rows_are_the_run_lengths_of_the_objects():
    found = random_detections(np.random.default_rng(3), 12)
    for prediction, instances in (
        (single(found, Masking(0.4, dilation=True)), separate(found, Masking(0.4, dilation=True))),
        (single(found, Masking(0.4, published=True)), separate(found, Masking(0.4, published=True))),
        (
            merged([(View(), range(5), found)], Masking(0.4)),
            merge_by_votes([Look(View(), range(5), found)], SHAPE, Masking(0.4)),
        ),
    ):
        runs = run_length_rows(prediction)
        assert len(runs) == len(instances) > 1
        np.testing.assert_array_equal(stack(decode_instances(runs, SHAPE)), stack(instances))


def test_objects_may_share_pixels_where_they_are_not_to_be_separated():
    found = detections([(0, 0, 4, 6), (0, 3, 4, 9), (50, 0, 60, 9)], [0.6, 0.9, 0.5])
    kept = single(found, Masking(0.5, separate=False)).instances()
    assert kept.areas.tolist() == [24, 24]  # the third lies outside and is empty
    np.testing.assert_allclose(kept.scores, [0.6, 0.9])
    assert single(found, Masking(0.5)).instances().areas.sum() == 36


def test_workers_can_take_a_prediction():
    found = random_detections(np.random.default_rng(4), 3)
    prediction = single(found, Masking(0.5, dilation=True))
    function, argument = pickle.loads(pickle.dumps((run_length_rows, prediction)))
    assert function(argument) == run_length_rows(prediction)


def test_majority_and_suppression_reach_the_rows():
    found = random_detections(np.random.default_rng(5), 12)
    views = [Look(View(), [0, 2], found), Look(View(flip_lr=True), [1], found)]
    elected = merge_by_majority(views, SHAPE, Masking(0.4, largest_share=0.3))
    assert elected.to_masks(SHAPE).sum(axis=0).max() == 1
    rows = run_length_rows(merged(views, Masking(0.4, largest_share=0.3), "majority"))
    assert rows == encode_instances(elected, SHAPE)
    fewer = separate(found, Masking(0.4, largest_share=0.1))
    assert len(fewer) < len(separate(found, Masking(0.4)))
    assert run_length_rows(single(found, Masking(0.4, largest_share=0.1))) == encode_instances(fewer, SHAPE)


def test_a_view_counts_at_each_of_its_places():
    rng = np.random.default_rng(6)
    first, second = random_detections(rng, 12), random_detections(rng, 12)
    once = [(View(), [0, 3], first), (View(flip_lr=True), [1], second), (View(turns=2), [2], first)]
    apart = [(View(), [0], first), (View(), [3], first), *once[1:]]
    fewer = [(View(), [0], first), *once[1:]]
    rows, equal, others = (run_length_rows(merged(one, Masking(0.4), "majority")) for one in (once, apart, fewer))
    assert len(rows) > 1
    assert rows == equal != others


def test_votes_are_counted_a_pixel_with_views_as_often_as_they_occur():
    upright = detections([[0, 0, 10, 10], [5, 5, 12, 12]], [0.9, 0.8])  # objects that overlap count once
    flipped = detections([[0, 46, 10, 56]], [0.9])
    looks = [Look(View(), [0, 2], upright), Look(View(flip_lr=True), [1], flipped)]
    votes = count_votes(looks, SHAPE, Masking(0.5))
    expected = np.zeros(SHAPE, int)
    expected[:10, :10] = 3
    expected[5:12, 5:12] = np.maximum(expected[5:12, 5:12], 2)
    np.testing.assert_array_equal(votes, expected)
    assert not count_votes([], SHAPE, Masking(0.5)).any()


def of_network(seed, merging="majority", threshold=0.4):
    """What a network sees of objects in the distinct views of an image, a little moved in each."""
    found = random_detections(np.random.default_rng(1), 10)
    groups = distinct_views(VIEWS, SHAPE)
    looks = [(view, places, _as_seen(found, view, seed + places[0])) for view, places in groups]
    return merged(looks, Masking(threshold), merging)


@pytest.mark.parametrize("merging", ["majority", "votes"])
def test_equal_networks_find_what_one_finds(merging):
    one = of_network(3, merging)
    expected, found = one.instances(), Prediction.joined([one] * 2).instances()
    assert len(expected) > 2
    np.testing.assert_array_equal(found.to_masks(SHAPE), expected.to_masks(SHAPE))
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-6)
    assert run_length_rows(Prediction.joined([one])) == run_length_rows(one)


def test_all_looks_of_all_networks_elect_the_objects_view_by_view():
    networks = [of_network(3), of_network(100, threshold=0.7), of_network(200)]  # the first one's threshold counts
    views = []
    for place, network in itertools.product(range(15), networks):
        (look,) = (look for look in network.looks if place in look.places)
        soft = look.detections.paint_soft(0.4)
        boxes, probs = invert_crops(soft.boxes, soft.probs, look.view, SHAPE)
        views.append(SoftInstances(boxes, probs, soft.scores))
    assert len(views) == 45
    elected = elect_instances(views, 0.4)
    expected = remove_overlaps(elected, priorities=elected.scores)
    found = Prediction.joined(networks).instances()
    np.testing.assert_array_equal(found.to_masks(SHAPE), expected.to_masks(SHAPE))
    assert encode_instances(found, SHAPE) not in [run_length_rows(network) for network in networks]


def test_a_majority_is_one_of_all_networks():
    """Of two networks half of the looks, of three more than those of one."""
    sees = merged([(View(), [0, 1], seen(View(), (2, 4, 10, 20)))], Masking(0.5), "majority")
    blind = merged([(View(), [0, 1], detections([], []))], Masking(0.5), "majority")
    for networks, count in (([sees, blind], 1), ([sees, blind, blind], 0), ([blind, sees, sees], 1)):
        assert len(Prediction.joined(networks).instances()) == count


@pytest.mark.parametrize(("views", "count"), [(9, 0), (10, 1)])
def test_two_networks_need_twice_the_votes(views, count):
    corner, nothing = seen(View(), (0, 0, 6, 8)), detections([], [])
    sees = merged([(View(), range(views), corner), (View(), range(views, 15), nothing)], Masking(0.5))
    blind = merged([(View(), range(15), nothing)], Masking(0.5))
    assert len(sees.instances()) == 1
    assert len(Prediction.joined([sees, blind]).instances()) == count
