"""Overlapping objects as label images, and back."""

from dataclasses import replace

import numpy as np
import pytest

from common.batches.instance_samples import instance_batches
from common.images.image_set import ImageSet
from common.masks.crops import drop_empty
from common.masks.instances import Instances
from common.masks.layers import layer_boxes, pack_layers, unpack_layers
from tests.image_sets import Arrays
from tests.objects import random_objects
from tests.tiny import TINY


def assert_same(instances, others):
    np.testing.assert_array_equal(instances.boxes, others.boxes)
    np.testing.assert_array_equal(instances.class_ids, others.class_ids)
    for mask, other in zip(instances.masks, others.masks, strict=True):
        np.testing.assert_array_equal(mask, other)


@pytest.mark.parametrize("seed", range(5))
def test_objects_come_back_exactly(seed):
    objects = random_objects(np.random.default_rng(seed), 30, (40, 50))
    class_ids = np.arange(30) % 4 + 1
    layers = pack_layers(objects, (40, 50))
    assert all(layer.shape == (40, 50) and layer.dtype == np.int32 for layer in layers)
    expected = Instances.from_crops(objects.boxes, objects.masks, class_ids)
    assert_same(unpack_layers(layers, class_ids), drop_empty(expected))
    masks = objects.to_masks((40, 50))
    for i, mask in enumerate(masks):  # each object in one layer, and no other
        assert [((layer == i + 1) == mask).all() for layer in layers].count(True) == (1 if mask.any() else len(layers))
    assert masks.sum(axis=0).max() <= len(layers) < 30


def test_as_few_layers_as_the_overlaps_need():
    assert pack_layers(Instances.empty(), (4, 4)) == []
    apart = Instances.from_crops(
        np.array([[0, 0, 1, 3], [0, 3, 4, 4], [3, 0, 4, 1]]), [np.ones((1, 3)), *[np.ones((4, 1)), np.ones((1, 1))]]
    )
    (layer,) = pack_layers(apart, (4, 4))
    assert layer.tolist() == [[1, 1, 1, 2], [0, 0, 0, 2], [0, 0, 0, 2], [3, 0, 0, 2]]
    boxes_meet = Instances.from_masks(np.array([np.eye(4), np.eye(4)[::-1]], bool))
    assert len(pack_layers(boxes_meet, (4, 4))) == 1
    row = np.zeros((4, 1, 8), bool)  # a chain, named in an order that misleads: first and last come first
    for i, left in enumerate((0, 5, 1, 3)):
        row[i, 0, left : left + 3] = True
    assert len(pack_layers(Instances.from_masks(row), (1, 8))) == 2


def test_layers_without_objects():
    assert len(unpack_layers([])) == len(unpack_layers([np.zeros((3, 3), np.int32)], [])) == 0
    labels, boxes, owners = layer_boxes([])
    assert (labels.shape, boxes.shape, owners.shape) == ((0,), (0, 4), (0,))


RINGS = Instances.from_crops(
    np.array([[10, 10, 40, 40], [20, 20, 30, 30], [30, 30, 64, 64]]),
    [np.ones((30, 30)), np.ones((10, 10)), np.ones((34, 34))],
)


class Rings(Arrays):
    """A black image of three overlapping squares of two classes, one of them hidden by another, one at the border."""

    def __init__(self, layers=None, class_ids=(1, 2, 1)):
        super().__init__([np.zeros((64, 64, 3), np.uint8)], class_ids=[np.array(class_ids, np.int32)])
        self.layers = pack_layers(RINGS, (64, 64)) if layers is None else layers

    def load_label_layers(self, row):
        return self.layers


def rings(**options):
    return ImageSet.of_all(Rings(**options), ["rings"], [[64, 64]])


def test_overlapping_objects_stay_whole_in_a_batch():
    plain = {"min_enlarge": 1.0, "zoom": 1.0, "aspect_ratio": 1.0}
    config = replace(TINY, batch_size=1, class_names=("square", "core"), **plain)
    batch = instance_batches(rings(), config, training=False).batch_at(0)
    assert batch["boxes"][0].tolist() == [*RINGS.boxes.tolist(), [0, 0, 0, 0]]
    assert batch["class_ids"].tolist() == [[1, 2, 1, 0]]
    assert batch["mini_masks"][0, :3].all()
    moved = instance_batches(rings(), replace(config, augment=True, rotation_range=0.0), training=True)
    for step in range(8):
        batch = moved.batch_at(step)
        assert sorted((batch["boxes"][0, :, 2:] - batch["boxes"][0, :, :2]).max(axis=1).tolist()) == [0, 10, 30, 34]
        assert batch["mini_masks"][0, :3].all()
        core = batch["class_ids"][0].tolist().index(2)
        assert np.ptp(batch["boxes"][0, core].reshape(2, 2), axis=0).tolist() == [10, 10]


def test_too_many_overlapping_objects_are_a_random_choice():
    config = replace(TINY, batch_size=1, max_instances=2, class_names=("square", "core"), min_enlarge=1.0, zoom=1.0)
    batches = [instance_batches(rings(), config, training=False).batch_at(step) for step in range(12)]
    assert {tuple(batch["class_ids"][0].tolist()) for batch in batches} == {(1, 2), (2, 1), (1, 1)}


def test_an_image_without_layers_is_background():
    images = rings(layers=[], class_ids=())
    config = replace(TINY, augment=True, crop_draws=3, balanced=True, class_names=("square", "core"))
    batch = instance_batches(images, config, training=True).batch_at(0)
    assert not any(batch[name].any() for name in ("boxes", "class_ids", "mini_masks"))
