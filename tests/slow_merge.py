"""Vote merging in its plainest form: an object is the set of its pixels, votes are counters of pixels."""

from collections import Counter

import numpy as np

from common.masks.instances import Instances

Pixels = set[tuple[int, int]]


def pixels_of(instances: Instances, image_shape: tuple[int, int]) -> list[Pixels]:
    """Return each object's (row, column) pairs."""
    return [set(map(tuple, np.argwhere(mask).tolist())) for mask in instances.to_masks(image_shape)]


def without_overlaps(objects: list[Pixels], priorities=None, loss_threshold=0.7, published=False) -> list[Pixels]:
    """See `common.masks.crops.remove_overlaps`."""
    areas = [len(pixels) for pixels in objects]
    values = areas if priorities is None else list(priorities)
    if published:
        ranks = (np.argsort(np.array(values, np.float64), kind="stable")[::-1] + 1).tolist()
    else:
        ranks = [(value, -i) for i, value in enumerate(values)]
    best: dict[tuple[int, int], object] = {}
    for rank, pixels in zip(ranks, objects, strict=True):
        for pixel in pixels:
            best[pixel] = max(best.get(pixel, rank), rank)
    parted = []
    for rank, pixels, base in zip(ranks, objects, values if published else areas, strict=True):
        kept = {pixel for pixel in pixels if best[pixel] == rank}
        parted.append(set() if base and (base - len(kept)) / base > loss_threshold else kept)
    return parted


def merge(predictions: list[list[Pixels]], iou_threshold=0.6, loss_threshold=0.7, more_than=4, published=False):
    """See `common.prediction.votes.merge_views`."""
    options = {"loss_threshold": loss_threshold, "published": published}
    votes: list[Counter] = []
    for prediction in predictions:
        if not (votes and prediction):
            votes += [Counter(pixels) for pixels in prediction]
            continue
        mine = without_overlaps([set(counts) for counts in votes], **options)
        theirs = [pixels for pixels in without_overlaps(prediction, **options) if pixels]
        votes, mine = ([one for one, pixels in zip(some, mine, strict=True) if pixels] for some in (votes, mine))
        taken = set()
        for counts, pixels in zip(votes, mine, strict=True):
            ious = [len(pixels & other) / len(pixels | other) for other in theirs]
            j = max(range(len(theirs)), key=lambda j: (ious[j], -j), default=-1)
            if j >= 0 and ious[j] > 0 and ious[j] >= iou_threshold:
                counts.update(theirs[j])
                taken.add(j)
        votes += [Counter(pixels) for j, pixels in enumerate(theirs) if j not in taken]
    elected = [{pixel for pixel, count in counts.items() if count > more_than} for counts in votes]
    return [pixels for pixels in without_overlaps([one for one in elected if one], **options) if pixels]
