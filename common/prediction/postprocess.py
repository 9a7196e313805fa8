"""From the detections of an image to its objects; runs in worker processes."""

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from common.masks.crops import dilate, drop_empty, remove_overlaps
from common.masks.instances import Instances, SoftInstances
from common.masks.overlaps import find_uncovered, suppress_covered
from common.masks.rle import encode_instances
from common.prediction.detections import Paintable
from common.prediction.majority import elect_instances
from common.prediction.views import View, invert_crops, invert_view, scaled_shape
from common.prediction.votes import merge_views

Merging = Literal["votes", "majority"]


@dataclass(frozen=True)
class Masking:
    """How detections become masks.

    Attributes:
        threshold: lowest probability of a mask pixel.
        separate: give each contested pixel to one object; merged views never share pixels.
        largest_share: see `suppress_covered`; applied first, to each look.
        published: see `remove_overlaps`, `merge_views` and `invert_view`.
        dilation: dilate each mask of a single prediction by one step.
        least_votes: of a pixel, where views are merged by votes.
    """

    threshold: float
    _: KW_ONLY
    separate: bool = True
    largest_share: float = 1.0
    published: bool = False
    dilation: bool = False
    least_votes: int = 5


class Look(NamedTuple):
    """One distinct view of an image, its positions among all views, and its detections."""

    view: View
    places: Sequence[int]
    detections: Paintable


@dataclass(frozen=True, eq=False)
class Prediction:
    """The detections of an image before masks are made; small enough to send to another process.

    Attributes:
        looks: one, or those of several views and networks.
        image_shape: (height, width), pixels.
        masking: how masks are made.
        merging: how looks are merged; None for a single one.
    """

    looks: Sequence[Look]
    image_shape: tuple[int, int]
    masking: Masking
    merging: Merging | None = None

    @classmethod
    def joined(cls, predictions: Sequence["Prediction"]) -> "Prediction":
        """Return the looks of several networks at one image, merged as those of the first alone would be.

        Networks take turns: each view is merged as all of them see it before the next view.

        Args:
            predictions: one per network, of the same views; merged ones, unless there is only one.
        """
        count, first = len(predictions), predictions[0]
        looks = [
            look._replace(places=[count * place + number for place in look.places])
            for number, prediction in enumerate(predictions)
            for look in prediction.looks
        ]
        masking = replace(first.masking, least_votes=count * first.masking.least_votes)
        return replace(first, looks=looks, masking=masking)

    def resized(self, image_shape: tuple[int, int]) -> "Prediction":
        """Return the same detections in an image of another size, (height, width)."""
        looks = [
            look._replace(detections=look.detections.resized(scaled_shape(look.view, image_shape)))
            for look in self.looks
        ]
        return replace(self, looks=looks, image_shape=image_shape)

    @property
    def full(self) -> bool:
        """Whether the image may hold more objects than the network's limits let it return."""
        return any(look.detections.full for look in self.looks)

    def instances(self) -> Instances:
        """Return the objects, none empty."""
        if self.merging == "votes":
            return merge_by_votes(self.looks, self.image_shape, self.masking)
        if self.merging == "majority":
            return merge_by_majority(self.looks, self.image_shape, self.masking)
        (look,) = self.looks
        if self.masking.separate:
            return separate(look.detections, self.masking)
        return drop_empty(look.detections.paint(self.masking.threshold))


def separate(detections: Paintable, masking: Masking) -> Instances:
    """Turn a single prediction into disjoint objects; a contested pixel goes to the higher score.

    Args:
        detections: of the whole image.
        masking: how masks are made.

    Source: the 2018 Data Science Bowl's third place, its single prediction.
    """
    instances = suppress_covered(detections.paint(masking.threshold), masking.largest_share)
    if masking.dilation:
        instances = dilate(instances, detections.image_shape)
    return drop_empty(remove_overlaps(instances, priorities=instances.scores, published=masking.published))


def merge_by_votes(looks: Sequence[Look], image_shape: tuple[int, int], masking: Masking) -> Instances:
    """Let the distinct views of an image vote on each object's pixels.

    Args:
        looks: of all views.
        image_shape: (height, width) of the image.
        masking: how masks are made.
    """
    by_place: dict[int, Instances] = {}
    for view, places, detections in looks:
        by_place |= dict.fromkeys(places, find_voters(detections, view, image_shape, masking))
    predictions = [by_place[place] for place in sorted(by_place)]
    return merge_views(predictions, more_than=masking.least_votes - 1, published=masking.published)


def find_voters(detections: Paintable, view: View, image_shape: tuple[int, int], masking: Masking) -> Instances:
    """Return the objects with which a view votes, none empty.

    Args:
        detections: in the view's pixels.
        view: what was changed.
        image_shape: (height, width) of the image, in whose pixels they are returned.
        masking: how masks are made.
    """
    instances = suppress_covered(detections.paint(masking.threshold), masking.largest_share)
    return drop_empty(invert_view(instances, view, image_shape, published=masking.published))


def count_votes(looks: Sequence[Look], image_shape: tuple[int, int], masking: Masking) -> np.ndarray:
    """Return how many views see an object at each pixel, (H, W) uint8; arguments as for `merge_by_votes`.

    A map of all votes: merging counts them object by object, and only where the objects of two views match.
    """
    votes = np.zeros(image_shape, np.uint8)
    for view, places, detections in looks:
        seen = find_voters(detections, view, image_shape, masking).to_label_image(image_shape) > 0
        votes += seen * np.uint8(len(places))
    return votes


def merge_by_majority(looks: Sequence[Look], image_shape: tuple[int, int], masking: Masking) -> Instances:
    """Keep what most views find, with the mean of their masks; arguments as for `merge_by_votes`."""
    elected = elect_instances(_soft_views(looks, image_shape, masking), masking.threshold)
    elected = suppress_covered(elected, masking.largest_share)
    return drop_empty(remove_overlaps(elected, priorities=elected.scores))


def run_length_rows(prediction: Prediction) -> list[str]:
    """Return run lengths, one string per object."""
    return encode_instances(prediction.instances(), prediction.image_shape)


def _soft_views(looks: Sequence[Look], image_shape: tuple[int, int], masking: Masking) -> Iterator[SoftInstances]:
    """Yield the objects of each view in image pixels; painted one view at a time."""
    by_place = {place: look for look in looks for place in look.places}
    painted: dict[int, SoftInstances] = {}  # by a view's first place, up to its last
    for place in sorted(by_place):
        view, places, detections = by_place[place]
        if place == min(places):
            soft = detections.paint_soft(masking.threshold)
            soft = soft.select(find_uncovered(soft.cut(masking.threshold), masking.largest_share))
            boxes, probs = invert_crops(soft.boxes, soft.probs, view, image_shape)
            painted[min(places)] = SoftInstances(boxes, probs, soft.scores)
        yield painted[min(places)] if place < max(places) else painted.pop(min(places))
