"""Whether an image may hold more objects than the network's limits let it return."""

from keras import ops

from common.network.mask_rcnn.box_coding import pairwise_ious
from common.network.tensor import Tensor

SAME_OBJECT = 0.3  # least intersection over union of a detection and a proposal that already showed its object
LAST_PART = 0.1  # of the proposals; an image that is not full has its last new object before


def find_full(boxes: Tensor, counts: Tensor, proposals: Tensor, num_skipped: Tensor) -> Tensor:
    """Return which images may hold more objects than were returned.

    Proposals come best first, and the first ones show nearly all objects: on real images with up to 160 objects, no
    object first appeared behind 0.63 of 1,000 proposals. A list that is cut while it still brings new objects is too
    short, whether it was cut before or after non-maximum suppression.

    Args:
        boxes: (B, D, 4) float32, the detections, half-open; D is the most that are returned.
        counts: (B,) int32, detections in use.
        proposals: (B, N, 4) float32, half-open, best first, padded with zero rows; N is the most that are kept.
        num_skipped: int32, anchors that the limit before non-maximum suppression left out.

    Returns:
        (B,) bool.
    """
    most, longest = ops.shape(boxes)[1], ops.shape(proposals)[1]
    in_use = ops.sum(ops.cast(ops.any(proposals != 0, axis=2), "int32"), axis=1)
    places = ops.arange(1, longest + 1, dtype="int32")
    shows = pairwise_ious(boxes, proposals) >= SAME_OBJECT  # (B, D, N)
    first = ops.min(ops.where(shows, places, longest + 1), axis=2)
    late = ops.cast(first, "float32") > (1 - LAST_PART) * ops.cast(in_use, "float32")[:, None]
    late = late & (first <= longest) & (ops.arange(most) < counts[:, None])
    is_cut = (in_use >= longest) | (num_skipped > 0)
    return (counts >= most) | (is_cut & ops.any(late, axis=1))
