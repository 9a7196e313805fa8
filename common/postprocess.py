"""From detections to the masks of a submission; runs in worker processes."""

from collections.abc import Sequence

from common.detections import Paintable
from common.instances import Instances
from common.masks import dilate, drop_empty, remove_overlaps
from common.merge import merge_views
from common.rle import encode_instances
from common.tta import View, invert_view


def separate(
    detections: Paintable, mask_threshold: float, *, dilation: bool = True, published: bool = False
) -> Instances:
    """Turn a single prediction into objects without common pixels; a contested pixel goes to the higher score.

    Args:
        detections: of the whole picture.
        mask_threshold: a pixel belongs to the mask from this probability on.
        dilation: grow each mask by one step of binary dilation first.
        published: see `remove_overlaps`.

    Source: the 2018 Data Science Bowl's third place, its single prediction.
    """
    instances = detections.paint(mask_threshold)
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
) -> Instances:
    """Merge what was found in the distinct views of a picture.

    Args:
        predictions: a view, the places at which it stands among all views, and what was found in it.
        image_shape: (height, width) of the picture.
        mask_threshold: a pixel belongs to the mask from this probability on.
        published: see `merge_views`.
    """
    by_place: dict[int, Instances] = {}
    for view, places, detections in predictions:
        instances = invert_view(detections.paint(mask_threshold), view, image_shape)
        by_place |= dict.fromkeys(places, drop_empty(instances))
    return merge_views([by_place[place] for place in sorted(by_place)], image_shape, published=published)


def separated_runs(detections: Paintable, mask_threshold: float, dilation: bool, published: bool) -> list[str]:
    """Return the run lengths of `separate`, one string an object."""
    instances = separate(detections, mask_threshold, dilation=dilation, published=published)
    return encode_instances(instances, detections.image_shape)


def merged_runs(
    predictions: Sequence[tuple[View, Sequence[int], Paintable]],
    image_shape: tuple[int, int],
    mask_threshold: float,
    published: bool,
) -> list[str]:
    """Return the run lengths of `merge`, one string an object."""
    return encode_instances(merge(predictions, image_shape, mask_threshold, published=published), image_shape)
