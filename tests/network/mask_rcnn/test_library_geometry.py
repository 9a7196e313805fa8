"""The library's geometry against plain references in its own coordinates: normalised, with inclusive ends."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from skimage.transform import resize

from common.masks.crops import paint_masks
from common.network.mask_rcnn.anchors import STRIDES, pyramid_anchors
from common.network.mask_rcnn.detector import Detector
from common.network.mask_rcnn.model import MaskRCNN
from common.network.mask_rcnn.roi import build_atlas, corner_aligned_roi
from common.network.mask_rcnn.targets import mask_targets
from common.network.weights import weighted_layers
from common.prediction.detections import Frame
from tests.tiny import TINY, disc_labels, empty_batch, label_batch

CONFIG = replace(
    TINY,
    geometry="library",
    class_names=("a", "b"),
    confidence=0.3,
    rpn_nms_threshold=0.5,
    pre_nms_limit=300,
    detect_proposals=40,
)
SHAPE = (128, 192)


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def normalise(boxes, shape):
    height, width = shape
    scale = np.array([height - 1, width - 1, height - 1, width - 1], np.float64)
    return (np.asarray(boxes, np.float64) - [0, 0, 1, 1]) / scale


def denormalise(boxes, shape):
    height, width = shape
    return np.around(boxes * [height - 1, width - 1, height - 1, width - 1] + [0, 0, 1, 1]).astype(np.int32)


def from_last_pixels(boxes, shape):
    """Normalise boxes that end on their last pixel already, as the model's parts exchange them."""
    return normalise(np.add(boxes, [0.0, 0.0, 1.0, 1.0]), shape)


def apply_deltas(boxes, deltas):
    height, width = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    y = boxes[:, 0] + 0.5 * height + deltas[:, 0] * height
    x = boxes[:, 1] + 0.5 * width + deltas[:, 1] * width
    height, width = height * np.exp(deltas[:, 2]), width * np.exp(deltas[:, 3])
    return np.stack([y - height / 2, x - width / 2, y + height / 2, x + width / 2], axis=1)


def clip(boxes, window):
    return np.clip(boxes, np.tile(window[:2], 2), np.tile(window[2:], 2))


def suppress(boxes, scores, threshold, count):
    """Return the indices that remain, the best first."""
    left, kept = list(np.argsort(-scores, kind="stable")), []
    while left and len(kept) < count:
        best = left.pop(0)
        kept.append(best)
        left = [i for i in left if iou(boxes[best], boxes[i]) <= threshold]
    return kept


def iou(box, other):
    sides = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    common = np.prod(np.maximum(sides, 0))
    return common / max(np.prod(box[2:] - box[:2]) + np.prod(other[2:] - other[:2]) - common, 1e-12)


def slow_anchors(shape, scales, ratios):
    boxes = []
    for stride, scale in zip(STRIDES, scales, strict=True):
        for y in range(0, shape[0], stride):
            for x in range(0, shape[1], stride):
                for ratio in ratios:
                    height, width = scale / ratio**0.5, scale * ratio**0.5
                    boxes.append([y - height / 2, x - width / 2, y + height / 2, x + width / 2])
    return np.array(boxes)


def slow_level(box, shape):
    """`box` is normalised."""
    side = np.sqrt((box[2] - box[0]) * (box[3] - box[1]))
    with np.errstate(divide="ignore"):
        return int(np.clip(4 + np.round(np.log2(side / (224 / np.sqrt(shape[0] * shape[1])))), 2, 5)) - 2


def slow_pool(features, boxes, size, shape):
    """Pool the regions of one image, one sample a bin; `boxes` (N, 4) are normalised."""
    pooled = np.zeros((len(boxes), size, size, features[0].shape[-1]))
    for place, box in enumerate(boxes):
        pooled[place] = crop_and_resize(features[slow_level(box, shape)], box, size)
    return pooled


def crop_and_resize(cells, box, size):
    """TensorFlow's operation of that name."""
    height, width = cells.shape[:2]
    crop = np.zeros((size, size, *cells.shape[2:]))
    for i in range(size):
        for j in range(size):
            y = box[0] * (height - 1) + i * (box[2] - box[0]) * (height - 1) / (size - 1)
            x = box[1] * (width - 1) + j * (box[3] - box[1]) * (width - 1) / (size - 1)
            if -1e-9 <= y <= height - 1 + 1e-9 and -1e-9 <= x <= width - 1 + 1e-9:
                crop[i, j] = bilinear(cells, y, x)
    return crop


