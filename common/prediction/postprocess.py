"""From detections to the masks of a submission; runs in worker processes."""

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass

from common.masks.crops import dilate, drop_empty, remove_overlaps
from common.masks.instances import Instances, SoftInstances
from common.masks.rle import encode_instances
from common.prediction.detections import Paintable
from common.prediction.majority import elect_instances, find_uncovered, suppress_covered
from common.prediction.views import View, invert_crops, invert_view
from common.prediction.votes import merge_views


@dataclass(frozen=True)
class Masking:
    """How detections become masks without common pixels.

    Attributes:
        threshold: a pixel belongs to the mask from this probability on.
        largest_share: see `suppress_covered`; applied to what a look finds before all else.
        published: see `remove_overlaps` and `merge_views`.
        dilation: grow each mask of a single prediction by one step of binary dilation.
        majority: merge views by `elect_instances` instead of `merge_views`.
    """

    threshold: float
    _: KW_ONLY
    largest_share: float = 1.0
    published: bool = False
    dilation: bool = False
    majority: bool = False


def separate(detections: Paintable, masking: Masking) -> Instances:
    """Turn a single prediction into objects without common pixels; a contested pixel goes to the higher score.

    Args:
        detections: of the whole image.
        masking: how.

    Source: the 2018 Data Science Bowl's third place, its single prediction.
    """
    instances = suppress_covered(detections.paint(masking.threshold), masking.largest_share)
    if masking.dilation:
        instances = dilate(instances, detections.image_shape)
    return drop_empty(remove_overlaps(instances, priorities=instances.scores, published=masking.published))


def merge(
    predictions: Sequence[tuple[View, Sequence[int], Paintable]], image_shape: tuple[int, int], masking: Masking
) -> Instances:
    """Merge what was found in the distinct views of an image.

    Args:
        predictions: a view, the places at which it stands among all views, and what was found in it.
        image_shape: (height, width) of the image.
        masking: how.
    """
    if masking.majority:
        return _merge_by_majority(predictions, image_shape, masking)
    by_place: dict[int, Instances] = {}
    for view, places, detections in predictions:
        instances = suppress_covered(detections.paint(masking.threshold), masking.largest_share)
        by_place |= dict.fromkeys(places, drop_empty(invert_view(instances, view, image_shape)))
    return merge_views([by_place[place] for place in sorted(by_place)], published=masking.published)


def _merge_by_majority(
    predictions: Sequence[tuple[View, Sequence[int], Paintable]], image_shape: tuple[int, int], masking: Masking
) -> Instances:
    elected = elect_instances(_soft_views(predictions, image_shape, masking), masking.threshold)
    elected = suppress_covered(elected, masking.largest_share)
    return drop_empty(remove_overlaps(elected, priorities=elected.scores))


def _soft_views(
    predictions: Sequence[tuple[View, Sequence[int], Paintable]], image_shape: tuple[int, int], masking: Masking
) -> Iterator[SoftInstances]:
    """Yield what was found, place by place, in the image's own pixels; painted one view at a time."""
    by_place = {place: prediction for prediction in predictions for place in prediction[1]}
    painted: dict[int, SoftInstances] = {}  # by a view's first place, up to its last
    for place in sorted(by_place):
        view, places, detections = by_place[place]
        if place == min(places):
            soft = detections.paint_soft(masking.threshold)
            soft = soft.select(find_uncovered(soft.cut(masking.threshold), masking.largest_share))
            boxes, probs = invert_crops(soft.boxes, soft.probs, view, image_shape)
            painted[min(places)] = SoftInstances(boxes, probs, soft.scores)
        yield painted[min(places)] if place < max(places) else painted.pop(min(places))


def separated_runs(detections: Paintable, masking: Masking) -> list[str]:
    """Return the run lengths of `separate`, one string an object."""
    return encode_instances(separate(detections, masking), detections.image_shape)


def merged_runs(
    predictions: Sequence[tuple[View, Sequence[int], Paintable]], image_shape: tuple[int, int], masking: Masking
) -> list[str]:
    """Return the run lengths of `merge`, one string an object."""
    return encode_instances(merge(predictions, image_shape, masking), image_shape)
