"""The way of a mask through training and back: nothing may be lost between the frames of its stations."""

import keras
import numpy as np
import pytest

from common.batches.instance_samples import mini_masks
from common.images.synthetic import generate_sample
from common.masks.boxes import label_boxes
from common.masks.crops import paint_masks
from common.masks.instances import Instances
from common.masks.rle import decode_instances, encode_instances
from common.network.mask_rcnn.targets import mask_targets
from common.scoring.dsb import dsb_score

SHAPE = (256, 256)


def through_the_network(instances, size):
    """What a network would find that learned its mask targets perfectly, for regions that are the true boxes."""
    label_image = instances.to_label_image(SHAPE)
    labels, boxes = label_boxes(label_image)
    masks = mini_masks(label_image, labels, boxes, 56)
    regions = boxes[None].astype(np.float32)
    owners = np.arange(len(boxes), dtype=np.int32)[None]
    targets = mask_targets(regions, regions, masks[None], owners, size)
    return paint_masks(boxes.astype(np.float32), keras.ops.convert_to_numpy(targets)[0], SHAPE)


@pytest.mark.parametrize("modality", ["fluorescence", "purple_tissue", "brightfield"])
def test_the_truth_survives_the_whole_way(modality):
    scores = []
    for seed in range(3):
        true = generate_sample(np.random.default_rng(seed), modality, SHAPE, 30).instances
        found = through_the_network(true, 28)
        submitted = decode_instances(encode_instances(found, SHAPE), SHAPE)
        scores.append(dsb_score(true, submitted, SHAPE))
    assert np.mean(scores) > 0.99


def test_masks_do_not_drift():
    """A mask and its mirror image come back as mirror images: no station shifts pixels to one side."""
    true = generate_sample(np.random.default_rng(7), "fluorescence", SHAPE, 20).instances
    mirrored = Instances.from_masks(true.to_masks(SHAPE)[:, ::-1, ::-1])
    found, found_mirrored = through_the_network(true, 28), through_the_network(mirrored, 28)
    areas = found.to_masks(SHAPE).sum(axis=0), found_mirrored.to_masks(SHAPE)[:, ::-1, ::-1].sum(axis=0)
    assert (areas[0] != areas[1]).sum() < 0.01 * areas[0].sum()