def bilinear(cells, y, x):
    top, left = int(y), int(x)
    bottom, right = min(top + 1, cells.shape[0] - 1), min(left + 1, cells.shape[1] - 1)
    above = cells[top, left] * (left + 1 - x) + cells[top, right] * (x - left)
    below = cells[bottom, left] * (left + 1 - x) + cells[bottom, right] * (x - left)
    return above * (top + 1 - y) + below * (y - top)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def model():
    """An untrained model whose outputs vary; its weights are not to be changed."""
    model = MaskRCNN(CONFIG)
    rng = np.random.default_rng(5)  # not Keras', so that it is the same model on every backend
    outputs = {"rpn_class_raw": 2.0, "rpn_bbox_pred": 0.8, "mrcnn_class_logits": 1.4, "mrcnn_bbox_fc": 0.8}
    for layer in sorted(weighted_layers(model), key=lambda layer: layer.name):
        if hasattr(layer, "kernel"):
            spread = outputs.get(layer.name, 1.4) / np.sqrt(np.prod(layer.kernel.shape[:-1]))
            layer.kernel.assign(rng.normal(0, spread, layer.kernel.shape))
    return model


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(6).integers(0, 256, (2, *SHAPE, 3)).astype(np.uint8)


def slow_proposals(model, images):
    """Return proposals of the first image, normalised, from the proposal head's outputs."""
    logits, deltas = (
        np.concatenate(part, axis=0)
        for part in zip(
            *([numpy_of(o)[0].astype(np.float64) for o in model.rpn(level)] for level in model.pyramid(images)),
            strict=True,
        )
    )
    scores = softmax(logits)[:, 1]
    top = np.argsort(-scores, kind="stable")[: CONFIG.pre_nms_limit]
    anchors = normalise(slow_anchors(SHAPE, CONFIG.anchor_scales, CONFIG.anchor_ratios), SHAPE)
    boxes = clip(apply_deltas(anchors[top], deltas[top] * CONFIG.box_std), np.array([0, 0, 1, 1]))
    return boxes[suppress(boxes, scores[top], CONFIG.rpn_nms_threshold, CONFIG.detect_proposals)]


def slow_detections(model, features, rois, window):
    """Return normalised boxes, class ids and scores of one image."""
    pooled = slow_pool(features, rois, CONFIG.pool_size, SHAPE).astype(np.float32)
    logits, deltas = (numpy_of(output).astype(np.float64) for output in model.class_head(pooled))
    probs = softmax(logits)
    class_ids = probs.argmax(axis=1)
    scores = probs[np.arange(len(rois)), class_ids]
    boxes = clip(apply_deltas(rois, deltas[np.arange(len(rois)), class_ids] * CONFIG.box_std), window)
    kept = []
    for class_id in (1, 2):
        mine = np.flatnonzero((class_ids == class_id) & (scores >= CONFIG.confidence))
        some = suppress(boxes[mine], scores[mine], CONFIG.detection_nms_threshold, CONFIG.max_detections)
        kept += mine[some].tolist()
    kept = np.array(sorted(kept, key=lambda i: -scores[i])[: CONFIG.max_detections])
    return boxes[kept], class_ids[kept], scores[kept]


def test_anchors_stand_on_the_cells_corners():
    scales, ratios = (8, 16, 32, 64, 128), (0.5, 1, 2)
    anchors = numpy_of(pyramid_anchors(SHAPE, scales, ratios, offset=0.0))
    np.testing.assert_allclose(anchors, slow_anchors(SHAPE, scales, ratios), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("side", "scales", "lowest", "highest"),
    [
        (1024, (32, 64, 128, 256, 512), -0.35390, 1.29134),
        (768, (64, 96, 128, 256, 512), -0.47202, 1.38858),
    ],
)
def test_normalised_anchors_reach_as_far_as_the_librarys(side, scales, lowest, highest):
    anchors = normalise(numpy_of(pyramid_anchors((side, side), scales, (0.5, 1, 2), offset=0.0)), (side, side))
    assert (anchors.min(), anchors.max()) == pytest.approx((lowest, highest), abs=1e-5)


