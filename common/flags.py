"""Flags from the options of a config."""

import argparse
import dataclasses
import re
import typing
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, NoReturn, TypeVar

from common.errors import InputError
from common.settings.config import RunConfig, Stage
from common.settings.options import Use, flag_name

Item = TypeVar("Item")


class Shard(NamedTuple):
    """One of several shards of the images, in their order and of nearly equal size.

    Attributes:
        number: which one, from 1.
        of: how many there are.
    """

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Return what a flag says, as its `type`.

        Example:
            >>> Shard.parse("3/8")
            Shard(number=3, of=8)
        """
        if not (match := re.fullmatch(r"([1-9]\d{0,8})/([1-9]\d{0,8})", text)) or int(match[1]) > int(match[2]):
            raise argparse.ArgumentTypeError(f"{text}: give a number from 1 and how many there are, such as 3/8")
        return cls(int(match[1]), int(match[2]))

    def name(self, path: Path) -> Path:
        """Return the path with the shard's number, so that no shard takes another's place.

        Example:
            >>> str(Shard(3, 8).name(Path("a.csv"))), str(Shard().name(Path("a.csv")))
            ('a-3-of-8.csv', 'a.csv')
        """
        return path if self.of == 1 else path.with_stem(f"{path.stem}-{self.number}-of-{self.of}")

    def select(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return the shard's items.

        Example:
            >>> [Shard(number, 3).select("abcde") for number in (1, 2, 3)]
            ['a', 'bc', 'de']
        """
        return items[(self.number - 1) * len(items) // self.of : self.number * len(items) // self.of]


class OneLineParser(argparse.ArgumentParser):
    """An argument parser that reports a wrong flag in one line, with exit code 2."""

    def __init__(self, description: str | None, usage: str = "%(prog)s [flags]") -> None:
        super().__init__(
            usage=usage,  # the generated one would list every flag
            description=_as_modules(description) if _is_installed() else description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raise the message as bad input."""
        raise InputError(f"{message} (--help lists the flags)")


def _is_installed() -> bool:
    """Return whether this is a package among others rather than a clone, whose scripts are at hand."""
    return not Path(__file__).parents[1].joinpath("setup.cfg").is_file()


def _as_modules(description: str | None) -> str:
    """Return a script's docstring with the commands of an installed package.

    Example:
        >>> _as_modules("Try it: python dsb/score.py a.csv")
        'Try it: python -m dsb.score a.csv'
    """
    return re.sub(r"python (\w+)/(\w+)\.py", r"python -m \1.\2", description or "")


def output_file(text: str) -> Path:
    """Return the path of a CSV to write, as a flag's `type`."""
    path = Path(text)
    if not path.name or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: a folder; give the name of the CSV file to write")
    if path.suffix != ".csv":  # files beside it share its name, with another suffix
        raise argparse.ArgumentTypeError(f"{text}: give a name that ends in .csv")
    return path


def add_config_flags(
    parser: argparse.ArgumentParser, config_class: type[RunConfig], use: Use, *, without: Collection[str] = ()
) -> None:
    """Add a flag for every option of a config that affects training, or prediction; none has a default.

    Args:
        parser: gets the flags, as a group.
        config_class: the config.
        use: "training" or "prediction".
        without: names of options without effect in this script.
    """
    defaults = {"training": "the preset's", "prediction": "config.json beside the weights"}
    group = parser.add_argument_group(f"hyperparameters (default: {defaults[use]})")
    hints = typing.get_type_hints(config_class)
    for spec in config_class.options(None if use == "training" else use):
        if spec.name not in without:
            _add_option(group, spec, hints[spec.name], argparse.SUPPRESS)


def add_option_flags(parser: argparse.ArgumentParser, config_class: type[RunConfig], names: Collection[str]) -> None:
    """Add flags for some options of a config, with its defaults, to a script that has no config of its own."""
    hints = typing.get_type_hints(config_class)
    for spec in config_class.options():
        if spec.name in names:
            _add_option(parser, spec, hints[spec.name], spec.default)


def split_values(
    values: Mapping[str, Any], config_class: type[RunConfig], shared: Collection[str]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Split parsed values into the shared flags, the config's options that were given, and all others.

    Args:
        values: of all flags, by name.
        config_class: the config.
        shared: names of the shared flags.
    """
    names = {spec.name for spec in dataclasses.fields(config_class)} - set(shared)
    return (
        {name: value for name, value in values.items() if name in shared},
        {name: value for name, value in values.items() if name in names},
        {name: value for name, value in values.items() if name not in names and name not in shared},
    )


def _add_option(parser: argparse._ActionsContainer, spec: dataclasses.Field, hint: Any, default: Any) -> None:
    parser.add_argument(
        f"--{flag_name(spec.name)}",
        dest=spec.name,
        default=default,
        help=spec.metadata["help"].replace("%", "%%"),
        **_parsing(hint),
    )


def _parsing(hint: Any) -> dict[str, Any]:
    """Return argparse's keywords for a type hint."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is bool:
        return {"action": argparse.BooleanOptionalAction}
    if origin is Literal:
        return {"choices": arguments}
    if origin is tuple:
        convert = Stage.parse if arguments[0] is Stage else arguments[0]
        return {"type": _listed(convert), "metavar": "A,B,..."}
    return {"type": hint, "metavar": {int: "N", float: "X"}.get(hint, "TEXT")}


def _listed(convert: Any) -> Any:
    def values(text: str) -> tuple[Any, ...]:
        return tuple(convert(part) for part in text.split(","))

    values.__name__ = "comma-separated list"
    return values
