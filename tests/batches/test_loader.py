import dataclasses
from dataclasses import replace

import numpy as np

from common.batches.instance_samples import instance_batches
from tests.image_sets import array_set
from tests.tiny import TINY, disc_labels

CONFIG = replace(TINY, augment=True, max_instances=8, balanced=True)


LABELS = [
    disc_labels(80, [(10, 10, 9), (40, 40, 12), (60, 20, 6)]),
    disc_labels(96, [(50, 50, 30)]),
    np.zeros((70, 90), np.int32),
]
NAMES = ["three", "one", "none"]


def discs(labels=LABELS, class_ids=None, names=NAMES, grey=lambda label_image: 50 * (label_image > 0)):
    """Images in memory: of three sizes, the last without objects."""
    images = [np.repeat(grey(label_image).astype(np.uint8)[..., None], 3, axis=2) for label_image in labels]
    return array_set(images, list(labels), class_ids, image_ids=list(names))


def same(batch, other):
    return batch.keys() == other.keys() and all((batch[name] == other[name]).all() for name in batch)


def crowd(count, class_ids=None):
    """One image with many objects of one pixel each, object k of class k + 1."""
    label_image = np.zeros((64, 64), np.int32)
    label_image[::4, ::4].flat[:count] = np.arange(1, count + 1)
    return discs(
        [label_image], [np.arange(1, count + 1, dtype=np.int32) if class_ids is None else class_ids], ["crowd"]
    )


def test_the_arrays_of_a_batch():
    batch = instance_batches(discs(), CONFIG, training=True).batch_at(0)
    shapes = {name: (array.shape, str(array.dtype)) for name, array in batch.items()}
    assert shapes == {
        "images": ((2, 64, 64, 3), "uint8"),
        "boxes": ((2, 8, 4), "float32"),
        "class_ids": ((2, 8), "int32"),
        "mini_masks": ((2, 8, 28, 28), "uint8"),
        "ignored": ((2, 64, 64), "uint8"),
    }


def test_a_step_always_gives_the_same_batch():
    loader, other = (instance_batches(discs(), CONFIG, training=True) for _ in range(2))
    batches = [loader.batch_at(step) for step in range(6)]
    assert all(same(other.batch_at(step), batches[step]) for step in (5, 0, 3))
    assert not same(batches[0], batches[3])
    assert not same(instance_batches(discs(), replace(CONFIG, seed=9), training=True).batch_at(0), batches[0])


def test_a_batch_holds_the_images_that_it_names():
    loader = instance_batches(discs(), CONFIG, training=False)
    for step in range(6):
        batch = loader.batch_at(step)
        for image_id, class_ids in zip(loader.image_ids_at(step), batch["class_ids"], strict=True):
            if image_id != "three":  # of whose objects a crop may miss some
                assert (class_ids > 0).sum() == (image_id == "one")


def test_several_classes_balance_by_class_one_by_size():
    class_ids = [np.full(3 - index, value, np.int32) for index, value in enumerate((1, 2, 1))]
    images = dataclasses.replace(discs(class_ids=class_ids), sizes=np.full((3, 2), 64))
    config = replace(CONFIG, class_names=("common", "rare"))
    assert instance_batches(images, config, training=True).sampler.indices.tolist() == [0, 1, 1, 2]
    assert instance_batches(images, config, training=False).sampler.indices.tolist() == [0, 1, 2]
    assert instance_batches(images, CONFIG, training=True).sampler.indices.tolist() == [0, 1, 2]


def test_batches_of_an_epoch():
    assert instance_batches(discs(), CONFIG, training=True).steps_per_epoch == 1
    assert instance_batches(discs(), replace(CONFIG, batch_size=1), training=True).steps_per_epoch == 3
    assert instance_batches(discs(), replace(CONFIG, batch_size=9), training=True).steps_per_epoch == 1
    assert instance_batches(discs(), replace(CONFIG, steps_per_epoch=7), training=True).steps_per_epoch == 7