@pytest.mark.parametrize("size", [7, 14])
def test_regions_are_sampled_from_corner_to_corner(size):
    rng = np.random.default_rng(4)
    shape = (448, 512)
    features = [rng.random((1, shape[0] // s, shape[1] // s, 3)).astype(np.float32) for s in STRIDES[:4]]
    sides = np.exp(rng.uniform(np.log(2), np.log(447), (24, 2)))
    first = rng.random((24, 2)) * np.maximum([447, 511] - sides, 0)
    boxes = np.concatenate([first, first + sides], axis=1).astype(np.float32)
    boxes[:4] = [0, 0, 447, 511], [0, 0, 200, 250], [446, 500, 447, 511], [9, 9, 9, 60]
    normalised = from_last_pixels(boxes, shape)
    assert {slow_level(box, shape) for box in normalised} == {0, 1, 2, 3}
    pooled = numpy_of(corner_aligned_roi(build_atlas(features), boxes[None], size))
    expected = slow_pool([level[0].astype(np.float64) for level in features], normalised, size, shape)
    np.testing.assert_allclose(pooled, expected, atol=1e-3)


def test_a_region_of_whole_cells_is_those_cells():
    """A region that starts and ends on cells, with as many samples, is a copy of them."""
    level = np.arange(64 * 64, dtype=np.float32).reshape(1, 64, 64, 1)
    features = [level, *(np.zeros((1, side, side, 1), np.float32) for side in (32, 16, 8))]
    box = np.array([[[10, 20, 16, 26]]], np.float32) * 255 / 63
    np.testing.assert_allclose(
        numpy_of(corner_aligned_roi(build_atlas(features), box, 7))[0, ..., 0], level[0, 10:17, 20:27, 0], atol=0.02
    )


def test_proposals_and_their_order(model, images):
    _, proposals = model.propose(images[:1])
    expected = slow_proposals(model, images[:1])
    assert len(expected) == CONFIG.detect_proposals
    np.testing.assert_allclose(from_last_pixels(numpy_of(proposals)[0], SHAPE), expected, atol=1e-5)


def test_detections(model, images):
    window = np.array([8, 16, 120, 180])
    atlas, proposals = model.propose(images[:1])
    boxes, scores, class_ids, counts = (
        numpy_of(part)[0] for part in model.detect(atlas, proposals, window[None].astype(np.float32))
    )
    rois = slow_proposals(model, images[:1])
    levels = [numpy_of(level)[0].astype(np.float64) for level in model.pyramid(images[:1])[:4]]
    expected, expected_ids, expected_scores = slow_detections(model, levels, rois, normalise(window, SHAPE))
    assert 3 < counts == len(expected)
    assert set(expected_ids) == {1, 2}
    np.testing.assert_array_equal(class_ids[:counts], expected_ids)
    np.testing.assert_allclose(scores[:counts], expected_scores, atol=1e-4)
    np.testing.assert_allclose(from_last_pixels(boxes[:counts], SHAPE), expected, atol=1e-4)


def slow_unmold(boxes, masks, window, padded_shape, image_shape):
    """Return whole boxes and dense masks in the image; `boxes` are normalised to the padded array."""
    window = normalise(window, padded_shape)
    boxes = (boxes - np.tile(window[:2], 2)) / np.tile(window[2:] - window[:2], 2)
    boxes = denormalise(boxes, image_shape)
    dense = np.zeros((len(boxes), *image_shape), bool)
    for (y1, x1, y2, x2), mask, place in zip(boxes, masks, dense, strict=True):
        if (y2 - y1) * (x2 - x1) > 0:
            small = resize(mask, (y2 - y1, x2 - x1), order=1, mode="constant", anti_aliasing=False)
            place[y1:y2, x1:x2] = small >= 0.5
    return boxes, dense


@pytest.mark.parametrize("image_shape", [(256, 320), (512, 512), (603, 1272), (70, 90)])
def test_boxes_and_masks_return_to_the_image(image_shape):
    rng = np.random.default_rng(9)
    frame = Frame.for_image(image_shape, 512)
    top, left, bottom, right = frame.window
    corners = np.sort(rng.random((30, 2, 2)), axis=1) * [bottom - top - 1, right - left - 1] + [top, left]
    corners = corners.reshape(30, 4).astype(np.float32)
    corners[0] = top, left, bottom - 1, right - 1
    probs = rng.random((30, 28, 28)) * 0.4 + 0.5
    probs[:, 5:9, 3:20] = 0.1
    boxes = frame.corners_to_image(corners)
    expected, dense = slow_unmold(
        from_last_pixels(corners, frame.padded_shape), probs, frame.window, frame.padded_shape, image_shape
    )
    np.testing.assert_array_equal(boxes, expected)
    assert expected[0].tolist() == [0, 0, *image_shape]
    painted = paint_masks(boxes, probs, image_shape, zero_border=True).to_masks(image_shape)
    assert (painted != dense).sum() <= 1e-5 * dense.sum()  # ties at the threshold


def test_the_whole_way_of_an_image(model):
    """From pixels to masks: the image fills its frame, so that nothing is scaled."""
    image = np.random.default_rng(7).integers(0, 256, (*SHAPE, 3)).astype(np.uint8)
    (found,) = Detector(model)([image])
    features = [numpy_of(level)[0].astype(np.float64) for level in model.pyramid(image[None])][:4]
    boxes, class_ids, scores = slow_detections(
        model, features, slow_proposals(model, image[None]), np.array([0, 0, 1, 1])
    )
    pooled = slow_pool(features, boxes, CONFIG.mask_pool_size, SHAPE).astype(np.float32)
    logits = numpy_of(model.mask_head(pooled))[np.arange(len(boxes)), ..., class_ids]
    boxes, dense = slow_unmold(boxes, 1 / (1 + np.exp(-logits)), (0, 0, *SHAPE), SHAPE, SHAPE)
    np.testing.assert_array_equal(found.boxes, boxes)
    np.testing.assert_array_equal(found.class_ids, class_ids)
    np.testing.assert_allclose(found.scores, scores, atol=1e-4)
    painted = found.paint(0.5).to_masks(SHAPE)
    assert (painted != dense).sum() <= 0.005 * dense.sum()  # probabilities are kept in half precision


def test_mask_targets_are_sampled_from_corner_to_corner():
    rng = np.random.default_rng(8)
    masks = np.zeros((1, 3, 56, 56), np.uint8)
    for mask, (y, x, radius) in zip(masks[0], [(20, 30, 18), (28, 28, 27), (40, 15, 12)], strict=True):
        mask[:] = disc_labels(56, [(y, x, radius)])
    objects = np.array([[[5, 8, 60, 40], [30, 30, 45, 100], [0, 0, 127, 191]]], np.float32)
    owners = rng.integers(0, 3, (1, 20)).astype(np.int32)
    rois = objects[:, owners[0]] + rng.uniform(-9, 9, (1, 20, 4)).astype(np.float32)
    rois[0, 0] = objects[0, owners[0, 0]]
    targets = numpy_of(mask_targets(rois, objects, masks, owners, 28, corner_aligned=True))[0]
    for roi, owner, target in zip(rois[0].astype(np.float64), owners[0], targets, strict=True):
        box = objects[0, owner].astype(np.float64)
        size = np.tile(box[2:] - box[:2], 2)
        crop = crop_and_resize(masks[0, owner].astype(np.float64), (roi - np.tile(box[:2], 2)) / size, 28)
        away_from_ties = abs(crop - 0.5) > 1e-3
        np.testing.assert_array_equal(target[away_from_ties], np.round(crop)[away_from_ties])


def test_it_trains(model):
    """Also on objects of a single pixel, which such boxes leave no area."""
    batch = label_batch(CONFIG, [disc_labels(64, [(12, 14, 10), (40, 44, 15)]), disc_labels(64, [(30, 30, 5)])])
    thin = empty_batch(CONFIG, 2)
    thin["boxes"][:] = [[0, 0, 1, 1], [30, 30, 31, 31], [10, 63, 60, 64], [0, 0, 64, 64]]
    thin["class_ids"][:], thin["mini_masks"][:] = 1, 1
    for some in (batch, thin):
        assert all(np.isfinite(float(loss)) for loss in model(some).values())


def test_the_stem():
    """Centring, 7x7 convolution, frozen norm with epsilon 1e-3, and a pooling padded below and to the right."""
    keras.utils.set_random_seed(4)
    pyramid = MaskRCNN(replace(CONFIG, norm="frozen_batch")).pyramid
    layer = pyramid.get_layer("conv1_bn_conv1")
    rng = np.random.default_rng(4)
    for weight in layer.weights:
        weight.assign(rng.uniform(0.01, 0.2, weight.shape))
    kernel, bias = (numpy_of(weight) for weight in (layer.conv.kernel, layer.conv.bias))
    gamma, beta = numpy_of(layer.norm.gamma), numpy_of(layer.norm.beta)
    mean, variance = numpy_of(layer.norm.moving_mean), numpy_of(layer.norm.moving_variance)
    image = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)

    centred = np.pad((image - np.array(CONFIG.mean_pixel)) / CONFIG.pixel_std, ((3, 3), (3, 3), (0, 0)))
    patches = np.lib.stride_tricks.sliding_window_view(centred, (7, 7), axis=(0, 1))[::2, ::2]  # (32, 32, 3, 7, 7)
    convolved = np.einsum("yxchw,hwcf->yxf", patches, kernel) + bias
    normed = np.maximum(gamma * (convolved - mean) / np.sqrt(variance + 1e-3) + beta, 0)
    padded = np.pad(normed, ((0, 1), (0, 1), (0, 0)))  # zeros never win after the ReLU
    pooled = np.max([padded[i : i + 32 : 2, j : j + 32 : 2] for i in range(3) for j in range(3)], axis=0)

    stem = keras.Model(pyramid.input, pyramid.get_layer("pool1").output)
    np.testing.assert_allclose(numpy_of(stem(image[None]))[0], pooled, rtol=1e-4, atol=1e-4)


def test_the_stride_sits_in_the_first_convolution_and_the_shortcut():
    layers = {layer.name: layer for layer in weighted_layers(MaskRCNN(replace(CONFIG, backbone="resnet50")).pyramid)}
    strided = {name for name, layer in layers.items() if getattr(layer, "strides", (1, 1)) != (1, 1)}
    assert strided == {"conv1"} | {f"res{stage}a_branch{branch}" for stage in (3, 4, 5) for branch in ("1", "2a")}
