"""From detections to the masks of a submission; runs in worker processes."""

from collections.abc import Sequence

from common.detections import Paintable
from common.instances import Instances
from common.majority import elect_instances, suppress_covered
from common.masks import dilate, drop_empty, remove_overlaps
from common.merge import merge_views
from common.rle import encode_instances
from common.tta import View, invert_view


def separate(
    detections: Paintable,
    mask_threshold: float,
    *,
    dilation: bool = True,
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
    return drop_empty(
        remove_overlaps(instances, detections.image_shape, priorities=instances.scores, published=published)
    )


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
    by_place: dict[int, Instances] = {}
    for view, places, detections in predictions:
        instances = suppress_covered(detections.paint(mask_threshold), largest_share)
        by_place |= dict.fromkeys(places, drop_empty(invert_view(instances, view, image_shape)))
    in_order = [by_place[place] for place in sorted(by_place)]
    if not majority:
        return merge_views(in_order, image_shape, published=published)
    apart = (remove_overlaps(instances, image_shape, priorities=instances.scores) for instances in in_order)
    elected = suppress_covered(elect_instances([drop_empty(instances) for instances in apart]), largest_share)
    return drop_empty(remove_overlaps(elected, image_shape, priorities=elected.scores))


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
