"""The pages of a report on a trained network: what it does with images, step by step, beside the ground truth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from common.figures.data.samples import shorten
from common.figures.network.activations import draw_activations
from common.figures.network.anchors import draw_anchor_lessons, draw_anchor_scores, draw_anchors, draw_deltas
from common.figures.network.boxes import (
    draw_class_refinement,
    draw_detections,
    draw_refinement,
    draw_regions,
    draw_suppression,
)
from common.figures.network.losses import STEPS, draw_losses, trace_objects
from common.figures.network.maps import draw_errors, draw_map, draw_sweep, sweep_thresholds
from common.figures.network.masks import draw_masks, draw_mini_masks, draw_region_lessons
from common.figures.network.views import draw_views, draw_votes
from common.figures.page import Page
from common.images.image_set import ImageSet
from common.inspector import Inspector, MapInspector
from common.masks.crops import drop_empty
from common.masks.instances import Instances
from common.prediction.postprocess import count_votes
from common.prediction.steps import Lessons, Steps
from common.prediction.views import VIEWS
from common.scoring.survival import count_losses
from inspection.model_captions import CAPTIONS


@dataclass
class ModelPage:
    """Collects the sections of one network on several images.

    Attributes:
        page: what was collected.
        named: titles end with the image's id; not needed for a single image.
        layers: names of the layers to show; none: the usual ones.
        traces: see `trace_objects`, one per image with its truth.
        sweeps: see `sweep_thresholds`, one per image.
    """

    page: Page
    named: bool
    layers: Sequence[str] = ()
    traces: dict[str, pd.DataFrame] = field(default_factory=dict)
    sweeps: list[pd.DataFrame] = field(default_factory=list)

    def add(self, title: str, name: str, content: Figure | pd.DataFrame, caption: str = "") -> None:
        """Add a section on an image, by default with the caption that belongs to its title."""
        self.page.add(f"{title}: {shorten(name)}" if self.named else title, content, caption or CAPTIONS[title])

    def add_mask_rcnn(self, inspector: Inspector, name: str, image: np.ndarray, true: Instances, *, draw: bool) -> None:
        """Add what Mask R-CNN does with an image.

        Args:
            inspector: of the network.
            name: of the image.
            image: (H, W, 3) uint8.
            true: its objects.
            draw: figures; otherwise only note where objects are lost.
        """
        image, true = inspector.show(image, drop_empty(true))
        steps, config = inspector.steps(image), inspector.config
        final = inspector.predict(steps)
        if len(true):
            self.traces[name] = trace_objects(steps, true, final, config.mask_threshold, config.confidence)
        if not draw:
            return
        lessons = inspector.lessons(steps, true)
        for title, figure in _box_figures(inspector, steps, lessons).items():
            self.add(title, name, figure())
        threshold = config.mask_threshold
        self.add("Masks in their boxes", name, draw_mini_masks(image, steps, true, threshold))
        painted = steps.detections.select(steps.sure).paint(threshold)
        self.add("Masks and overlaps", name, draw_masks(image, painted, final, true))
        prediction = inspector.looks(image)
        self.add("Views", name, draw_views(image, prediction.looks, threshold))
        shape = (image.shape[0], image.shape[1])
        votes = count_votes(prediction.looks, shape, prediction.masking)
        elected = prediction.instances() if prediction.merging else Instances.empty()
        self.add("Votes", name, draw_votes(image, votes, len(VIEWS), elected, true))
        for layer, features in inspector.activations(steps, self.layers):
            self.add(
                f"Activations of {layer}", name, draw_activations(layer, features, image.shape), CAPTIONS["Activations"]
            )

    def add_unet(self, inspector: MapInspector, name: str, image: np.ndarray, true: np.ndarray, *, draw: bool) -> None:
        """Add what a U-Net does with an image; arguments as for `add_mask_rcnn`, but `true` is (H, W) bool."""
        prediction = inspector.predictor.look(image)
        self.sweeps.append(sweep_thresholds(prediction, true))
        if not draw:
            return
        self.add("Probability", name, draw_map(image, prediction, true))
        self.add("Threshold", name, draw_sweep(self.sweeps[-1:], prediction.threshold))
        self.add("Errors", name, draw_errors(image, prediction.mask(), true))
        for layer, features in inspector.activations(image, self.layers):
            self.add(
                f"Activations of {layer}", name, draw_activations(layer, features, image.shape), CAPTIONS["Activations"]
            )

    def close(self, threshold: float) -> Page:
        """Add what was found over all images, and return the page."""
        if self.traces:
            losses = [step for table in self.traces.values() for step in table["lost at"]]
            caption = CAPTIONS["Where objects are lost"]
            self.page.add("Where objects are lost", draw_losses(list(self.traces.values())), caption)
            self.page.add("Objects lost at each step", count_losses(losses, STEPS), f"Over {len(self.traces)} images.")
            objects = pd.concat(self.traces, names=["image", "object"])
            lost = objects[objects["lost at"] != "found"].reset_index()
            self.page.add("Lost objects", lost, "Each lost object with the best IoU that every step had with it.")
        if len(self.sweeps) > 1:
            self.page.add("Threshold, all images", draw_sweep(self.sweeps, threshold), CAPTIONS["Threshold"])
        return self.page


def model_page(
    inspector: Inspector | MapInspector, images: ImageSet, *, num_drawn: int | None = None, layers: Sequence[str] = ()
) -> Page:
    """Return the page on what a network does with images.

    Args:
        inspector: of the network.
        images: to show.
        num_drawn: draw figures of the first ones only; the rest counts where objects are lost.
        layers: see `activations`.
    """
    named = len(images) > 1 and num_drawn != 1
    pages = ModelPage(Page("What the network does, step by step"), named, layers)
    for index, name in enumerate(images.image_ids):
        image, true = images.load_image(index), Instances.empty()
        if images.has_objects:
            true, crowd = images.load_truth(index)
            true = true.select(~crowd)
        draw = num_drawn is None or index < num_drawn
        if isinstance(inspector, Inspector):
            pages.add_mask_rcnn(inspector, name, image, true, draw=draw)
        else:
            mask = true.to_label_image((image.shape[0], image.shape[1])) > 0
            pages.add_unet(inspector, name, image, mask, draw=draw)
    return pages.close(inspector.config.mask_threshold)


def _box_figures(inspector: Inspector, steps: Steps, lessons: Lessons) -> dict[str, Callable[[], Figure]]:
    """Return what draws each step that deals in boxes, by title."""
    config = inspector.config
    return {
        "Anchors by level": lambda: draw_anchors(steps, lessons, config.anchor_scales),
        "What anchors learn": lambda: draw_anchor_lessons(steps, lessons),
        "Deltas of positive anchors": lambda: draw_deltas(steps, lessons),
        "Scores of anchors": lambda: draw_anchor_scores(steps, lessons),
        "Best anchors, refined": lambda: draw_refinement(steps, lessons),
        "Suppression of anchors": lambda: draw_suppression(steps, lessons),
        "What regions learn": lambda: draw_region_lessons(steps, lessons),
        "Regions with class and score": lambda: draw_regions(steps, lessons, config.class_names, config.confidence),
        "Boxes refined by class": lambda: draw_class_refinement(steps, lessons, config.confidence),
        "Detections": lambda: draw_detections(steps, lessons, config.class_names),
    }
