"""Flags that the scripts of all competitions share."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from common.config import CONFIG_FILE, Config, OneLineParser, add_config_flags, replace_from_flags
from common.errors import InputError

C = TypeVar("C", bound=Config)
DEFAULT_PRESET = "published"
STARTS = ("coco", "imagenet", "last", "none")  # what training starts from, besides files


def parse_training_flags(
    description: str | None, presets: Mapping[str, C], *, dataset: str, arguments: Sequence[str] | None = None
) -> tuple[C, argparse.Namespace]:
    """Read a training script's flags.

    Args:
        description: the script's docstring.
        presets: experiments by name; `--preset` chooses one, every field of it is a flag, too.
        dataset: default of `--dataset`.
        arguments: instead of the command line's.

    Returns:
        The experiment with the given values, and `dataset`, `weights`, `logs`, `limit` and `skip_bad`.
    """
    parser = OneLineParser(description)
    _add_common_flags(parser, presets, dataset)
    parser.add_argument(
        "--weights",
        metavar="coco|imagenet|last|none|PATH",
        help="what to start from; last: this run's last epoch, else the previous step's "
        "(default: last where there is one, else coco for the published preset, none for the others)",
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="epochs of the whole run; the stages keep their shares")
    some_config = next(iter(presets.values()))
    add_config_flags(parser, type(some_config), "figures of the run (default: the preset's)")
    flags = parser.parse_args(arguments)
    config = replace_from_flags(presets[flags.preset], flags)
    if flags.epochs is not None:
        if flags.epochs < 1:
            raise InputError(f"--epochs {flags.epochs}: must be at least 1")
        config = config.with_epochs(flags.epochs)
    if flags.weights not in (None, *STARTS) and not Path(flags.weights).is_file():
        raise InputError(f"--weights {flags.weights}: no such file; give {', '.join(STARTS)} or a weights file")
    _check_limit(flags)
    return config, flags


def parse_inference_flags(
    presets: Mapping[str, C],
    *,
    dataset: str,
    output: str,
    parser: OneLineParser,
    arguments: Sequence[str] | None = None,
) -> argparse.Namespace:
    """Read an inference script's flags; those of the config are applied by `config_of_weights`.

    Args:
        presets: configs for weights that have none beside them.
        dataset: default of `--dataset`.
        output: default of `--output`.
        parser: with the script's own flags.
        arguments: instead of the command line's.
    """
    _add_common_flags(parser, presets, dataset)
    add = parser.add_argument
    add("--weights", default="last", metavar="last|PATH", help="last: of the last step under --logs (default)")
    add("--output", type=Path, default=Path(output), metavar="CSV", help=f"the submission (default: {output})")
    add("--sample-submission", type=Path, metavar="CSV", help="gives the ids and their order (default: all, sorted)")
    add("--workers", type=int, default=1, metavar="N", help="processes beside the predicting one; 0: none (default: 1)")
    add("--score", type=Path, metavar="CSV|PATH", help="score against a solution file, or a set with masks")
    add("--picture", type=Path, metavar="DIR", help="write pictures with the objects drawn in")
    some_config = next(iter(presets.values()))
    add_config_flags(parser, type(some_config), "figures of the model (default: config.json beside the weights)")
    flags = parser.parse_args(arguments)
    if flags.workers < 0:
        raise InputError(f"--workers {flags.workers}: must be at least 0")
    _check_limit(flags)
    return flags


def config_of_weights(flags: argparse.Namespace, weights: Path, presets: Mapping[str, C]) -> C:
    """Return the config saved beside weights, else the preset's, with the values given as flags."""
    preset = presets[flags.preset]
    beside = weights.parent / CONFIG_FILE
    config = type(preset).load(beside) if beside.exists() else preset
    return replace_from_flags(config, flags)


def _add_common_flags(parser: OneLineParser, presets: Mapping[str, Config], dataset: str) -> None:
    add = parser.add_argument
    add("--dataset", type=Path, default=Path(dataset), metavar="PATH", help=f"folder or zip (default: {dataset})")
    add("--logs", type=Path, default=Path("logs"), metavar="DIR", help="folder of all runs (default: logs)")
    add(
        "--preset",
        choices=list(presets),
        default=DEFAULT_PRESET,
        help=f"the figures to start from (default: {DEFAULT_PRESET})",
    )
    add("--limit", type=int, metavar="N", help="use the first N pictures only")
    add("--skip-bad", action="store_true", help="report unusable pictures and go on")


def _check_limit(flags: argparse.Namespace) -> None:
    if flags.limit is not None and flags.limit < 1:
        raise InputError(f"--limit {flags.limit}: must be at least 1")
