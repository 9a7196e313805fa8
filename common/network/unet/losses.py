"""The two losses of a map, from logits; each is a mean over the images of a batch.

Where several devices share a batch, each returns its share: they add up to the mean.
"""

from keras import ops

from common.network.devices import share
from common.network.tensor import Tensor

LOSS_NAMES = ("bce_loss", "dice_loss")
SMOOTH = 1.0  # pixels; keeps the Dice loss of an empty mask finite, and low where little is predicted


def bce_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean binary cross-entropy of the pixels.

    Args:
        logits: (B, H, W, 1) float32.
        targets: (B, H, W, 1) float32, 0 or 1.
    """
    return share(ops.mean(ops.maximum(logits, 0) - logits * targets + ops.log1p(ops.exp(-ops.abs(logits)))))


def dice_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Return 1 minus the mean soft Dice coefficient of the images.

    Probabilities take the place of a mask, so the gradient reaches every pixel; a Dice coefficient of thresholded
    masks has none.

    Args:
        logits: (B, H, W, 1) float32.
        targets: (B, H, W, 1) float32, 0 or 1.

    Source: Milletari, Navab, Ahmadi: V-Net, 2016, with sums instead of sums of squares.
    """
    probs = ops.sigmoid(logits)
    shared = ops.sum(probs * targets, axis=(1, 2, 3))
    both = ops.sum(probs, axis=(1, 2, 3)) + ops.sum(targets, axis=(1, 2, 3))
    return share(ops.mean(1 - (2 * shared + SMOOTH) / (both + SMOOTH)))
