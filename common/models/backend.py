"""What depends on the backend: compiling, and two operations with faster kernels, which give the same answers."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops


def compile_for_prediction(model: keras.Model, inputs: Mapping[str, tuple[tuple[int | None, ...], str]]) -> None:
    """Compile a model for `predict_on_batch` with a mapping.

    TensorFlow traces it once, for all shapes; with XLA, which is slower on the CPU, it would compile each anew, as the
    other backends do.

    Args:
        model: not yet compiled.
        inputs: shape and dtype of each input, None for what varies.
    """
    if keras.backend.backend() != "tensorflow":
        model.compile(jit_compile=True)
        return
    import tensorflow as tf

    model.compile(jit_compile=False)
    model.make_predict_function()
    specs = {name: tf.TensorSpec(shape, dtype) for name, (shape, dtype) in inputs.items()}
    step = model.predict_function.python_function
    model.predict_function = tf.function(step, input_signature=[[(specs,)]])


def fuse(function: Callable) -> Callable:
    """Let a chain of small operations, of which each would go over large arrays, go over them once.

    The other backends compile whole steps in this way. On the CPU, TensorFlow's own convolutions are faster than XLA's.

    Args:
        function: from tensors of static shapes to tensors; no random numbers.
    """
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    return tf.function(function, jit_compile=True)


def non_max_suppression(boxes, scores, *, max_output: int, iou_threshold: float, score_threshold: float = 0.0):
    """Keep the best boxes of each class, dropping those that overlap a better one of their class too much.

    Args:
        boxes: (B, N, 4) float32, pixels.
        scores: (B, N, K) float32, one column a class; only scores above `score_threshold` count.
        max_output: D, boxes kept of a picture, the best over all classes.
        iou_threshold: a box that overlaps a kept one by more is dropped.
        score_threshold: see `scores`.

    Returns:
        boxes (B, D, 4), scores (B, D) in falling order, columns (B, D) int32 and counts (B,) int32;
        rows from a picture's count on are zero.
    """
    options: Any = {"max_output": max_output, "iou_threshold": iou_threshold, "score_threshold": score_threshold}
    if keras.backend.backend() == "tensorflow":
        return _non_max_suppression_tensorflow(boxes, scores, **options)
    return portable_non_max_suppression(boxes, scores, **options)


def crop_and_resize(features, boxes, box_indices, size: int):
    """Sample `size` x `size` points of each box bilinearly, the first and last on the box's corners.

    Args:
        features: (B, H, W, C).
        boxes: (R, 4) float32, corner positions in cells: 0 is the centre of the first, H - 1 of the last;
            points outside [0, H - 1] are not allowed.
        box_indices: (R,) int32, the picture of each box.
        size: points a side, at least 2.

    Returns:
        (R, size, size, C) float32; gradients reach `features` only.
    """
    boxes = ops.stop_gradient(boxes)
    if keras.backend.backend() == "tensorflow":
        return _crop_and_resize_tensorflow(features, boxes, box_indices, size)
    return portable_crop_and_resize(features, boxes, box_indices, size)


def portable_non_max_suppression(boxes, scores, *, max_output: int, iou_threshold: float, score_threshold: float):
    """See `non_max_suppression`: one greedy step an output row, all pictures at once."""
    batch, num_boxes, num_columns = ops.shape(scores)
    live = ops.reshape(scores, (batch, num_boxes * num_columns))
    live = ops.where(live > score_threshold, live, -1.0)
    columns = ops.tile(ops.arange(num_columns, dtype="int32"), [num_boxes])  # (N K,)
    repeated = ops.repeat(boxes, num_columns, axis=1)  # (B, N K, 4)
    areas = (repeated[..., 2] - repeated[..., 0]) * (repeated[..., 3] - repeated[..., 1])

    def keep_best(i, state):
        live, picks, picked_scores = state
        best = ops.argmax(live, axis=1)[:, None]  # (B, 1)
        best_score = ops.take_along_axis(live, best, axis=1)
        picks = ops.where(ops.arange(max_output)[None] == i, ops.cast(best, "int32"), picks)
        picked_scores = ops.where(ops.arange(max_output)[None] == i, best_score, picked_scores)
        box = ops.take_along_axis(repeated, best[..., None], axis=1)  # (B, 1, 4)
        sides = ops.minimum(box[..., 2:], repeated[..., 2:]) - ops.maximum(box[..., :2], repeated[..., :2])
        intersection = ops.prod(ops.maximum(sides, 0), axis=-1)
        union = areas + ops.take_along_axis(areas, best, axis=1) - intersection
        rival = ops.take(columns, best) == columns[None]
        dropped = rival & (intersection > iou_threshold * union)
        dropped = dropped | (ops.arange(num_boxes * num_columns)[None] == best)
        return ops.where(dropped, -1.0, live), picks, picked_scores

    start = (live, ops.zeros((batch, max_output), "int32"), ops.full((batch, max_output), -1.0))
    _, picks, picked_scores = ops.fori_loop(0, max_output, keep_best, start)
    found = picked_scores > score_threshold
    kept_boxes = ops.take_along_axis(repeated, picks[..., None], axis=1)
    return (
        ops.where(found[..., None], kept_boxes, 0.0),
        ops.where(found, picked_scores, 0.0),
        ops.where(found, ops.take(columns, picks), 0),
        ops.sum(ops.cast(found, "int32"), axis=1),
    )


def _non_max_suppression_tensorflow(boxes, scores, *, max_output: int, iou_threshold: float, score_threshold: float):
    import tensorflow as tf

    kept_boxes, kept_scores, columns, counts = tf.image.combined_non_max_suppression(
        boxes[:, :, None], scores, max_output, max_output, iou_threshold, score_threshold, clip_boxes=False
    )
    return kept_boxes, kept_scores, tf.cast(columns, tf.int32), counts


def portable_crop_and_resize(features, boxes, box_indices, size: int):
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


def _crop_and_resize_tensorflow(features, boxes, box_indices, size: int):
    import tensorflow as tf

    limits = tf.cast(tf.shape(features)[1:3] - 1, tf.float32)
    normalised = boxes / tf.concat([limits, limits], axis=0)
    # Rounding may push a corner past the last cell, where the kernel would give zeros.
    normalised = tf.clip_by_value(normalised, 0.0, 1.0)
    return tf.image.crop_and_resize(tf.cast(features, tf.float32), normalised, box_indices, (size, size))
