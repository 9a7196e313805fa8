"""The hyperparameters that every training run has; their fields become `config.json`, and flags in `common/flags.py`.

A network's config is a subclass with the network's own hyperparameters, such as `MaskRCNNConfig`.
"""

import dataclasses
import json
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

from common.errors import InputError

# In the folder of a run:
CONFIG_FILE = "config.json"
LAST_WEIGHTS = "last.h5"
STATE_FILE = "last.npz"


Use: TypeAlias = Literal["training", "prediction"]


def option(
    default: Any, help: str, *, minimum: float | None = None, maximum: float | None = None, only: Use | None = None
) -> Any:
    """Declare a field of a config.

    Args:
        default: its value where nobody says more.
        help: its meaning and unit.
        minimum: smallest value.
        maximum: largest value.
        only: what the value matters to: training, or prediction (and scores during training); both by default.
    """
    return field(default=default, metadata={"help": help, "minimum": minimum, "maximum": maximum, "only": only})


@dataclass(frozen=True)
class Stage:
    """A part of a training run: the epochs up to `last_epoch` at one learning rate, on some layers."""

    last_epoch: int
    learning_rate: float
    layers: str = "all"

    def __post_init__(self) -> None:
        if self.last_epoch < 1 or not 0 < self.learning_rate < 10:
            raise InputError(f"stage {self}: epochs start at 1, learning rates lie in (0, 10)")

    @classmethod
    def parse(cls, text: str) -> "Stage":
        """Read `last_epoch:learning_rate` or `last_epoch:learning_rate:layers`, e.g. `20:1e-3:heads`."""
        last_epoch, learning_rate, *layers = text.split(":", 2)
        return cls(int(last_epoch), float(learning_rate), *layers)

    def __str__(self) -> str:
        return f"{self.last_epoch}:{self.learning_rate!r}:{self.layers}"


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What every training run has: its data, schedule, optimiser and validation, whatever the network.

    A network's config is a subclass with options of its own; a competition's is a subclass of that one and changes
    defaults, whose meaning and range stay; an experiment is an instance.

    Attributes:
        unused: names of options that mean nothing to a subclass: neither flags nor in `config.json`.
    """

    unused: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        """Turn bare new defaults into fields before `dataclass` looks at them."""
        super().__init_subclass__()
        inherited = {spec.name: spec.metadata for spec in dataclasses.fields(cls)}
        for name in cls.__dict__.keys() & inherited.keys():
            if not isinstance(cls.__dict__[name], dataclasses.Field):
                setattr(cls, name, field(default=cls.__dict__[name], metadata=inherited[name]))

    # Run
    name: str = option("run", "names the run's folder under --logs")
    seed: int = option(123, "seed of every random choice", minimum=0, maximum=2**32 - 1, only="training")
    class_names: tuple[str, ...] = option(("object",), "names of the classes 1, 2, ...; background is not one")

    # Data
    balanced: bool = option(
        False, "repeat images of rare sizes; where there are several classes, of rare classes", only="training"
    )
    batch_size: int = option(2, "images a step", minimum=1, only="training")
    steps_per_epoch: int = option(0, "batches an epoch; 0: all images once", minimum=0, only="training")

    # Schedule and optimiser
    schedule: tuple[Stage, ...] = option((Stage(40, 1e-3),), "stages last_epoch:learning_rate:layers", only="training")
    decay: Literal["steps", "cosine"] = option(
        "steps", "learning rate constant in a stage, or falling along a cosine", only="training"
    )
    warmup_steps: int = option(0, "steps over which the learning rate rises from 0", minimum=0, only="training")
    optimizer: Literal["sgd", "adamw"] = option("sgd", "gradient descent with momentum 0.9, or AdamW", only="training")
    momentum: float = option(0.9, "of the optimiser", minimum=0, maximum=0.9999, only="training")
    gradient_clip: float = option(5.0, "largest norm of the gradient", minimum=0.001, only="training")
    weight_decay: float = option(
        1e-4,
        "sgd: L2, divided by each kernel's size; adamw: decoupled, not on norms and biases",
        minimum=0,
        only="training",
    )
    bfloat16: bool = option(
        False,
        "convolve in bfloat16 where the machine has units for it, else float32; losses, boxes and scores stay float32",
    )

    # Validation
    validation_steps: int = option(50, "batches that the validation losses see", minimum=0, only="training")
    score_every: int = option(0, "epochs between scores on the validation images; 0: never", minimum=0, only="training")
    score_limit: int = option(20, "validation images that are scored in training", minimum=1, only="training")

    def __post_init__(self) -> None:
        for spec in dataclasses.fields(self):
            _check_value(spec, getattr(self, spec.name))
        last_epochs = [stage.last_epoch for stage in self.schedule]
        if last_epochs != sorted(set(last_epochs)) or not last_epochs:
            raise InputError(f"--schedule: the last epochs {last_epochs} must rise from stage to stage")

    @property
    def epochs(self) -> int:
        """Epochs of the whole run."""
        return self.schedule[-1].last_epoch

    def with_epochs(self, epochs: int) -> "typing.Self":
        """Return a copy whose schedule ends after `epochs`, every stage shortened or lengthened in proportion.

        Each stage keeps an epoch at least; where there are fewer epochs than stages, the last stages are left out.
        """
        stages: list[Stage] = []
        for i, stage in enumerate(self.schedule):
            last = min(epochs, max(i + 1, round(stage.last_epoch * epochs / self.epochs)))
            if not stages or last > stages[-1].last_epoch:
                stages.append(dataclasses.replace(stage, last_epoch=last))
        return dataclasses.replace(self, schedule=tuple(stages))

    @property
    def default_start(self) -> str:
        """What a run starts from that has no step before it: "coco", "imagenet" or "none"."""
        return "none"

    @classmethod
    def options(cls, use: Use | None = None) -> "list[dataclasses.Field]":
        """Return the fields that matter, all but those in `unused`.

        Args:
            use: only those that matter to training, or to prediction.
        """
        return [
            spec
            for spec in dataclasses.fields(cls)
            if spec.name not in cls.unused and (use is None or spec.metadata["only"] in (None, use))
        ]

    def save(self, path: Path) -> None:
        """Write every option to a JSON file."""
        values: dict[str, Any] = {spec.name: getattr(self, spec.name) for spec in self.options()}
        values["schedule"] = [str(stage) for stage in self.schedule]
        path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path, *, others: bool = False) -> "typing.Self":
        """Read what `save` wrote.

        Args:
            path: the JSON file.
            others: pass over fields that this class does not know, such as those of a competition's subclass.

        Raises:
            InputError: no such file, no JSON, an unknown field or an impossible value.
        """
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; it is written beside the weights in training") from None
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: not a configuration: {error}") from None
        if not isinstance(values, dict):
            raise InputError(f"{path}: not a configuration: no JSON object")
        known = {spec.name for spec in cls.options()}
        unknown = sorted(set(values) - known - cls.unused)
        if unknown and not others:
            raise InputError(
                f"{path}: unknown fields {', '.join(unknown)}; was it written by another version? delete these lines"
            )
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items() if k in known}
        try:
            if "schedule" in fields:
                fields["schedule"] = tuple(Stage.parse(stage) for stage in fields["schedule"])
            return cls(**fields)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path}: a value of the wrong kind: {error}; train anew, or mend it") from None


def flag_name(name: str) -> str:
    """Return a field's flag without its dashes.

    Example:
        >>> flag_name("min_dim")
        'min-dim'
    """
    return name.replace("_", "-")


def _check_value(spec: Any, value: Any) -> None:
    if not _is_of(value, spec.type):
        raise InputError(f"--{flag_name(spec.name)} {value!r}: a value of the wrong kind")
    if typing.get_origin(spec.type) is Literal and value not in typing.get_args(spec.type):
        raise InputError(f"--{flag_name(spec.name)} {value}: choose one of {', '.join(typing.get_args(spec.type))}")
    minimum, maximum = spec.metadata.get("minimum"), spec.metadata.get("maximum")
    if (minimum is not None and not value >= minimum) or (maximum is not None and not value <= maximum):
        bounds = f"at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
        raise InputError(f"--{flag_name(spec.name)} {value}: must be {bounds}")


def _is_of(value: Any, kind: Any) -> bool:
    """Tell whether a value, from a JSON file, say, is of a field's type."""
    if typing.get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_is_of(part, typing.get_args(kind)[0]) for part in value)
    if typing.get_origin(kind) is Literal:
        return isinstance(value, str)
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, kind)
