"""What predictors of all networks share: a config, weights, and a network that is built when it is needed."""

import threading
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np

from common.errors import InputError
from common.runs.start import adopt_geometry, named_weights
from common.settings.config import CONFIG_FILE, RunConfig

C = TypeVar("C", bound=RunConfig)
Applied = TypeVar("Applied")  # a network ready to be called with images


class Trained(ABC, Generic[C, Applied]):
    """A trained network. Thread-safe; pickling sends only the config and the path of the weights.

    A subclass names its config and says how the network is loaded and applied.

    Args:
        config: of the model, with the options of prediction.
        weights: HDF5 file.
    """

    config_class: ClassVar[type[RunConfig]]

    def __init__(self, config: C, weights: Path) -> None:
        self.config = config
        self.weights = weights
        self._applied: Applied | None = None
        self._loading = threading.Lock()

    @classmethod
    def load(cls, weights: str | Path, **changes: Any) -> Self:
        """Return a predictor from weights with a `config.json` beside them.

        Args:
            weights: an HDF5 file, or the name of weights that come with the project, such as "small".
            changes: config options to override, by name.

        Raises:
            InputError: no such file, no config beside it, or an invalid value.
        """
        named = named_weights(cls.config_class)
        path = named.get(str(weights), Path(weights))
        if not path.is_file():
            choices = f", or one of {', '.join(named)}" if named else ""
            raise InputError(f"{weights}: no such file; give an .h5 file{choices}")
        beside = path.parent / CONFIG_FILE
        if not cls.config_class.is_kind_of(beside):
            raise InputError(f"{beside}: of another network than {cls.__name__}'s; choose other weights")
        config = cls.config_class.load(beside, others=True)
        unknown = sorted(changes.keys() - {spec.name for spec in cls.config_class.options("prediction")})
        if unknown:
            raise InputError(f"{unknown[0]}: not a prediction option; `{cls.config_class.__name__}` lists them")
        return cls(replace(adopt_geometry(config, path), **changes), path)  # type: ignore[arg-type]

    @classmethod
    def of_model(cls, model: Any) -> Self:
        """Return a predictor for a model in memory, with its current weights at each call; cannot be pickled."""
        return cls.of_function(model.config, cls._apply(model))

    @classmethod
    def of_function(cls, config: C, function: Applied, weights: Path = Path()) -> Self:
        """Return a predictor whose network is a function, such as one that runs an exported model.

        Args:
            config: of the model.
            function: takes a list of images, and returns what the network says of each.
            weights: whose they are; with the default, the predictor cannot be pickled.
        """
        predictor = cls(config, weights)
        predictor._applied = function
        return predictor

    def prepare(self) -> None:
        """Build the network and load its weights now, not at the first image.

        Raises:
            InputError: the weights are not of this network.
        """
        self._network()

    def _network(self) -> Applied:
        with self._loading:
            if self._applied is None:
                self._applied = self._load()
            return self._applied

    @property
    def limits(self) -> str:
        """What is said of an image that may hold more objects than were found."""
        return "may hold more objects than were found"

    @property
    @abstractmethod
    def hint(self) -> str:
        """What may be the reason where no image has any object."""

    @abstractmethod
    def look(self, image: np.ndarray) -> Any:
        """Return what the network says of an image, (H, W, 3) uint8; its `instances()` are the objects."""

    @abstractmethod
    def _load(self) -> Applied:
        """Return the network with its weights, ready to be called."""

    @staticmethod
    @abstractmethod
    def _apply(model: Any) -> Any:
        """Return a network in memory, ready to be called."""

    def __getstate__(self) -> dict[str, Any]:
        if self.weights == Path():
            raise TypeError("a predictor of a model in memory cannot be pickled; save its weights and load those")
        return {"config": self.config, "weights": self.weights}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]
