"""What Mask R-CNN learns from an image: crops with boxes, classes and small masks."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from common.batches.instance_samples import instance_batches, mini_masks
from common.errors import InputError
from common.masks.boxes import label_boxes
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


def crowd(count, class_ids=None):
    """One image with many objects of one pixel each, object k of class k + 1."""
    label_image = np.zeros((64, 64), np.int32)
    label_image[::4, ::4].flat[:count] = np.arange(1, count + 1)
    return discs(
        [label_image], [np.arange(1, count + 1, dtype=np.int32) if class_ids is None else class_ids], ["crowd"]
    )


def test_rows_without_an_object_are_zero_and_come_last():
    loader = instance_batches(discs(), CONFIG, training=True)
    for step in range(6):
        batch = loader.batch_at(step)
        used = batch["class_ids"] > 0
        assert (np.sort(used, axis=1)[:, ::-1] == used).all()
        assert (used == batch["boxes"].any(axis=2)).all()
        assert (used == batch["mini_masks"].any(axis=(2, 3))).all()


def test_boxes_and_masks_fit_their_objects():
    """At the images' own size, flipped and turned, not blurred: boxes fit to the pixel."""
    plain = {"aspect_ratio": 1, "min_enlarge": 1, "zoom": 1, "rotation_range": 0, "channel_shift_range": 0}
    labels = [disc_labels(64, [(10, 10, 9), (40, 40, 12), (60, 20, 6)]), disc_labels(64, [(9, 30, 15)])]
    # Each object has a grey of its own, so that a crop's pixels say where its box and its mask must be.
    images = discs(labels, names=["three", "one"], grey=lambda label_image: 80 * label_image)
    loader = instance_batches(images, replace(CONFIG, batch_size=1, **plain), training=True)
    for step in range(8):
        batch = loader.batch_at(step)
        grey = batch["images"][0, ..., 0]
        objects = [grey == value for value in np.unique(grey[grey > 0])]
        used = batch["class_ids"][0] > 0
        rows = [np.flatnonzero(shown.any(axis=1))[[0, -1]] for shown in objects]
        columns = [np.flatnonzero(shown.any(axis=0))[[0, -1]] for shown in objects]
        tight = [[top, left, bottom + 1, right + 1] for (top, bottom), (left, right) in zip(rows, columns, strict=True)]
        assert batch["boxes"][0, used].tolist() == tight
        for shown, box, mask in zip(objects, np.array(tight), batch["mini_masks"][0, used], strict=True):
            assert iou(shown, pasted(mask, box)) > 0.95


def pasted(mini_mask, box):
    """Resize a mini mask to its box in a crop of 64x64, nearest neighbour."""
    mask = np.zeros((64, 64), bool)
    y1, x1, y2, x2 = box
    rows, columns = (((np.arange(side) + 0.5) * 28 / side).astype(int) for side in (y2 - y1, x2 - x1))
    mask[y1:y2, x1:x2] = mini_mask[rows][:, columns]
    return mask


def iou(mask, other):
    return (mask & other).sum() / (mask | other).sum()


def test_boxes_and_masks_fit_rescaled_and_rotated_objects():
    """The image is resized bilinearly, so that an object's rim is uncertain by a pixel or so."""
    batch = instance_batches(discs(), replace(CONFIG, channel_shift_range=0), training=True).batch_at(1)
    assert batch["class_ids"].any()
    for image, *objects in zip(batch["images"], batch["boxes"].astype(int), batch["mini_masks"], strict=True):
        masks = np.array([pasted(mask, box) for box, mask in zip(*objects, strict=True) if box.any()])
        shown = image[..., 0] > 25
        if len(masks):
            assert iou(masks.any(axis=0), shown) > 0.9
        else:
            assert not shown.any()


def test_too_many_objects_are_a_random_choice():
    config = replace(CONFIG, max_instances=5, class_names=tuple(f"class {i}" for i in range(40)), augment=False)
    loader = instance_batches(crowd(40), config, training=False)
    batches = [loader.batch_at(step) for step in range(4)]
    for batch in batches:
        assert (np.diff(batch["class_ids"]) > 0).all()  # all rows in use, nothing twice
    assert len({tuple(ids) for batch in batches for ids in batch["class_ids"].tolist()}) > 1


