"""Overlapping objects as label images: a few exact layers instead of one mask per object."""

import itertools
from collections.abc import Sequence

import numpy as np

from common.masks.bits import BitMasks, pack_masks
from common.masks.boxes import label_boxes, touching_pairs
from common.masks.instances import Instances


def pack_layers(instances: Instances, image_shape: tuple[int, int]) -> list[np.ndarray]:
    """Spread objects over label images so that those in one layer never share a pixel.

    Args:
        instances: N objects inside the image.
        image_shape: (height, width), pixels.

    Returns:
        Layers, (H, W) int32 each, 0 = background; object i has the label i + 1 in one of them, or in none if it is
        empty. Disjoint objects need one layer, no objects none.

    Source: Welsh and Powell, 1967: vertices with the most neighbours first, each in the first free colour.

    Example:
        >>> pair = Instances.from_masks(np.array([[[1, 1, 0]], [[0, 1, 1]]]))
        >>> [layer.tolist() for layer in pack_layers(pair, (1, 3))]
        [[[1, 1, 0]], [[0, 2, 2]]]
    """
    chosen = _choose_layers(instances)
    layers = [np.zeros(image_shape, np.int32) for _ in range(max(chosen, default=-1) + 1)]
    for i, (layer, (y1, x1, y2, x2)) in enumerate(zip(chosen, instances.boxes.tolist(), strict=True)):
        layers[layer][y1:y2, x1:x2][instances.masks[i]] = i + 1
    return layers


def unpack_layers(layers: Sequence[np.ndarray], class_ids: Sequence[int] | np.ndarray | None = None) -> Instances:
    """Return the objects of layers, in ascending order of label.

    Args:
        layers: (H, W) int32 each, 0 = background; every label is in one of them.
        class_ids: of the labels 1, 2, ..., 1-based; 1 by default.

    Example:
        >>> unpack_layers([np.array([[2, 2, 0]]), np.array([[0, 1, 1]])], [5, 6]).class_ids.tolist()
        [5, 6]
    """
    labels, boxes, owners = layer_boxes(layers)
    crops = [
        layers[owner][y1:y2, x1:x2] == label
        for label, owner, (y1, x1, y2, x2) in zip(labels.tolist(), owners.tolist(), boxes.tolist(), strict=True)
    ]
    return Instances.from_crops(boxes, crops, None if class_ids is None else np.asarray(class_ids)[labels - 1])


def layer_boxes(layers: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the labels present in layers, the smallest box around each, and the layer that has it.

    Args:
        layers: (H, W) int32 each, 0 = background; every label is in one of them.

    Returns:
        labels (N,) int, ascending; boxes (N, 4) int32; layer indices (N,) int.
    """
    found = [label_boxes(layer) for layer in layers]
    labels = np.concatenate([np.zeros(0, int), *(labels for labels, _ in found)])
    boxes = np.concatenate([np.zeros((0, 4), np.int32), *(boxes for _, boxes in found)])
    owners = np.repeat(np.arange(len(found)), [len(labels) for labels, _ in found])
    order = np.argsort(labels, kind="stable")
    return labels[order], boxes[order], owners[order]


def _choose_layers(instances: Instances) -> list[int]:
    """Return the layer of each object."""
    masks = BitMasks(instances.boxes, pack_masks(instances.boxes, instances.masks))
    first, second = touching_pairs(instances.boxes)
    share = masks.shared_pixels(first, second) > 0
    rivals: list[list[int]] = [[] for _ in range(len(instances))]
    for i, j in zip(first[share].tolist(), second[share].tolist(), strict=True):
        rivals[i].append(j)
        rivals[j].append(i)
    chosen = [-1] * len(instances)
    for i in sorted(range(len(instances)), key=lambda i: -len(rivals[i])):
        taken = {chosen[j] for j in rivals[i]}
        chosen[i] = next(layer for layer in itertools.count() if layer not in taken)
    return chosen
