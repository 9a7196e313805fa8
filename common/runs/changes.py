"""What differs between two configs, and what that means for a run or for weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from common.errors import InputError
from common.settings.config import CONFIG_FILE, RunConfig
from common.settings.options import Fixed, Measure, flag_name

C = TypeVar("C", bound=RunConfig)


def flag_text(config: RunConfig, name: str) -> str:
    """Return an option as a command line gives it.

    Example:
        >>> flag_text(RunConfig(class_names=("cat", "dog")), "class_names")
        '--class-names cat,dog'
    """
    value = getattr(config, name)
    if isinstance(value, bool):
        return f"--{'' if value else 'no-'}{flag_name(name)}"
    return f"--{flag_name(name)} {','.join(map(str, value)) if isinstance(value, tuple) else value}"


def differing(config: RunConfig, other: RunConfig, fixed: Sequence[Fixed | None]) -> list[str]:
    """Return the names of the options that both configs have, with other values.

    Args:
        config: names are in its order.
        other: of any class.
        fixed: which options, see `common.settings.options.Facts`.
    """
    theirs = {spec.name for spec in other.options()}
    names = [spec.name for spec in config.options() if spec.metadata["fixed"] in fixed and spec.name in theirs]
    return [name for name in names if getattr(config, name) != getattr(other, name)]


def check_resumable(folder: Path, before: RunConfig, now: RunConfig) -> list[str]:
    """Return a line for each hyperparameter that a run is resumed with another value of.

    Args:
        folder: of the run.
        before: what its checkpoint was trained with.
        now: what it is to go on with.

    Raises:
        InputError: an option that is fixed once a run has begun has another value.
    """
    if fixed := differing(before, now, ("weights", "run")):
        wanted = ", ".join(f"{flag_text(before, name)} (not {_value(now, name)})" for name in fixed)
        raise InputError(
            f"{folder}: this run began with {wanted}; resume it with the same, or begin another with another --logs"
        )
    return [
        f"resuming with another {name}: {getattr(now, name)} instead of {getattr(before, name)}"
        for name in differing(before, now, (None,))
    ]


def describe_mismatch(weights: Path, config: RunConfig | None) -> str:
    """Return which options weights were trained with other values of, such as "--norm group (here frozen_batch)".

    Args:
        weights: `config.json` beside them says how they were trained.
        config: what they are loaded for; None: unknown.

    Returns:
        Empty if nothing differs, or nothing is known.
    """
    trained = _trained(weights, config)
    if config is None or trained is None:
        return ""
    names = differing(trained, config, ("weights",))
    return ", ".join(f"{flag_text(trained, name)} (here {_value(config, name)})" for name in names)


def other_task(weights: Path, config: C) -> C | None:
    """Return how weights were trained if it was on other classes alone, so that they are a start for a new task.

    Args:
        weights: `config.json` beside them says how they were trained; None without it.
        config: what they are loaded for.
    """
    trained = _trained(weights, config)
    return trained if trained and set(trained.class_names).isdisjoint(config.class_names) else None


def swaying(config: RunConfig, measure: Measure) -> dict[str, Any]:
    """Return the options, by name, that a loss or a score depends on besides the weights and the images."""
    uses = (None, "prediction") if measure == "score" else (None,)
    return {
        spec.name: getattr(config, spec.name)
        for spec in config.options()
        if spec.metadata["only"] in uses or spec.metadata["sways"] == measure
    }


def _trained(weights: Path, config: C | None) -> C | None:
    """Return how weights were trained, by the `config.json` beside them; None if that is unknown."""
    if config is None:
        return None
    try:
        return type(config).load(weights.parent / CONFIG_FILE, others=True)
    except InputError:
        return None


def _value(config: RunConfig, name: str) -> str:
    return flag_text(config, name).removeprefix(f"--{flag_name(name)} ")
