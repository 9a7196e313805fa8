"""Trainable layers, learning rate and optimiser."""

import math
import re
from collections.abc import Mapping

import keras

from common.config import RunConfig
from common.errors import InputError
from common.network.weights import weighted_layers

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
        return keras.optimizers.SGD(1e-3, momentum=config.momentum, global_clipnorm=config.gradient_clip)
    optimizer = keras.optimizers.AdamW(
        1e-3, beta_1=config.momentum, weight_decay=config.weight_decay, global_clipnorm=config.gradient_clip
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
