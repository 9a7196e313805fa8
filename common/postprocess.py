"""From detections to the masks of a submission; runs in worker processes."""

from collections.abc import Sequence

from common.detections import Paintable
from common.instances import Instances, SoftInstances
from common.majority import elect_instances, find_uncovered, suppress_covered
from common.masks import dilate, drop_empty, remove_overlaps
from common.merge import merge_views
from common.rle import encode_instances
from common.tta import View, invert_crops, invert_view


def separate(
    detections: Paintable,
    mask_threshold: float,
    *,
    dilation: bool = False,
    published: bool = False,
    largest_share: float = 1.0,
) -> Instances:
    """Turn a single prediction into objects without common pixels; a contested pixel goes to the higher score.

    Args:
        detections: of the whole picture.
        mask_threshold: a pixel belongs to the mask from this probability on.
        dilation: grow each mask by one step of binary dilation first.
        published: see `remove_overlaps`.
        largest_share: see `suppress_covered`; applied first.

    Source: the 2018 Data Science Bowl's third place, its single prediction.
    """
    instances = suppress_covered(detections.paint(mask_threshold), largest_share)
    if dilation:
        instances = dilate(instances, detections.image_shape)
    return drop_empty(remove_overlaps(instances, priorities=instances.scores, published=published))


def merge(
    predictions: Sequence[tuple[View, Sequence[int], Paintable]],
    image_shape: tuple[int, int],
    mask_threshold: float,
    *,
    published: bool = False,
    majority: bool = False,
    largest_share: float = 1.0,
) -> Instances:
    """Merge what was found in the distinct views of a picture.

    Args:
        predictions: a view, the places at which it stands among all views, and what was found in it.
        image_shape: (height, width) of the picture.
        mask_threshold: a pixel belongs to the mask from this probability on.
        published: see `merge_views`.
        majority: by `elect_instances` instead of `merge_views`.
        largest_share: see `suppress_covered`; applied to each view.
    """
    if majority:
        return _merge_by_majority(predictions, image_shape, mask_threshold, largest_share)
    by_place: dict[int, Instances] = {}
    for view, places, detections in predictions:
        instances = suppress_covered(detections.paint(mask_threshold), largest_share)
        by_place |= dict.fromkeys(places, drop_empty(invert_view(instances, view, image_shape)))
    return merge_views([by_place[place] for place in sorted(by_place)], published=published)


def _merge_by_majority(
    predictions: Sequence[tuple[View, Sequence[int], Paintable]],
    image_shape: tuple[int, int],
    mask_threshold: float,
    largest_share: float,
) -> Instances:
    by_place: dict[int, SoftInstances] = {}
    for view, places, detections in predictions:
        soft = detections.paint_soft(mask_threshold)
        soft = soft.select(find_uncovered(soft.cut(mask_threshold), largest_share))
        boxes, probs = invert_crops(soft.boxes, soft.probs, view, image_shape)
        by_place |= dict.fromkeys(places, SoftInstances(boxes, probs, soft.scores))
    elected = elect_instances([by_place[place] for place in sorted(by_place)], mask_threshold)
    elected = suppress_covered(elected, largest_share)
    return drop_empty(remove_overlaps(elected, priorities=elected.scores))


def separated_runs(
    detections: Paintable, mask_threshold: float, dilation: bool, published: bool, largest_share: float = 1.0
) -> list[str]:
    """Return the run lengths of `separate`, one string an object."""
    instances = separate(
        detections, mask_threshold, dilation=dilation, published=published, largest_share=largest_share
    )
    return encode_instances(instances, detections.image_shape)


def merged_runs(
    predictions: Sequence[tuple[View, Sequence[int], Paintable]],
    image_shape: tuple[int, int],
    mask_threshold: float,
    published: bool,
    majority: bool = False,
    largest_share: float = 1.0,
) -> list[str]:
    """Return the run lengths of `merge`, one string an object."""
    instances = merge(
        predictions, image_shape, mask_threshold, published=published, majority=majority, largest_share=largest_share
    )
    return encode_instances(instances, image_shape)
