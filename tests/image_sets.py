"""Image sets in memory, and a predictor whose network is a function."""

from pathlib import Path

import numpy as np
from scipy import ndimage

from common.images.image_set import ImageSet, Source
from common.masks.instances import Instances
from common.prediction.detections import Detections
from common.predictor import Predictor
from common.settings.mask_rcnn import MaskRCNNConfig


class Arrays(Source):
    """Images in memory, with label images and classes."""

    path = Path("arrays")

    def __init__(self, images, label_images=None, class_ids=None, name="arrays"):
        self.images = images
        self.label_images = label_images or [np.zeros(image.shape[:2], np.int32) for image in images]
        self.class_ids = class_ids or [np.ones(label_image.max(), np.int32) for label_image in self.label_images]
        self.name = name

    def image_name(self, row):
        return ""

    def signature(self, rows):
        return f"{self.name} {rows.tolist()}"

    def load_image(self, row):
        return self.images[row]

    def load_label_layers(self, row):
        return [self.label_images[row]]

    def load_class_ids(self, row):
        return self.class_ids[row]

    def load_instances(self, row):
        return Instances.from_label_image(self.label_images[row], self.class_ids[row])


def array_set(images, label_images=None, class_ids=None, *, image_ids=None, name="arrays"):
    """Return a set of arrays, called p0, p1, ... by default."""
    source = Arrays(images, label_images, class_ids, name)
    sizes = np.array([image.shape[:2] for image in images])
    return ImageSet.of_all(source, image_ids or [f"p{row}" for row in range(len(images))], sizes)


class Limited:
    """A detector of bright objects that returns only the first few of an image, and notes what it is shown."""

    def __init__(self, most, scale=1.0):
        self.most, self.scale, self.shown = most, scale, []

    def __call__(self, images, scale=None):
        return [self._find(image, scale) for image in images]

    def _find(self, image, scale):
        self.shown.append((image.shape[:2], scale))
        label_image, count = ndimage.label(image[..., 0] > 128)
        found = Instances.from_label_image(label_image)
        chosen = np.arange(min(count, self.most))
        found, scores = found.select(chosen), (1 - chosen / 1000).astype(np.float32)
        sides = 28  # masks of such objects are their boxes
        probs, class_ids = np.ones((len(found), sides, sides), np.float16), np.ones(len(found), np.int32)
        boxes, shape = found.boxes.astype(np.float32), (image.shape[0], image.shape[1])
        return Detections(boxes, scores, class_ids, probs, shape, scale=self.scale, full=count >= self.most)


def grid_image(height, width, step, side=8):
    """Return an image with a bright square in each cell of a grid, and how many there are."""
    image = np.zeros((height, width, 3), np.uint8)
    corners = [(y, x) for y in range(4, height - side, step) for x in range(4, width - side, step)]
    for y, x in corners:
        image[y : y + side, x : x + side] = 200
    return image, len(corners)


def predictor_of(detector, config=None):
    """Return a predictor with a function from images to their detections instead of a network."""
    return Predictor.of_function(config or MaskRCNNConfig(), detector, Path("weights.h5"))
