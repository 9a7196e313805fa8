"""Masks and label images in files: what an annotator drew, as arrays, and label images to write."""

import numpy as np

from common.errors import InputError
from common.images.decoding import _decode


def decode_mask(data: bytes, name: str) -> np.ndarray:
    """Decode an image to a mask: a pixel is set where any colour channel is not 0; alpha is ignored.

    Args:
        data: the file's content.
        name: the file's name, for messages.

    Returns:
        (H, W) bool.

    Raises:
        InputError: not an image, or a damaged one.
    """
    image = _decode(data, name)
    return image != 0 if image.ndim == 2 else (image != 0).any(axis=2)


def decode_labels(data: bytes, name: str) -> np.ndarray:
    """Decode a label image: 0 is background, every other value an object.

    Args:
        data: the file's content.
        name: the file's name, for messages.

    Returns:
        (H, W) int32, the objects renumbered from 1 without gaps, in the order of their values.

    Raises:
        InputError: not an image, a damaged one, colours or fractions, or a negative label.
    """
    image = _decode(data, name)
    if image.ndim == 3 or image.dtype.kind not in "iu":
        raise InputError(f"{name}: not a label image, which has one channel of integers; replace it")
    if image.min() < 0:
        raise InputError(f"{name}: has the label {image.min()}; background is 0, objects are positive")
    values, labels = np.unique(image, return_inverse=True)
    return labels.reshape(image.shape).astype(np.int32) + int(values[0] != 0)


def labels_in_16_bits(label_image: np.ndarray, name: str) -> np.ndarray:
    """Convert a label image, (H, W) int32, to what image files can hold, (H, W) uint16.

    Args:
        label_image: 0 = background.
        name: of the image, for the message.

    Raises:
        InputError: too many objects.
    """
    highest = int(label_image.max())
    if highest > np.iinfo(np.uint16).max:
        raise InputError(f"{name}: {highest} objects do not fit into 16 bits; split the image")
    return label_image.astype(np.uint16)
