"""Submissions made from ground truth by breaking some of it: no network is needed."""

import numpy as np

from common.masks.instances import Instances
from common.masks.rle import encode_instances


def break_objects(true: Instances, image_shape: tuple[int, int], rng: np.random.Generator) -> Instances:
    """Return predictions with scores: some objects are missed, some eroded, one is in a wrong place."""
    kept = true.select(np.flatnonzero(rng.random(len(true)) > 0.15))
    masks = []
    for mask in kept.masks:
        part = mask.copy()
        part[: rng.integers(0, max(mask.shape[0] // 2, 1))] = False  # its upper rows are missed
        masks.append(part if part.any() else mask)
    side = 12
    top, left = (int(rng.integers(0, length - side)) for length in image_shape)
    boxes = np.concatenate([kept.boxes, [[top, left, top + side, left + side]]])
    scores = np.append(rng.uniform(0.4, 1, len(kept)), 0.35)
    ids = np.append(kept.class_ids, 1)
    return Instances.from_crops(boxes, [*masks, np.ones((side, side), bool)], ids, scores)


def write_results(path, truth, seed=1):
    """Write a CSV of results with classes and scores; `truth` maps ids to objects and (height, width)."""
    rng, lines = np.random.default_rng(seed), ["ImageId,ClassId,Score,EncodedPixels"]
    for image_id, (true, shape) in truth.items():
        found = break_objects(true, shape, rng)
        columns = (found.class_ids.tolist(), found.scores.tolist(), encode_instances(found, shape))
        lines += [f"{image_id},{class_id},{score:.4f},{text}" for class_id, score, text in zip(*columns, strict=True)]
    path.write_text("\n".join(lines) + "\n")
    return path
