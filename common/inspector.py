"""A trained network whose every step can be looked at."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from common.images.colours import stretch_contrast
from common.masks.crops import cut_instances
from common.masks.instances import Instances
from common.masks.resize import resize_image, resize_instances
from common.prediction.detections import shrink_image
from common.prediction.postprocess import Look, Prediction
from common.prediction.steps import Lessons, Steps
from common.prediction.views import VIEW_SETS, View
from common.predictor import MapPredictor, Predictor


class Inspector:
    """Looks inside a Mask R-CNN; results are those of its `predictor`, step by step.

    Args:
        predictor: with config and weights; the network is built now.
    """

    def __init__(self, predictor: Predictor) -> None:
        network = _load(predictor)

        from common.network.inspection.steps import Stepper

        self.config = predictor.config
        self._stepper = Stepper(network)
        self.predictor = Predictor.of_model(network)

    def show(self, image: np.ndarray, true: Instances) -> tuple[np.ndarray, Instances]:
        """Return what the network is shown at a time: the image, shrunk if the config asks for it, or its middle tile.

        Args:
            image: (H, W, 3) uint8.
            true: its objects.

        Returns:
            (h, w, 3) uint8 and the objects in it, none empty.
        """
        config, shape = self.config, image.shape[:2]
        if config.downscale:
            image = shrink_image(image, config.min_dim)
            true = resize_instances(true, np.array(image.shape[:2]) / shape)
        if not config.max_dim and max(image.shape[:2]) > config.max_whole_side:
            sides = np.minimum(image.shape[:2], config.tile_size)
            top, left = (image.shape[:2] - sides) // 2
            image = image[top : top + sides[0], left : left + sides[1]]
            true = cut_instances(true, (top, left, top + sides[0], left + sides[1]))
        return image, true

    def steps(self, image: np.ndarray) -> Steps:
        """Return the steps between an image, see `show`, and its detections."""
        return self._stepper(stretch_contrast(image) if self.config.stretch_contrast else image)

    def predict(self, steps: Steps) -> Instances:
        """Return the objects that the detections become, of one look and their sure masks."""
        look = Look(View(), [0], steps.detections.select(steps.sure))
        return Prediction([look], steps.frame.image_shape, self.predictor.masking).instances()

    def lessons(self, steps: Steps, true: Instances) -> Lessons:
        """Return what training would teach of an image with such objects."""
        return self._stepper.lessons(steps, true)

    def looks(self, image: np.ndarray) -> Prediction:
        """Return the looks of the 15 views; they are merged where all objects are of one class."""
        several = len(self.config.class_names) > 1
        return self.predictor.look(image, VIEW_SETS["votes"] if several else "votes")

    def activations(self, steps: Steps, layers: Sequence[str] = ()) -> Iterator[tuple[str, np.ndarray]]:
        """Yield what layers of the pyramid say of the padded image; see `network.inspection.activations`."""
        from common.network.inspection.activations import activations

        return activations(self._stepper.model, steps.image, layers)


class MapInspector:
    """Looks inside a U-Net.

    Args:
        predictor: with config and weights; the network is built now.
    """

    def __init__(self, predictor: MapPredictor) -> None:
        self.config = predictor.config
        self._network = _load(predictor)
        self.predictor = MapPredictor.of_model(self._network)

    def activations(self, image: np.ndarray, layers: Sequence[str] = ()) -> Iterator[tuple[str, np.ndarray]]:
        """Yield what layers say of an image, (H, W, 3) uint8; see `network.inspection.activations`."""
        from common.network.inspection.activations import activations

        side = self.config.image_size
        return activations(self._network, resize_image(image, (side, side)), layers)


def _load(predictor: Predictor | MapPredictor) -> Any:
    """Return a predictor's network with its weights."""
    from common.network.settings import prepare_keras

    prepare_keras()

    from common.network.network import build_network
    from common.network.weights import load_weights

    network = build_network(predictor.config)
    load_weights(network, predictor.weights)
    return network
