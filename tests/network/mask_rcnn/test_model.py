from dataclasses import replace

import keras
import numpy as np
import pytest

from common.masks.boxes import box_ious
from common.masks.instances import Instances
from common.network import precision
from common.network.mask_rcnn.detector import Detector
from common.network.mask_rcnn.losses import LOSS_NAMES
from common.network.mask_rcnn.model import MaskRCNN
from common.network.mask_rcnn.roi import build_atlas
from common.network.weights import weighted_layers
from common.scoring.comparison import compare_masks
from tests.tiny import TINY, disc_labels, empty_batch, label_batch

DISCS = [
    disc_labels(64, [(12, 14, 10), (40, 44, 15), (60, 5, 8)]),  # the last is cut by the border
    disc_labels(64, [(30, 30, 5)]),
]


@pytest.fixture(scope="module")
def model():
    """An untrained model; its weights are not to be changed."""
    keras.utils.set_random_seed(1)
    model = MaskRCNN(TINY)
    model.compile(jit_compile=keras.backend.backend() != "tensorflow")
    return model


@pytest.fixture(scope="module")
def finder():
    """An untrained model that takes every region for an object; its weights are not to be changed."""
    keras.utils.set_random_seed(1)
    finder = MaskRCNN(TINY)
    finder.class_head.get_layer("mrcnn_class_logits").bias.assign([0.0, 3.0])
    return finder


def losses_of(model, batch):
    model.reset_metrics()
    return {name: float(value) for name, value in model.test_on_batch(batch, return_dict=True).items()}


def degenerate_batch():
    """Objects of no area, inverted, as thin as can be and as large as the crop."""
    batch = empty_batch(TINY, 2)
    batch["boxes"][:] = [[5, 5, 5, 9], [30, 30, 20, 20], [10, 63.99, 60, 64], [0, 0, 64, 64]]
    batch["class_ids"][:], batch["mini_masks"][:] = 1, 1
    return batch


def full_batch():
    """As many objects as there is room for, all on top of each other."""
    batch = label_batch(TINY, DISCS)
    for name in ("boxes", "class_ids", "mini_masks"):
        batch[name][:] = batch[name][:, :1]
    return batch


def test_losses_of_a_usual_batch(model):
    losses = losses_of(model, label_batch(TINY, DISCS))
    assert losses.keys() == {"loss", *LOSS_NAMES}
    assert all(np.isfinite(value) and value > 0 for value in losses.values())
    assert losses["loss"] == pytest.approx(sum(losses[name] for name in LOSS_NAMES), rel=1e-4)
    # Logits are close to 0 at the start.
    assert losses["rpn_class_loss"] == pytest.approx(np.log(2), abs=0.2)
    assert losses["mrcnn_class_loss"] == pytest.approx(np.log(2), abs=0.2)
    assert losses["mrcnn_mask_loss"] == pytest.approx(np.log(2), abs=0.2)


def test_losses_without_objects(model):
    losses = losses_of(model, empty_batch(TINY, 2))
    assert all(np.isfinite(value) for value in losses.values())
    assert [name for name in LOSS_NAMES if losses[name] == 0] == [
        *("rpn_bbox_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss"),
    ]


@pytest.mark.parametrize("batch", [degenerate_batch(), full_batch()], ids=["degenerate", "full"])
def test_losses_of_unusual_objects(model, batch):
    assert all(np.isfinite(value) for value in losses_of(model, batch).values())


def test_what_is_ignored_is_no_background(model):
    """Losses differ only where regions without an object would have been background."""
    (state,) = model.random_states
    values = keras.ops.convert_to_numpy(state)

    def losses(batch):
        state.assign(values)  # the same anchors and regions are sampled
        return losses_of(model, batch)

    batch = label_batch(TINY, DISCS)
    usual = losses(batch)
    batch["ignored"][:, :1, :1] = 1  # covers too little of any region
    assert losses(batch) == usual
    batch["ignored"][:] = 1
    everywhere = losses(batch)
    assert all(np.isfinite(value) for value in everywhere.values())
    for name in ("rpn_class_loss", "mrcnn_class_loss"):
        assert everywhere[name] != usual[name]