def test_objects_that_do_not_fit_are_marked_as_ignored_and_told():
    plain = replace(CONFIG, augment=False, batch_size=1, min_dim=64, min_enlarge=1, zoom=1, aspect_ratio=1)
    for most, fitting in ((5, 5), (40, 40)):
        images = crowd(40, np.ones(40, np.int32))
        loader = instance_batches(images, replace(plain, max_instances=most), training=False)
        assert loader.note() == ""
        batch = loader.batch_at(0)
        rows = batch["boxes"][0][batch["class_ids"][0] > 0].astype(int)
        assert len(rows) == fitting
        expected = np.zeros((64, 64), np.uint8)
        expected[::4, ::4].flat[:40] = 1
        expected[rows[:, 0], rows[:, 1]] = 0
        np.testing.assert_array_equal(batch["ignored"][0], expected)
        assert batch["ignored"].sum() == 40 - fitting
        assert loader.note() == (
            "warning: 88% of the objects in crops so far were beyond --max-instances 5 of a crop: neither learnt nor "
            "taken for background; raise it"
            if fitting == 5
            else ""
        )


def test_the_class_follows_its_object():
    config = replace(CONFIG, max_instances=40, class_names=tuple(f"class {i}" for i in range(40)), augment=False)
    images = crowd(40, np.arange(40, 0, -1, dtype=np.int32))
    batch = instance_batches(images, config, training=False).batch_at(0)
    used = batch["class_ids"][0] > 0
    assert used.any()
    assert (np.diff(batch["class_ids"][0][used]) < 0).all()


def test_an_impossible_class_is_refused():
    images = discs(class_ids=[np.full(label_image.max(), 2, np.int32) for label_image in LABELS])
    with pytest.raises(InputError, match=r"class ids \[2\] are not in 1..1"):
        for step in range(3):
            instance_batches(images, CONFIG, training=False).batch_at(step)


def test_of_several_crops_that_with_most_objects_is_taken():
    """A large image with one small object: most crops miss it."""
    images = discs([disc_labels(256, [(70, 70, 12)])], names=["sparse"])
    config = replace(CONFIG, min_dim=256, batch_size=16)
    found = [
        (instance_batches(images, replace(config, crop_draws=n), training=True).batch_at(0)["class_ids"] > 0).sum()
        for n in (1, 4, 20)
    ]
    assert found[0] < found[1] < found[2]


def test_mini_masks():
    label_image = np.zeros((8, 8), np.int32)
    label_image[0:4, 4:8] = 3
    label_image[2:4, 4:6] = 7  # takes a quarter of the other's box
    labels, boxes = label_boxes(label_image)
    masks = mini_masks(label_image, labels, boxes, 4)
    assert masks.tolist() == [[[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]], np.ones((4, 4)).tolist()]
    assert masks.dtype == np.uint8
    assert mini_masks(label_image, labels[:0], boxes[:0], 4).shape == (0, 4, 4)


def test_mini_masks_are_resized_bilinearly_and_rounded():
    rng = np.random.default_rng(3)
    label_image = ndimage.zoom(rng.integers(0, 4, (6, 6)), 5, order=0).astype(np.int32)
    labels, boxes = label_boxes(label_image)
    for mask, label, (y1, x1, y2, x2) in zip(mini_masks(label_image, labels, boxes, 14), labels, boxes, strict=True):
        crop = (label_image[y1:y2, x1:x2] == label).astype(float)
        at = [(np.arange(14) + 0.5) / 14 * side - 0.5 for side in crop.shape]
        values = ndimage.map_coordinates(crop, np.meshgrid(*at, indexing="ij"), order=1, mode="nearest")
        clear = np.abs(values - 0.5) > 0.01
        assert (mask[clear] == (values > 0.5)[clear]).all()
