"""Images of a set beside themselves with true and predicted objects."""

from collections.abc import Callable, Iterator

import numpy as np

from common.drawing.draw import draw_comparison
from common.drawing.gallery import DRAWN_SCORE
from common.images.colours import stretch_contrast
from common.images.image_set import ImageSet
from common.masks.instances import Instances


def draw_overlays(
    predict: Callable[[np.ndarray], Instances], images: ImageSet, *, stretch: bool = False
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the id of each image, and the image beside itself with true and predicted objects, see `draw_comparison`.

    Args:
        predict: from an image (H, W, 3) uint8 to its objects; those with a score below `DRAWN_SCORE` are left out.
        images: with their objects.
        stretch: draw on images with stretched contrast.

    Yields:
        The id, and (H, 2 W, 3) uint8, RGB.
    """
    for index, image_id in enumerate(images.image_ids):
        image = images.load_image(index)
        found = predict(image)
        seen = stretch_contrast(image) if stretch else image
        drawn = draw_comparison(seen, images.load_instances(index), found.select(found.scores >= DRAWN_SCORE))
        yield image_id, np.hstack([seen, drawn])
