"""A hand-made set of white blood cells in the class-folder layout."""

import cv2
import numpy as np

SHAPE = (57, 72)


def write_pair(root, subset, class_name, name, mask, *, border=0):
    """Write an image with dark cells where the mask is set, and the mask, cropped by `border` pixels on each side."""
    image = np.full((*mask.shape, 3), 200, np.uint8)
    image[mask] = (150, 60, 110)
    inner = mask[border : mask.shape[0] - border, border : mask.shape[1] - border]
    for kind, content in (("image", image), ("mask", inner.astype(np.uint8) * 255)):
        path = root / subset / kind / class_name / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), content)


def disc(y, x, radius):
    rows, columns = np.ogrid[: SHAPE[0], : SHAPE[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def write_set(root):
    """Write six images with masks and two without into `root`, and return it."""
    nothing = np.zeros(SHAPE, bool)
    write_pair(root, "train", "Monocyte", "Monocyte_01", disc(28, 36, 15), border=4)
    write_pair(root, "train", "Neutrophil", "Neutrophil_01", disc(2, 3, 12) | disc(36, 50, 14))
    write_pair(root, "train", "Neutrophil", "Neutrophil_02", nothing, border=4)
    write_pair(root, "train", "Neutrophil", "Neutrophil_03", disc(25, 30, 14), border=4)
    write_pair(root, "val", "Monocyte", "Monocyte_02", disc(30, 30, 15), border=4)
    write_pair(root, "val", "Neutrophil", "Neutrophil_04", disc(26, 40, 14), border=4)
    (root / "detect" / "image").mkdir(parents=True)
    for name in "ab":
        cv2.imwrite(str(root / "detect" / "image" / f"{name}.png"), np.full((*SHAPE, 3), 150, np.uint8))
    return root