def test_loss_weights_and_weight_decay():
    config = replace(TINY, loss_weights=(1, 2, 0, 3, 0.5), optimizer="sgd", weight_decay=0.1)
    model = MaskRCNN(config)
    model.compile()
    outputs = {name: keras.ops.convert_to_tensor(float(i)) for i, name in enumerate(LOSS_NAMES, start=1)}
    total = float(model.compute_loss(y_pred=outputs))
    kernels = [
        keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights if weight.name not in ("gamma", "beta")
    ]
    penalty = 0.1 * sum(np.mean(kernel**2) for kernel in kernels)
    assert total == pytest.approx(1 + 4 + 12 + 2.5 + penalty, rel=1e-5)


def test_every_weight_learns():
    """Not from the first step on: some norms start at zero, so that what stands before them has to wait."""
    keras.utils.set_random_seed(2)
    model = MaskRCNN(replace(TINY, optimizer="sgd"))
    model.compile(keras.optimizers.SGD(0.1, global_clipnorm=5.0), jit_compile=keras.backend.backend() != "tensorflow")
    before = [keras.ops.convert_to_numpy(weight).copy() for weight in model.trainable_weights]
    for _ in range(4):
        model.train_on_batch(label_batch(TINY, DISCS))
    after = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    assert [
        weight.path for weight, a, b in zip(model.trainable_weights, before, after, strict=True) if (a == b).all()
    ] == []
    assert all(np.isfinite(weight).all() for weight in after)


def test_no_detection_stems_from_padding_or_leaves_the_window(finder):
    """Proposals that are rows of zeros, lie outside of the window, or have no height find nothing."""
    rng = np.random.default_rng(2)
    features = [rng.random((1, 64 // stride, 64 // stride, 32)).astype(np.float32) for stride in (4, 8, 16, 32)]
    windows = np.array([[0, 0, 40, 64]], np.float32)
    proposals = [[0, 0, 0, 0], [60, 0, 64, 64], [0, 20, 0, 50], [20, 20, 50, 40], [0, 0, 0, 0]]
    boxes, scores, class_ids, counts = finder.detect(build_atlas(features), np.array([proposals], np.float32), windows)
    assert keras.ops.convert_to_numpy(counts).tolist() == [1]
    np.testing.assert_allclose(keras.ops.convert_to_numpy(boxes)[0, 0], [20, 20, 40, 40], atol=1)
    assert keras.ops.convert_to_numpy(scores)[0, 0] > 0.5
    assert keras.ops.convert_to_numpy(class_ids)[0].tolist() == [1] + [0] * (TINY.max_detections - 1)


def test_proposals(model):
    images = np.random.default_rng(3).integers(0, 256, (2, 64, 128, 3)).astype(np.uint8)
    atlas, proposals = model.propose(images)
    proposals = keras.ops.convert_to_numpy(proposals)
    assert tuple(atlas.shape) == (2, 64 // 4 + 6, 3 * 128 // 8 + 4, 32)
    assert proposals.shape == (2, TINY.detect_proposals, 4)
    assert proposals.min() >= 0
    assert (proposals <= [64, 128, 64, 128]).all()
    for boxes in proposals:
        assert (box_ious(boxes, boxes) - np.eye(len(boxes))).max() <= TINY.rpn_nms_threshold + 1e-5


def test_half_precision(monkeypatch):
    monkeypatch.setattr(precision, "find_lack", str)  # this machine may have no units for it
    config = replace(TINY, bfloat16=True)
    policy = keras.config.dtype_policy()
    model = MaskRCNN(config)
    assert keras.config.dtype_policy() == policy
    assert {str(weight.dtype) for weight in model.weights} == {"float32"}
    layers = {layer.name: layer for layer in weighted_layers(model)}
    assert layers["conv1"].compute_dtype == "bfloat16"
    assert layers["mrcnn_class_logits"].compute_dtype == "float32"


@pytest.mark.slow
def test_a_few_images_can_be_learned_by_heart():
    keras.utils.set_random_seed(3)
    config = replace(TINY, crop_size=128, confidence=0.7, train_proposals=60)
    label_images = [disc_labels(128, [(30, 34, 22), (90, 84, 30)]), disc_labels(128, [(64, 40, 26), (20, 104, 14)])]
    batch = label_batch(config, label_images)
    model = MaskRCNN(config)
    model.compile(keras.optimizers.Adam(2e-3), jit_compile=keras.backend.backend() != "tensorflow")
    for _ in range(120):
        model.train_on_batch(batch)
    for label_image, found in zip(label_images, Detector(model)(list(batch["images"])), strict=True):
        ious = compare_masks(Instances.from_label_image(label_image), found.paint(config.mask_threshold)).ious
        assert ious[:, :2].max(axis=1).min() > 0.85  # the two best detections are the two discs
