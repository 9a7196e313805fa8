"""Hyperparameters of every training run; the fields become `config.json`, and flags in `common/flags.py`.

A network's config, such as `MaskRCNNConfig`, is a subclass with that network's hyperparameters.
"""

import dataclasses
import json
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from common.errors import InputError
from common.settings.options import Use, check_value, option

# In the folder of a run:
CONFIG_FILE = "config.json"
LAST_WEIGHTS = "last.h5"
STATE_FILE = "last.npz"


@dataclass(frozen=True)
class Stage:
    """A part of a training run: epochs up to `last_epoch` at one learning rate, training some layers."""

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
    """Options of every training run, whatever the network: data, schedule, optimiser and validation.

    A network's config subclasses it and adds options; a competition's subclasses that and changes defaults, keeping
    meanings and ranges; an experiment is an instance.

    Attributes:
        unused: names of options without meaning in a subclass: neither flags nor in `config.json`.
        starts: what training may start from, besides weights that come with the project and files.
        telling: name of an option that only this network has, by which its `config.json` is known; "" for any network.
        output_layers: names of the layers whose shapes depend on the classes.
    """

    unused: ClassVar[frozenset[str]] = frozenset()
    starts: ClassVar[tuple[str, ...]] = ("last", "none")
    telling: ClassVar[str] = ""
    output_layers: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        """Turn bare new defaults into fields before `dataclass` processes them; what is fixed stays so."""
        super().__init_subclass__()
        inherited = {spec.name: spec.metadata for spec in dataclasses.fields(cls)}
        for name in cls.__dict__.keys() & inherited.keys():
            new: Any = cls.__dict__[name]
            facts: dict[str, Any] = dict(inherited[name])
            if isinstance(new, dataclasses.Field):
                new, facts = new.default, {**new.metadata, "fixed": facts["fixed"], "sways": facts["sways"]}
            setattr(cls, name, field(default=new, metadata=facts))

    # Run
    name: str = option("run", "name of the run's folder under --logs")
    seed: int = option(123, "seed of every random choice", minimum=0, maximum=2**32 - 1, only="training")
    class_names: tuple[str, ...] = option(
        ("object",), "names of the classes 1, 2, ...; background is not one", fixed="weights"
    )

    # Data
    balanced: bool = option(
        False, "repeat images of rare sizes, or of rare classes if there are several", only="training"
    )
    balance: Literal["full", "root"] = option(
        "full",
        "with --balanced, images of a rare size are repeated until it is as common as the most common one, or only "
        "the square root of that many times",
        only="training",
    )
    batch_size: int = option(2, "images per step, on all devices together", minimum=1, only="training")
    devices: int = option(1, "GPUs that share each batch; --batch-size is a multiple", minimum=1, only="training")
    steps_per_epoch: int = option(0, "steps per epoch; 0: all images once", minimum=0, only="training")

    # Schedule and optimiser
    schedule: tuple[Stage, ...] = option((Stage(40, 1e-3),), "stages last_epoch:learning_rate:layers", only="training")
    decay: Literal["steps", "cosine"] = option(
        "steps", "learning rate constant within a stage, or cosine decay", only="training"
    )
    warmup_steps: int = option(0, "steps over which the learning rate rises from 0", minimum=0, only="training")
    optimizer: Literal["sgd", "adamw"] = option("sgd", "SGD with momentum, or AdamW", only="training", fixed="run")
    momentum: float = option(0.9, "of SGD; beta 1 of AdamW", minimum=0, maximum=0.9999, only="training")
    gradient_clip: float = option(5.0, "clip gradients to this global norm", minimum=0.001, only="training")
    weight_decay: float = option(
        1e-4,
        "sgd: L2 penalty, divided by each kernel's size; adamw: decoupled, except norms and biases",
        minimum=0,
        only="training",
        sways="loss",
    )
    bfloat16: bool = option(
        False,
        "convolve in bfloat16 if the hardware supports it, else float32; losses, boxes and scores stay float32",
    )

    # Validation
    validation_steps: int = option(
        50,
        "batches for the validation losses, at most all held-out images; 0: all",
        minimum=0,
        only="training",
        sways="loss",
    )
    score_every: int = option(0, "epochs between scores on held-out images; 0: never", minimum=0, only="training")
    score_limit: int = option(20, "held-out images scored during training", minimum=1, only="training", sways="score")

    # TensorBoard
    log_hyperparameters: bool = option(True, "write config and hyperparameters to TensorBoard", only="training")
    overlay_limit: int = option(
        4, "held-out images to draw for TensorBoard when images are scored; 0: none", minimum=0, only="training"
    )
    histogram_every: int = option(
        5, "epochs between histograms of the weights in TensorBoard; 0: never", minimum=0, only="training"
    )

    def __post_init__(self) -> None:
        for spec in dataclasses.fields(self):
            check_value(spec, getattr(self, spec.name))
        if self.batch_size % self.devices:
            raise InputError(
                f"--batch-size {self.batch_size}: not a multiple of --devices {self.devices}, which share it evenly"
            )
        if self.balance == "root" and not self.balanced:
            raise InputError("--balance root: says how far images are repeated; add --balanced")
        last_epochs = [stage.last_epoch for stage in self.schedule]
        if last_epochs != sorted(set(last_epochs)) or not last_epochs:
            raise InputError(f"--schedule: the last epochs {last_epochs} must increase from stage to stage")

    @property
    def epochs(self) -> int:
        """Epochs of the whole run."""
        return self.schedule[-1].last_epoch

    def with_epochs(self, epochs: int) -> "typing.Self":
        """Return a copy whose schedule ends after `epochs`, every stage scaled in proportion.

        Each stage keeps at least one epoch; with fewer epochs than stages, the last stages are dropped.
        """
        stages: list[Stage] = []
        for i, stage in enumerate(self.schedule):
            last = min(epochs, max(i + 1, round(stage.last_epoch * epochs / self.epochs)))
            if not stages or last > stages[-1].last_epoch:
                stages.append(dataclasses.replace(stage, last_epoch=last))
        return dataclasses.replace(self, schedule=tuple(stages))

    @property
    def default_start(self) -> str:
        """What a run without a previous step starts from: "coco", "imagenet" or "none"."""
        return "none"

    @classmethod
    def options(cls, use: Use | None = None) -> "list[dataclasses.Field]":
        """Return the fields, except those in `unused`.

        Args:
            use: only those that affect training, or prediction.
        """
        return [
            spec
            for spec in dataclasses.fields(cls)
            if spec.name not in cls.unused and (use is None or spec.metadata["only"] in (None, use))
        ]

    def misfits(self, other: "typing.Self") -> tuple[str, ...]:
        """Return the names of the models within the network that another network's weights would fill in part alone.

        Half of a trained head is a worse start than random weights.

        Args:
            other: of the weights, which were trained on other classes.
        """
        return ()

    @classmethod
    def competition(cls) -> str | None:
        """Return the folder of the competition that the config is of; None for those of `common/`."""
        folder = cls.__module__.split(".")[0]
        return None if folder == "common" else folder

    def to_json(self) -> str:
        """Return every option as JSON, which `from_json` reads."""
        values: dict[str, Any] = {"competition": self.competition()} if self.competition() else {}
        values |= {spec.name: getattr(self, spec.name) for spec in self.options()}
        values["schedule"] = [str(stage) for stage in self.schedule]
        return json.dumps(values, indent=2) + "\n"

    def save(self, path: Path) -> None:
        """Write every option to a JSON file."""
        path.write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def is_kind_of(cls, path: Path) -> bool:
        """Return whether a file that `save` wrote is of this network, or cannot be read, which `load` reports."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return True
        return not cls.telling or not isinstance(values, dict) or cls.telling in values

    @classmethod
    def load(cls, path: Path, *, others: bool = False) -> "typing.Self":
        """Read what `save` wrote.

        Args:
            path: the JSON file.
            others: ignore unknown fields, such as those of a competition's subclass.

        Raises:
            InputError: no such file, not JSON, an unknown field or an invalid value.
        """
        try:
            return cls.from_json(path.read_text(encoding="utf-8"), path, others=others)
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; training writes it beside the weights") from None
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not a configuration: {error}") from None

    @classmethod
    def from_json(cls, text: str, path: Path, *, others: bool = False) -> "typing.Self":
        """Return the config that `to_json` turned into text; see `load`.

        Args:
            text: JSON.
            path: where it is from, for messages.
            others: see `load`.
        """
        try:
            values: dict[str, Any] = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}: not a configuration: {error}") from None
        if not isinstance(values, dict):
            raise InputError(f"{path}: not a configuration: not a JSON object")
        theirs, ours = values.pop("competition", None), cls.competition()
        if theirs and ours and theirs != ours and not others:
            raise InputError(f"{path}: a model of {theirs}/, where one of {ours}/ is needed; choose other weights")
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
            raise InputError(f"{path}: a value of the wrong type: {error}; fix it, or train again") from None
