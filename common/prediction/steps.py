"""What Mask R-CNN computes between an image and its detections, and what it would learn from it, as arrays."""

from dataclasses import dataclass

import numpy as np

from common.prediction.detections import Detections, Frame


@dataclass(frozen=True, eq=False)
class Steps:
    """The steps of one image, in their order. Boxes are y1, x1, y2, x2, half-open, in pixels of the padded image.

    Attributes:
        frame: where the image lies in the padded one.
        image: (H, W, 3) uint8, the padded image that the network saw.
        anchors: (A, 4) float32, of P2 to P6, row by row, the ratios innermost.
        num_ratios: anchors per cell.
        anchor_scores: (A,) float32, the probability that there is an object.
        anchor_deltas: (A, 4) float32, dy, dx, log dh, log dw, divided by the config's `box_std`.
        anchor_boxes: (A, 4) float32, each anchor after its deltas, inside the image.
        best: (K,) int, the anchors that are refined, best first.
        refined: (K, 4) float32, after their deltas; may leave the image.
        clipped: (K, 4) float32, inside the image.
        survivors: (N,) int, which of these suppression keeps: the proposals, best first.
        class_probs: (N, C) float32, of each class, background first.
        class_ids: (N,) int, the most probable class but background.
        class_boxes: (N, 4) float32, the proposals refined by that class.
        detected: (D,) int, which proposals are detections: sure enough, and not suppressed; highest score first.
        sure: (D,) bool, whose masks are sure enough.
        detections: the D detections, in pixels of the image.
    """

    frame: Frame
    image: np.ndarray
    anchors: np.ndarray
    num_ratios: int
    anchor_scores: np.ndarray
    anchor_deltas: np.ndarray
    anchor_boxes: np.ndarray
    best: np.ndarray
    refined: np.ndarray
    clipped: np.ndarray
    survivors: np.ndarray
    class_probs: np.ndarray
    class_ids: np.ndarray
    class_boxes: np.ndarray
    detected: np.ndarray
    sure: np.ndarray
    detections: Detections

    @property
    def proposals(self) -> np.ndarray:
        """(N, 4) float32, best first."""
        return self.clipped[self.survivors]

    @property
    def class_scores(self) -> np.ndarray:
        """(N,) float32, the probability of each proposal's class."""
        return self.class_probs[np.arange(len(self.class_ids)), self.class_ids]

    @property
    def boxes(self) -> np.ndarray:
        """(D, 4) float32, of the detections."""
        return self.class_boxes[self.detected]

    @property
    def levels(self) -> list[slice]:
        """The anchors of P2 to P6."""
        ends = np.cumsum([rows * columns * self.num_ratios for rows, columns in self.grids]).tolist()
        return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]

    @property
    def grids(self) -> list[tuple[int, int]]:
        """Rows and columns of P2 to P6."""
        height, width = self.frame.padded_shape
        return [(height // stride, width // stride) for stride in (4, 8, 16, 32, 64)]

    def level_of(self, anchor: int) -> int:
        """Return 0 for an anchor of P2 to 4 for one of P6."""
        return next(level for level, some in enumerate(self.levels) if anchor < some.stop)


@dataclass(frozen=True, eq=False)
class Lessons:
    """What training would teach of an image with G objects; boxes as in `Steps`.

    Attributes:
        true_boxes: (G, 4) float32.
        positive: (A,) bool, anchors that are to find an object.
        negative: (A,) bool, anchors that are to find background; the others, neutral, are not learnt from.
        objects: (A,) int, the object that each anchor overlaps most.
        sampled: (S,) int, anchors drawn for a step, positive and negative.
        deltas: (P, 4) float32, what the sampled positive ones, which come first, are to predict.
        rois: (R, 4) float32, proposals drawn for the heads.
        roi_class_ids: (R,) int, what they are to be taken for, 0 = background; others come first.
        roi_targets: (Q, 4) float32, the boxes that those others are to be refined to.
        roi_masks: (Q, S, S) float32, 0 or 1, the masks that they are to predict.
    """

    true_boxes: np.ndarray
    positive: np.ndarray
    negative: np.ndarray
    objects: np.ndarray
    sampled: np.ndarray
    deltas: np.ndarray
    rois: np.ndarray
    roi_class_ids: np.ndarray
    roi_targets: np.ndarray
    roi_masks: np.ndarray
