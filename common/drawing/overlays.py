"""Images of a set beside themselves with true and predicted objects."""

from collections.abc import Callable, Iterator

import numpy as np

from common.drawing.contours import draw_comparison
from common.drawing.gallery import DRAWN_SCORE
from common.images.colours import stretch_contrast
from common.images.image_set import ImageSet
from common.masks.instances import Instances
from common.masks.resize import resize_image

HEIGHT = 384  # pixels of an overlay, whatever the image's


def draw_overlays(
    predict: Callable[[np.ndarray], Instances], images: ImageSet, *, stretch: bool = False
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the id of each image, and the image beside itself with true and predicted objects, see `draw_comparison`.

    Args:
        predict: from an image (H, W, 3) uint8 to its objects; those with a score below `DRAWN_SCORE` are left out.
        images: with their objects.
        stretch: draw on images with stretched contrast.

    Yields:
        The id, and (`HEIGHT`, 2 w, 3) uint8, RGB.
    """
    for index, image_id in enumerate(images.image_ids):
        image = images.load_image(index)
        found = predict(image)
        seen = stretch_contrast(image) if stretch else image
        shown = found.select(found.scores >= DRAWN_SCORE)
        drawn = draw_comparison(seen, images.load_instances(index), shown, height=HEIGHT)
        yield image_id, np.hstack([resize_image(seen, (drawn.shape[0], drawn.shape[1])), drawn])
