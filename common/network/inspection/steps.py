"""The steps between an image and its detections, by the same functions as detection and training."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from common.batches.instance_samples import mini_masks
from common.masks.crops import mean_inside
from common.masks.instances import Instances
from common.network.backend import compile_for_prediction, fuse
from common.network.mask_rcnn.box_coding import decode_deltas, take_rows
from common.network.mask_rcnn.detector import read_detections, segment_in_rounds
from common.network.mask_rcnn.model import MaskRCNN
from common.network.mask_rcnn.roi import NUM_LEVELS, build_atlas
from common.network.mask_rcnn.targets import ignored_anchors, match_anchors
from common.prediction.detections import Frame
from common.prediction.steps import Lessons, Steps


class Stepper:
    """Applies a model to one image, and keeps all that is computed on the way.

    Args:
        model: with its weights.
    """

    def __init__(self, model: MaskRCNN) -> None:
        self.model = model
        self._stepping = _Stepping(model)
        inputs = {"images": ((None, None, None, 3), "uint8"), "windows": ((None, 4), "float32")}
        compile_for_prediction(self._stepping, inputs)

    def __call__(self, image: np.ndarray) -> Steps:
        """Return the steps of an image, (H, W, 3) uint8."""
        config = self.model.config
        frame = Frame.for_image(image.shape[:2], config.min_dim, config.max_dim, config.longest_strip)
        placed = frame.place(image, config.padding)
        windows = np.array([frame.window], np.float32)
        out = self._stepping.predict_on_batch({"images": placed[None], "windows": windows})
        one = {name: values[0] for name, values in out.items() if name not in ("anchors", "mask_probs")}
        detections = read_detections(out, 0, frame, config, unsure=True)
        count = len(detections.boxes)
        in_use = np.any(one["proposals"] != 0, axis=1)
        class_ids = one["region_class_ids"][in_use].astype(int)
        scores = one["region_probs"][np.flatnonzero(in_use), class_ids]
        probs = out["mask_probs"][:, 0].reshape(-1, *out["mask_probs"].shape[3:])[:count]
        return Steps(
            frame=frame,
            image=placed,
            anchors=out["anchors"],
            num_ratios=len(config.anchor_ratios),
            anchor_scores=one["anchor_probs"][:, 1],
            anchor_deltas=one["deltas"],
            anchor_boxes=self._half_open(one["all_refined"]),
            best=one["best"].astype(int),
            refined=self._half_open(one["refined"]),
            clipped=self._half_open(one["clipped"]),
            survivors=find_rows(one["proposals"][in_use], one["clipped"]),
            class_probs=one["region_probs"][in_use],
            class_ids=class_ids,
            class_boxes=self._half_open(one["region_boxes"][in_use]),
            detected=find_rows(
                np.column_stack([one["boxes"][:count], one["scores"][:count]]),
                np.column_stack([one["region_boxes"][in_use], scores]),
            ),
            sure=mean_inside(probs) >= config.mask_confidence,
            detections=detections,
        )

    def lessons(self, steps: Steps, true: Instances) -> Lessons:
        """Return what training would teach of an image, its anchors and regions drawn by the model's own generator.

        Args:
            steps: of the image.
            true: its G objects, none empty, in pixels of the image.
        """
        model, config = self.model, self.model.config
        inputs = {name: values[None] for name, values in _training_inputs(steps, true, config.mini_mask_size).items()}
        anchors = ops.convert_to_tensor(steps.anchors)
        matches = fuse(match_anchors)(anchors, inputs["boxes"], ignored_anchors(anchors, inputs["ignored"]))
        sample = model.sample_anchors(anchors, inputs)
        images = steps.image[None]
        ranked = model.rank_anchors(*model.rpn_outputs(model.pyramid(images, training=False), False), images)
        proposals = model.suppress_anchors(ranked, config.train_proposals)
        rois, masks = model.sample_regions(proposals, inputs)
        num_positive = config.rpn_train_anchors // 2
        positive, negative, objects = (_first(part) for part in matches)
        drawn, positive_rois = _first(sample.weights) > 0, _first(rois.weights)[: len(_first(rois.instances))] > 0
        chosen = _first(rois.weights) > 0
        targets = decode_deltas(rois.rois[:, : len(positive_rois)], rois.deltas, config.box_std)
        return Lessons(
            true_boxes=inputs["boxes"][0, :-1],
            positive=positive,
            negative=negative,
            objects=objects.astype(int),
            sampled=_first(sample.indices)[drawn].astype(int),
            deltas=_first(sample.deltas)[drawn[:num_positive]],
            rois=self._half_open(_first(rois.rois)[chosen]),
            roi_class_ids=_first(rois.class_ids)[chosen].astype(int),
            roi_targets=self._half_open(_first(targets)[positive_rois]),
            roi_masks=_first(masks)[positive_rois],
        )

    def _half_open(self, boxes: np.ndarray) -> np.ndarray:
        return ops.convert_to_numpy(self.model.half_open(ops.convert_to_tensor(boxes)))


class _Stepping(keras.Model):
    """Images to all that `MaskRCNN.find` computes, by name."""

    def __init__(self, model: MaskRCNN) -> None:
        super().__init__(name="stepping")
        self.model = model
        self.built = True

    def call(self, inputs: Mapping) -> dict:
        model, images = self.model, inputs["images"]
        features = model.pyramid(images, training=False)
        logits, deltas = model.rpn_outputs(features, False)
        ranked = model.rank_anchors(logits, deltas, images)
        proposals = model.suppress_anchors(ranked, model.config.detect_proposals)
        atlas = build_atlas(features[:NUM_LEVELS])
        classified = model.classify(atlas, proposals, inputs["windows"])
        found = model.complete(model.suppress_regions(classified), proposals, images)
        anchors = model.anchors(images)
        every = model.rank_anchors(logits, deltas, images, limit=ops.shape(anchors)[0])
        return {
            **found,
            "mask_probs": segment_in_rounds(model, atlas, found),
            "anchors": anchors,
            "all_refined": take_rows(every.clipped, ops.argsort(every.indices, axis=1)),
            "anchor_probs": ops.softmax(logits, axis=-1),
            "deltas": deltas,
            "best": ranked.indices,
            "refined": ranked.refined,
            "clipped": ranked.clipped,
            "proposals": proposals,
            "region_probs": classified.probs,
            "region_class_ids": classified.class_ids,
            "region_boxes": classified.boxes,
        }


def find_rows(rows: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return the first place of each row, (N, C), among other rows, (M, C), of which it is a copy; (N,) int.

    Raises:
        KeyError: a row is not among them.

    Example:
        >>> find_rows(np.array([[1.0, 2.0]]), np.array([[0.0, 0.0], [1.0, 2.0], [1.0, 2.0]])).tolist()
        [1]
    """
    places: dict[bytes, int] = {}
    for place, row in enumerate(np.ascontiguousarray(among)):
        places.setdefault(row.tobytes(), place)
    return np.array([places[row.tobytes()] for row in np.ascontiguousarray(rows)], int)


def _first(values: Any) -> np.ndarray:
    return ops.convert_to_numpy(values)[0]


def _training_inputs(steps: Steps, true: Instances, mini_mask_size: int) -> dict[str, np.ndarray]:
    """Return the objects of an image as a training crop holds them, in pixels of the padded image."""
    whole = [np.array([[0, 0, *mask.shape]]) for mask in true.masks]
    minis = [
        mini_masks(mask.astype(np.int32), np.array([1]), box, mini_mask_size)
        for mask, box in zip(true.masks, whole, strict=True)
    ]
    return _padded(
        {
            "boxes": steps.frame.from_image(true.boxes),
            "class_ids": true.class_ids,
            "mini_masks": np.concatenate([*minis, np.zeros((0, mini_mask_size, mini_mask_size), np.uint8)]),
        }
    ) | {"ignored": np.zeros(steps.frame.padded_shape, np.uint8)}


def _padded(rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Append a zero row to each: training's batches have such rows, too."""
    return {
        name: np.concatenate([values, np.zeros((1, *values.shape[1:]), values.dtype)]) for name, values in rows.items()
    }
