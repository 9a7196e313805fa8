"""Backend-specific code: compilation, and operations with faster kernels that give the same results."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops

from common.network.mask_rcnn.box_coding import pairwise_ious, take_rows
from common.network.tensor import Tensor
from common.storage.files import cache_folder

TILE = 256  # boxes decided together


def compile_for_prediction(model: keras.Model, inputs: Mapping[str, tuple[tuple[int | None, ...], str]]) -> None:
    """Compile a model for `predict_on_batch` with a mapping.

    TensorFlow traces it once, for all shapes; XLA would be slower on the CPU and compile each shape anew, as the other
    backends do. On a GPU, JAX keeps compiled code in the user's cache folder, for the next run.

    Args:
        model: not yet compiled.
        inputs: shape and dtype of each input, None for axes that vary.
    """
    if keras.backend.backend() == "jax":
        import jax

        if jax.default_backend() == "gpu" and not getattr(jax.config, "jax_compilation_cache_dir", None):
            jax.config.update("jax_compilation_cache_dir", str(cache_folder() / "jax"))
    if keras.backend.backend() != "tensorflow":
        model.compile(jit_compile=True)
        return
    import tensorflow as tf

    model.compile(jit_compile=False)
    model.make_predict_function()
    specs = {name: tf.TensorSpec(shape, dtype) for name, (shape, dtype) in inputs.items()}
    step = model.predict_function.python_function
    model.predict_function = tf.function(step, input_signature=[[(specs,)]])


def predicts_in_threads() -> bool:
    """Return whether threads may share a model; not on JAX, where Keras passes the weights as state."""
    return keras.backend.backend() == "tensorflow"


def fuse(function: Callable) -> Callable:
    """Compile a chain of small operations on large arrays into a single pass.

    Other backends compile whole steps like this; on the CPU, TensorFlow's own convolutions are faster than XLA's.

    Args:
        function: from tensors of static shapes to tensors; no random numbers.
    """
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    return tf.function(function, jit_compile=True)


def non_max_suppression(
    boxes: Tensor, scores: Tensor, *, max_output: int, iou_threshold: float, score_threshold: float = 0.0
) -> tuple:
    """Keep the best boxes of each class, dropping those that overlap a better one of their class too much.

    Args:
        boxes: (B, N, 4) float32, pixels.
        scores: (B, N, K) float32, one column per class; only scores above `score_threshold` count, at most one per box.
        max_output: D, boxes kept per image, the best over all classes.
        iou_threshold: a box that overlaps a kept one by more is dropped.
        score_threshold: see `scores`.

    Returns:
        boxes (B, D, 4), scores (B, D) in descending order, columns (B, D) int32 and counts (B,) int32;
        rows beyond an image's count are zero.
    """
    options: Any = {"max_output": max_output, "iou_threshold": iou_threshold, "score_threshold": score_threshold}
    if keras.backend.backend() == "tensorflow":
        return _non_max_suppression_tensorflow(boxes, scores, **options)
    return portable_non_max_suppression(boxes, scores, **options)


def crop_and_resize(features: Tensor, boxes: Tensor, box_indices: Tensor, size: int) -> Tensor:
    """Sample `size` x `size` points of each box bilinearly, the first and last on the box's corners.

    Args:
        features: (B, H, W, C).
        boxes: (R, 4) float32, corner positions in cells: 0 is the centre of the first, H - 1 of the last;
            points outside [0, H - 1] are not allowed.
        box_indices: (R,) int32, the image of each box.
        size: points per side, at least 2.

    Returns:
        (R, size, size, C) float32; gradients reach `features` only.
    """
    boxes = ops.stop_gradient(boxes)
    if keras.backend.backend() == "tensorflow":
        return _crop_and_resize_tensorflow(features, boxes, box_indices, size)
    return portable_crop_and_resize(features, boxes, box_indices, size)


def batch_normalise(
    features: Tensor, gamma: Tensor, beta: Tensor, epsilon: float, statistics: tuple[Tensor, Tensor] | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise each channel over all images and pixels; the arithmetic is in float32.

    Args:
        features: (B, H, W, C).
        gamma: (C,) float32, the deviation afterwards.
        beta: (C,) float32, the mean afterwards.
        epsilon: added to the variance.
        statistics: mean and variance to use, (C,) float32 each; None: those of `features`.

    Returns:
        The normalised features, of the same shape and dtype, and the mean and the (biased) variance that were used.
    """
    if keras.backend.backend() == "tensorflow":
        return _batch_normalise_tensorflow(features, gamma, beta, epsilon, statistics)
    return portable_batch_normalise(features, gamma, beta, epsilon, statistics)


