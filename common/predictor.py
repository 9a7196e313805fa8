"""Trained models, ready to predict: images in, objects or masks out."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from common.errors import InputError
from common.images.colours import stretch_contrast
from common.images.stored import check_rgb
from common.log import logger
from common.masks.instances import Instances
from common.parallel import PREDICTING, map_in_order
from common.prediction.detections import Paintable, shrink_image
from common.prediction.maps import MAP_VIEWS, MapPrediction, average_views, view_input
from common.prediction.postprocess import Look, Masking, Prediction
from common.prediction.tiles import detect_in_tiles, look_again
from common.prediction.views import VIEW_SETS, View, apply_view, distinct_views
from common.runs.trained import Trained
from common.settings.config import RunConfig
from common.settings.mask_rcnn import MaskRCNNConfig, usual_scale
from common.settings.options import flag_name
from common.settings.unet import UNetConfig
from common.terminal.progress import progress_bar

if TYPE_CHECKING:
    from common.network.mask_rcnn.detector import Detector
    from common.network.unet.segmenter import Segmenter

Views = Literal["votes", "majority"]
MapViews = Literal["none", "flip", "scales"]
Segment = Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]  # images to maps


class Predictor(Trained[MaskRCNNConfig, "Detector"]):
    """Finds objects in images of any size.

    Handles everything between an image and its objects: contrast, scale, padding, tiles, views, masks, overlaps. The
    network is built for the first image.

    Args:
        config: of the model, with thresholds and mask options.
        weights: HDF5 file.

    Example:
        >>> Predictor.load("small", confidence=0.9).config.confidence
        0.9
    """

    config_class = MaskRCNNConfig
    _told = False  # of an image that was full

    @property
    def masking(self) -> Masking:
        """How detections become masks."""
        return Masking(
            self.config.mask_threshold,
            separate=self.config.separate,
            largest_share=self.config.mask_nms_threshold,
            published=self.config.as_published,
            dilation=self.config.dilation,
        )

    @property
    def limits(self) -> str:
        """What is said of an image that is full, see `Prediction.full`, with the remedy."""
        names = ("max_detections", "detect_proposals", "pre_nms_limit")
        limits = [f"--{flag_name(name)} {getattr(self.config, name)}" for name in names]
        remedy = "raise them"
        if not self._looks_again and "look_again" not in self.config.unused:
            remedy += ", or find the others in smaller tiles: --look-again"
            remedy += ", without --as-published" if self.config.as_published else ""
        return f"may hold more objects than {limits[0]}, {limits[1]} and {limits[2]} allow; {remedy}"

    @property
    def hint(self) -> str:
        """What may be the reason where no image has any object."""
        config = self.config
        contrast = "" if config.stretch_contrast else " --stretch-contrast,"
        return (
            f"try other --weights or their --preset, a lower --confidence than {config.confidence:g},{contrast} or "
            "images scaled so that their objects are as large as those of the training images"
        )

    def predict(self, image: np.ndarray, views: Views | None = None) -> Instances:
        """Return the objects of an image.

        Args:
            image: (H, W, 3) uint8, RGB.
            views: predict several views and merge them, by "votes" or "majority", see `MaskRCNNConfig.views`.

        Returns:
            N objects in pixels of the image, none empty, with scores and class ids.
        """
        prediction = self.look(image, views)
        if prediction.full and not self._told:
            self._told = True
            logger.warning(f"warning: an image {self.limits}; `look(image).full` tells which others")
        return prediction.instances()

    def predict_many(
        self, images: Iterable[np.ndarray], views: Views | None = None, *, progress: bool = False
    ) -> Iterator[Instances]:
        """Yield the objects of each image, in order; two images are processed at a time.

        Args:
            images: (H, W, 3) uint8 each, RGB; taken one at a time.
            views: see `predict`.
            progress: show a progress bar.
        """
        jobs = ((f"image {number}", (image, views)) for number, image in enumerate(images, start=1))
        with ThreadPoolExecutor(PREDICTING) as threads:
            found = map_in_order(self.predict, jobs, threads, ahead=PREDICTING + 1)
            total = len(images) if isinstance(images, Sequence) else None
            for _, instances in progress_bar(found, total=total, unit="image", disable=not progress):
                yield instances

    def look(
        self, image: np.ndarray, views: Views | Sequence[View] | None = None, *, rng: np.random.Generator | None = None
    ) -> Prediction:
        """Return the network's detections in an image: the half of `predict` that needs the network.

        Args:
            image: (H, W, 3) uint8, RGB.
            views: see `predict`; or a list of views, whose looks are not merged.
            rng: source of the channel shifts, if the config asks for them.

        Raises:
            InputError: not such an image, or merged views of a model with several classes.
        """
        check_rgb(image)
        config, shape = self.config, (image.shape[0], image.shape[1])
        if config.downscale and min(shape) > config.min_dim:
            return self.look(shrink_image(image, config.min_dim), views, rng=rng).resized(shape)
        if views is None:
            return Prediction([Look(View(), [0], self.detect(image))], shape, self.masking)
        if isinstance(views, str) and len(config.class_names) > 1:
            raise InputError(f"views {views}: merging needs a single class; this model has {len(config.class_names)}")
        shifts = config.channel_shift and rng is not None
        distinct = distinct_views(self._views(views), shape, self._enlargement(shape), channel_shift=shifts)
        rng = rng or np.random.default_rng(config.seed)
        found = self._detect(
            (apply_view(image, view, rng, channel_shift=shifts) for view, _ in distinct), self._fits(shape)
        )
        looks = [Look(view, places, part) for (view, places), part in zip(distinct, found, strict=True)]
        return Prediction(looks, shape, self.masking, views if isinstance(views, str) else None)

    def detect(self, image: np.ndarray) -> Paintable:
        """Return boxes, classes, scores and mask probabilities of an image, (H, W, 3) uint8, in one view."""
        return self._detect([image], self._fits((image.shape[0], image.shape[1])))[0]

    def _views(self, views: Views | Sequence[View]) -> Sequence[View]:
        if not isinstance(views, str):
            return views
        chosen = VIEW_SETS[views]
        return [view.swap_scales() for view in chosen] if self.config.swap_scales and views == "votes" else chosen

    @property
    def _looks_again(self) -> bool:
        """Whether full images are detected again; the published code did not."""
        return self.config.look_again and not self.config.as_published

    def _fits(self, image_shape: tuple[int, int]) -> bool:
        """Return whether an image is detected whole, in all its views, rather than in tiles."""
        return bool(self.config.max_dim) or max(image_shape) <= self.config.max_whole_side

    def _enlargement(self, image_shape: tuple[int, int]) -> float:
        """Return the factor by which detection enlarges an image, or its tiles."""
        longest = max(image_shape) if self._fits(image_shape) else self.config.tile_size
        return usual_scale((min(*image_shape, longest), longest), self.config.min_dim, self.config.longest_strip)

    def _detect(self, images: Iterable[np.ndarray], whole: bool) -> Sequence[Paintable]:
        """Return the detections in views of one image."""
        # Before tiling: the tiles of an image share its contrast.
        images = map(stretch_contrast, images) if self.config.stretch_contrast else images
        detector, again = self._network(), self._looks_again
        if whole:
            images = list(images)
            found = detector(images)
            return list(map(partial(look_again, detector), images, found)) if again else found
        size, overlap = self.config.tile_size, self.config.tile_overlap
        return [detect_in_tiles(detector, image, size, overlap, again=again) for image in images]

    def _load(self) -> "Detector":
        from common.network.settings import prepare_keras

        prepare_keras()

        from common.network.mask_rcnn.detector import load_detector

        return load_detector(self.config, self.weights)

    @staticmethod
    def _apply(model: Any) -> "Detector":
        from common.network.mask_rcnn.detector import Detector

        return Detector(model)


class MapPredictor(Trained[UNetConfig, Segment]):
    """Segments images of any size.

    Handles everything between an image and its mask: size, views, threshold, connected parts. The network is built for
    the first image.

    Args:
        config: of the model, with the options of masks.
        weights: HDF5 file.
    """

    config_class = UNetConfig

    @property
    def hint(self) -> str:
        """What may be the reason where no image has any object."""
        return f"try other --weights, or a lower --mask-threshold than {self.config.mask_threshold:g}"

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
        check_rgb(image)
        config = self.config
        chosen = MAP_VIEWS[views or config.views]
        maps = self._network()([view_input(image, view, config.image_size, config.stride) for view in chosen])
        probs = average_views(maps, chosen, config.image_size)
        return MapPrediction(probs, (image.shape[0], image.shape[1]), config.mask_threshold, config.largest)

    def _load(self) -> "Segmenter":
        from common.network.settings import prepare_keras

        prepare_keras()

        from common.network.unet.segmenter import load_segmenter

        return load_segmenter(self.config, self.weights)

    @staticmethod
    def _apply(model: Any) -> "Segmenter":
        from common.network.unet.segmenter import Segmenter

        return Segmenter(model)


def predictor_class(config_class: type[RunConfig]) -> type[Predictor] | type[MapPredictor]:
    """Return the predictor of the networks with such a config.

    Example:
        >>> predictor_class(UNetConfig).__name__
        'MapPredictor'
    """
    return MapPredictor if issubclass(config_class, MapPredictor.config_class) else Predictor
