"""Load a trained network of any competition."""

from typing import Any

from common.errors import InputError
from common.predictor import MapPredictor, Predictor, predictor_class
from common.runs.start import named_weights
from competitions.sets import Competition


def load_predictor(weights: str, competition: Competition, **changes: Any) -> Predictor | MapPredictor:
    """Return a predictor from weights with a `config.json` beside them.

    Args:
        weights: an HDF5 file, or the name of weights that come with the project.
        competition: whose objects it finds.
        changes: config options to override, by name.

    Raises:
        InputError: no such file, or weights of another competition or network.
    """
    config_class = type(competition.config)
    named, ours = named_weights(), named_weights(config_class, config_class.competition())
    if weights in named and weights not in ours:
        choices = f"{', '.join(ours)} or " if ours else ""
        raise InputError(f"--weights {weights}: finds the objects of another competition; give {choices}a file")
    return predictor_class(config_class).load(weights, **changes)
