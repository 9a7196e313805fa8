"""What an option of a config is: a field that says what it means, what it affects and which values it takes."""

import typing
from dataclasses import field
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

from common.errors import InputError

Use: TypeAlias = Literal["training", "prediction"]
Fixed: TypeAlias = Literal["weights", "run"]
Measure: TypeAlias = Literal["loss", "score"]


class Facts(TypedDict, total=False):
    """What is known of an option.

    Attributes:
        minimum: smallest value.
        maximum: largest value.
        only: what it affects: training, or prediction (and scores during training); both by default.
        fixed: what keeps its value: "weights", whose layers or meaning depend on it, or "run", whose optimiser does; by
            default, a run may be resumed with another value.
        sways: "loss" or "score": those before and after a change do not compare. What affects prediction sways the
            score anyway, and what affects both sways both.
    """

    minimum: float
    maximum: float
    only: Use
    fixed: Fixed
    sways: Measure


def option(default: Any, help: str, **facts: Unpack[Facts]) -> Any:
    """Declare a field of a config.

    Args:
        default: value unless set.
        help: its meaning and unit.
        facts: see `Facts`.
    """
    return field(default=default, metadata={"help": help, **dict.fromkeys(Facts.__annotations__), **facts})


def flag_name(name: str) -> str:
    """Return a field's flag without its dashes.

    Example:
        >>> flag_name("min_dim")
        'min-dim'
    """
    return name.replace("_", "-")


def check_value(spec: Any, value: Any) -> None:
    """Refuse a value that is not of a field's type, choices and range.

    Args:
        spec: the field, from `dataclasses.fields`.
        value: for it.

    Raises:
        InputError: names the field's flag, the value, and what is possible.
    """
    if not _is_of(value, spec.type):
        raise InputError(f"--{flag_name(spec.name)} {value!r}: a value of the wrong type")
    if typing.get_origin(spec.type) is Literal and value not in typing.get_args(spec.type):
        raise InputError(f"--{flag_name(spec.name)} {value}: choose one of {', '.join(typing.get_args(spec.type))}")
    minimum, maximum = spec.metadata.get("minimum"), spec.metadata.get("maximum")
    if (minimum is not None and not value >= minimum) or (maximum is not None and not value <= maximum):
        bounds = f"at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
        raise InputError(f"--{flag_name(spec.name)} {value}: must be {bounds}")


def _is_of(value: Any, kind: Any) -> bool:
    """Return whether a value, such as one from a JSON file, is of a field's type."""
    if typing.get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_is_of(part, typing.get_args(kind)[0]) for part in value)
    if typing.get_origin(kind) is Literal:
        return isinstance(value, str)
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, kind)
