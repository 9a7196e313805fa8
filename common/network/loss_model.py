"""What all networks here have in common: called with a batch, they return their losses, which are summed."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from common.network.devices import share, sum_over_devices
from common.network.tensor import Tensor


class LossModel(keras.Model):
    """A `Network` whose `call` returns its losses by name; a subclass lists the names in `loss_names`.

    Args:
        config: a `RunConfig` with `loss_weights`, one per loss, in order.
        name: of the model.
    """

    loss_names: ClassVar[Mapping[str, str]]

    def __init__(self, config: Any, name: str) -> None:
        super().__init__(name=name)
        self.config = config
        self.loss_trackers = {name: keras.metrics.Mean(name) for name in self.loss_names}

    def compute_loss(  # Keras passes these by name
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Any = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        """Return the weighted sum of the losses and the L2 penalty, or a device's share; `y_pred` is from `call`."""
        whole = sum_over_devices(y_pred)
        for name, tracker in self.loss_trackers.items():
            tracker.update_state(whole[name])
        weights = zip(self.config.loss_weights, self.loss_names, strict=True)
        total = sum(weight * y_pred[name] for weight, name in weights)
        if self.config.optimizer == "sgd" and self.config.weight_decay:
            total = total + self.config.weight_decay * share(mean_square_penalty(self.trainable_variables))
        return total


def mean_square_penalty(variables: Sequence[Any]) -> Tensor:
    """Return the sum of the variables' mean squares, without those named gamma or beta.

    Source: the Mask R-CNN library's L2 term, which divides by each weight's number of elements.
    """
    penalties = [ops.mean(ops.square(v)) for v in variables if v.name not in ("gamma", "beta")]
    return ops.sum(ops.stack(penalties)) if penalties else 0.0
