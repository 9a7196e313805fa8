"""The losses over the validation batches."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from common.batches.loader import BatchLoader


def validation_losses(
    model: Any, validation: BatchLoader, losses: Callable[[Mapping], Mapping[str, float]]
) -> dict[str, float]:
    """Return the means of the losses over the first validation batches, as many as the config says.

    The model samples the same anchors and regions each time, and training's random state is left untouched.

    Args:
        model: a `Network`.
        validation: its batches.
        losses: returns the model's losses of a batch, by name.
    """
    whole = validation.steps_per_epoch
    steps = min(model.config.validation_steps or whole, whole)
    states = model.random_states
    before = [keras.ops.convert_to_numpy(state) for state in states]
    sums: Counter[str] = Counter()
    try:
        for state in states:
            state.assign(np.array([model.config.seed, 0], state.dtype))
        for step in range(steps):
            sums.update(losses(validation.batch_at(step)))
    finally:  # an interruption saves them
        for state, values in zip(states, before, strict=True):
            state.assign(values)
    return {key: value / steps for key, value in sums.items()}