def portable_batch_normalise(
    features: Tensor, gamma: Tensor, beta: Tensor, epsilon: float, statistics: tuple[Tensor, Tensor] | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """See `batch_normalise`: several passes, which compilers of whole steps fuse."""
    wide = ops.cast(features, "float32")
    mean, variance = statistics or ops.moments(wide, axes=(0, 1, 2))
    normalised = ops.batch_normalization(wide, mean, variance, axis=-1, offset=beta, scale=gamma, epsilon=epsilon)
    return ops.cast(normalised, features.dtype), mean, variance


def _batch_normalise_tensorflow(
    features: Tensor, gamma: Tensor, beta: Tensor, epsilon: float, statistics: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor, Tensor]:
    import tensorflow as tf

    given = statistics or (tf.zeros([0]), tf.zeros([0]))
    options: Any = {"mean": given[0], "variance": given[1], "epsilon": epsilon, "is_training": statistics is None}
    normalised, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(x=features, scale=gamma, offset=beta, **options)
    if statistics:
        return normalised, *statistics
    count = tf.cast(tf.size(features) // tf.size(gamma), tf.float32)
    return normalised, mean, variance * ((count - 1) / count)  # the kernel returns the unbiased variance


def portable_non_max_suppression(
    boxes: Tensor, scores: Tensor, *, max_output: int, iou_threshold: float, score_threshold: float
) -> tuple:
    """See `non_max_suppression`: by descending score, a tile of boxes at a time.

    One box at a time would be a thousand tiny steps, with a GPU idle between them.
    """
    batch, num_boxes = ops.shape(scores)[:2]
    total = TILE * math.ceil(max(num_boxes, max_output) / TILE)
    filling = [[0, 0], [0, total - num_boxes]]
    columns = ops.cast(ops.argmax(scores, axis=-1), "int32")
    scores, order = ops.top_k(ops.pad(ops.max(scores, axis=-1), filling), total)
    columns = ops.take_along_axis(ops.pad(columns, filling), order, axis=1)
    boxes = take_rows(ops.pad(boxes, [*filling, [0, 0]]), order)
    places = ops.arange(total)

    def decide(begin: Tensor, live: Tensor) -> tuple:
        tile = ops.slice(boxes, (0, begin, 0), (batch, TILE, 4))
        tile_columns = ops.slice(columns, (0, begin), (batch, TILE))
        drops = (pairwise_ious(tile, boxes) > iou_threshold) & (tile_columns[..., None] == columns[:, None])
        drops = drops & ((begin + ops.arange(TILE))[:, None] < places)
        kept = _keep_greedily(
            ops.slice(live, (0, begin), (batch, TILE)), ops.slice(drops, (0, 0, begin), (batch, TILE, TILE))
        )
        return begin + TILE, live & ~ops.any(drops & kept[..., None], axis=1)

    def unfinished(begin: Tensor, live: Tensor) -> Tensor:
        found = ops.sum(ops.cast(live & (places < begin), "int32"), axis=1)
        return ops.any((found < max_output) & ops.any(live & (places >= begin), axis=1))

    end, live = ops.while_loop(unfinished, decide, (ops.zeros((), "int32"), scores > score_threshold))
    scores, picks = ops.top_k(ops.where(live & (places < end), scores, -1.0), max_output)
    found = scores > score_threshold
    return (
        ops.where(found[..., None], take_rows(boxes, picks), 0.0),
        ops.where(found, scores, 0.0),
        ops.where(found, ops.take_along_axis(columns, picks, axis=1), 0),
        ops.sum(ops.cast(found, "int32"), axis=1),
    )


def _keep_greedily(live: Tensor, drops: Tensor) -> Tensor:
    """Return which boxes are kept, (B, T), if each kept one drops the later ones marked in `drops`, (B, T, T).

    A box depends on earlier ones alone: starting with all kept, each round settles at least one more box, and usually
    nearly all.
    """

    def correct(kept: Tensor, _: Tensor) -> tuple:
        better = live & ~ops.any(drops & kept[..., None], axis=1)
        return better, ops.any(better != kept)

    return ops.while_loop(lambda _, changed: changed, correct, (live, ops.any(live)))[0]


def _non_max_suppression_tensorflow(
    boxes: Tensor, scores: Tensor, *, max_output: int, iou_threshold: float, score_threshold: float
) -> tuple:
    import tensorflow as tf

    kept_boxes, kept_scores, columns, counts = tf.image.combined_non_max_suppression(
        boxes[:, :, None], scores, max_output, max_output, iou_threshold, score_threshold, clip_boxes=False
    )
    return kept_boxes, kept_scores, tf.cast(columns, tf.int32), counts


def portable_crop_and_resize(features: Tensor, boxes: Tensor, box_indices: Tensor, size: int) -> Tensor:
    """See `crop_and_resize`: the four neighbours of each point, gathered from the flattened features."""
    batch, height, width, channels = ops.shape(features)
    steps = ops.arange(size, dtype="float32") / (size - 1)
    y = boxes[:, 0:1] + (boxes[:, 2:3] - boxes[:, 0:1]) * steps  # (R, size)
    x = boxes[:, 1:2] + (boxes[:, 3:4] - boxes[:, 1:2]) * steps
    top, left = ops.floor(y), ops.floor(x)
    flat = ops.reshape(features, (batch * height * width, channels))
    sampled = 0.0
    for row, row_weight in ((top, top + 1 - y), (top + 1, y - top)):
        for column, column_weight in ((left, left + 1 - x), (left + 1, x - left)):
            rows = ops.cast(ops.clip(row, 0, height - 1), "int32") + ops.cast(box_indices, "int32")[:, None] * height
            columns = ops.cast(ops.clip(column, 0, width - 1), "int32")
            values = ops.take(flat, rows[:, :, None] * width + columns[:, None, :], axis=0)
            weights = row_weight[:, :, None] * column_weight[:, None, :]
            sampled = sampled + ops.cast(values, "float32") * weights[..., None]
    return sampled


def _crop_and_resize_tensorflow(features: Tensor, boxes: Tensor, box_indices: Tensor, size: int) -> Tensor:
    import tensorflow as tf

    limits = tf.cast(tf.shape(features)[1:3] - 1, tf.float32)
    normalised = boxes / tf.concat([limits, limits], axis=0)
    # Rounding may push a corner past the last cell, where the kernel returns zeros.
    normalised = tf.clip_by_value(normalised, 0.0, 1.0)
    return tf.image.crop_and_resize(tf.cast(features, tf.float32), normalised, box_indices, (size, size))
