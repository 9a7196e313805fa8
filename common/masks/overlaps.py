"""Overlaps between objects: suppression by masks, and shared pixels."""

import numpy as np

from common.masks.bits import BitMasks, pack_masks
from common.masks.boxes import touching_pairs
from common.masks.instances import Instances


def suppress_covered(instances: Instances, largest_share: float) -> Instances:
    """Drop each object that shares too many pixels with one of a higher score: non-maximum suppression by masks.

    Unlike suppression by boxes, this keeps slanted neighbours.

    Args:
        instances: N objects.
        largest_share: largest fraction of the smaller object that two may share; 1 or more keeps all.

    Returns:
        The remaining objects, highest score first; in the given order if all are kept.

    Example:
        >>> pair = Instances.from_masks(np.array([[[1, 1, 1, 0]], [[0, 1, 1, 1]]]), scores=[0.5, 0.75])
        >>> suppress_covered(pair, 0.5).scores.tolist(), len(suppress_covered(pair, 0.7))
        ([0.75], 2)
    """
    return instances.select(find_uncovered(instances, largest_share))


def find_uncovered(instances: Instances, largest_share: float) -> np.ndarray:
    """Return the indices, (K,) int64, of the objects that `suppress_covered` keeps, in its order."""
    if largest_share >= 1:
        return np.arange(len(instances))
    order = np.argsort(-instances.scores, kind="stable")
    instances = instances.select(order)
    better, worse = _sorted_pairs(*touching_pairs(instances.boxes))
    masks = BitMasks(instances.boxes, pack_masks(instances.boxes, instances.masks))
    areas = instances.areas
    covers = masks.shared_pixels(better, worse) > largest_share * np.minimum(areas[better], areas[worse])
    alive = np.ones(len(instances), bool)
    for i, j in zip(better[covers].tolist(), worse[covers].tolist(), strict=True):  # best first: `i` is decided
        alive[j] &= not alive[i]
    return order[alive]


def shared_pixels(instances: Instances, others: Instances) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count the pixels shared between objects of two sets.

    Args:
        instances: N objects.
        others: M objects.

    Returns:
        Indices into `instances` and `others`, (K,) int64 each, of the pairs whose boxes touch, sorted by the first,
        then the second; and their numbers of shared pixels, (K,) int64.

    Example:
        >>> pair = Instances.from_masks(np.array([[[1, 1, 0]], [[0, 1, 1]]]))
        >>> [values.tolist() for values in shared_pixels(pair, pair)]
        [[0, 0, 1, 1], [0, 1, 0, 1], [2, 1, 1, 2]]
    """
    boxes = np.concatenate([instances.boxes, others.boxes])
    first, second = _sorted_pairs(*touching_pairs(boxes))
    across = (first < len(instances)) & (second >= len(instances))
    first, second = first[across], second[across]
    masks = BitMasks(boxes, pack_masks(boxes, [*instances.masks, *others.masks]))
    return first, second - len(instances), masks.shared_pixels(first, second)


def _sorted_pairs(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs, (K,) int each, sorted by the first, then the second."""
    order = np.lexsort((second, first))
    return first[order], second[order]
