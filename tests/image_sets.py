"""Image sets in memory, and a predictor whose network is a function."""

from pathlib import Path

import numpy as np

from common.images.image_set import ImageSet, Source
from common.mask_rcnn_config import MaskRCNNConfig
from common.masks.instances import Instances
from common.predictor import Predictor


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


def predictor_of(detector, config=None):
    """Return a predictor with a function from images to their detections instead of a network."""
    return Predictor.of_function(config or MaskRCNNConfig(), detector, Path("weights.h5"))
