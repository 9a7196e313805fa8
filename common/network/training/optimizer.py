"""Trainable layers, learning rate and optimiser."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from common.errors import InputError
from common.network.devices import count_shares, sum_over_devices
from common.network.tensor import Tensor
from common.network.weights import weighted_layers
from common.settings.config import RunConfig

FINAL_RATE = 0.01  # a cosine ends at this share of its stage's learning rate


def learning_rate_at(config: RunConfig, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of a step: its stage's, with warm-up at the run's start and any cosine decay."""
    begin = 0
    for stage in config.schedule:
        if step < stage.last_epoch * steps_per_epoch:
            break
        begin = stage.last_epoch * steps_per_epoch
    rate = stage.learning_rate
    if config.decay == "cosine":
        progress = min(1.0, (step - begin) / (stage.last_epoch * steps_per_epoch - begin))
        rate *= FINAL_RATE + (1 - FINAL_RATE) * (1 + math.cos(math.pi * progress)) / 2
    return rate * min(1.0, (step + 1) / max(1, config.warmup_steps))


def set_trainable(model: keras.Model, layers: str) -> int:
    """Make only some layers trainable.

    Args:
        model: a network, or any other model.
        layers: "all", one of the network's `layer_groups`, or a regular expression that matches whole layer names.

    Returns:
        The number of trainable weights.

    Raises:
        InputError: not a regular expression, or no layer matches.
    """
    groups: Mapping[str, str] = {"all": ".*", **getattr(model, "layer_groups", {})}
    try:
        pattern = re.compile(groups.get(layers, layers))
    except re.error as error:
        raise InputError(f"--schedule: layers {layers!r} is not a regular expression: {error}") from None
    for layer in weighted_layers(model):
        layer.trainable = bool(pattern.fullmatch(layer.name))
    if not model.trainable_weights:
        raise InputError(f"--schedule: no layer's name matches {layers!r}; try {', '.join(groups)}")
    return len(model.trainable_weights)


def build_optimizer(config: RunConfig) -> keras.optimizers.Optimizer:
    """Return the optimiser that the config asks for; the learning rate is set at every step."""
    if config.optimizer == "sgd":
        kind = _of_whole_gradients(keras.optimizers.SGD)
        return kind(1e-3, momentum=config.momentum, global_clipnorm=config.gradient_clip)
    optimizer = _of_whole_gradients(keras.optimizers.AdamW)(
        1e-3, beta_1=config.momentum, weight_decay=config.weight_decay, global_clipnorm=config.gradient_clip
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _of_whole_gradients(kind: type[keras.optimizers.Optimizer]) -> type[keras.optimizers.Optimizer]:
    """Return a kind of optimiser that takes each device's share of the gradients, if they come in shares."""
    return kind if count_shares() == 1 else type(kind.__name__, (_WholeGradients, kind), {})


class _WholeGradients:
    """Adds up the devices' shares of the gradients, then clips the sum; Keras clips each share, then adds up."""

    def apply(self, grads: Sequence[Tensor], trainable_variables: Sequence[Any] | None = None) -> None:
        """Update the variables."""
        super().apply(sum_over_devices(list(grads)), trainable_variables)  # type: ignore[misc]

    def _all_reduce_sum_gradients(self, grads_and_vars: Sequence[tuple]) -> Sequence[tuple]:
        """Return gradients as they are; called by Keras once they are clipped."""
        return grads_and_vars
