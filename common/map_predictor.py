"""A trained semantic segmentation network, ready to predict: an image in, its mask out."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from common.prediction.maps import MAP_VIEWS, MapPrediction, average_views, view_input
from common.trained import Trained
from common.unet_config import UNetConfig

if TYPE_CHECKING:
    from common.network.unet.segmenter import Segmenter

MapViews = Literal["none", "flip", "scales"]


class MapPredictor(Trained[UNetConfig, "Segmenter"]):
    """Segments images of any size.

    Handles everything between an image and its mask: size, views, threshold, connected parts. The network is built for
    the first image.

    Args:
        config: of the model, with the options of masks.
        weights: HDF5 file.
    """

    config_class = UNetConfig

    def predict(self, image: np.ndarray, views: MapViews | None = None) -> np.ndarray:
        """Return the mask of an image, in its own size.

        Args:
            image: (H, W, 3) uint8, RGB.
            views: see `look`.

        Returns:
            (H, W) bool.
        """
        return self.look(image, views).mask()

    def look(self, image: np.ndarray, views: MapViews | None = None) -> MapPrediction:
        """Return the network's probabilities for an image: the half of `predict` that needs the network.

        Args:
            image: (H, W, 3) uint8, RGB.
            views: those whose probabilities are averaged, see `UNetConfig.views`; by default the config's.
        """
        config = self.config
        chosen = MAP_VIEWS[views or config.views]
        maps = self._network()([view_input(image, view, config.image_size, config.stride) for view in chosen])
        probs = average_views(maps, chosen, config.image_size)
        return MapPrediction(probs, (image.shape[0], image.shape[1]), config.mask_threshold, config.largest)

    def _load(self) -> "Segmenter":
        from common.network.unet.segmenter import load_segmenter

        return load_segmenter(self.config, self.weights)

    @staticmethod
    def _apply(model: Any) -> "Segmenter":
        from common.network.unet.segmenter import Segmenter

        return Segmenter(model)
