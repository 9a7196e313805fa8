"""Flags that the scripts of all competitions share."""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from common.config import CONFIG_FILE, LAST_WEIGHTS, Config
from common.errors import InputError
from common.flags import OneLineParser, add_config_flags, flag_name, output_file, replace_from_flags

C = TypeVar("C", bound=Config)
SHIPPED_WEIGHTS = "weights.h5"
STARTS = ("coco", "imagenet", "last", "none")  # what training starts from, besides files


def run_command(
    description: str | None,
    commands: Mapping[str, Callable[[Sequence[str]], None]],
    arguments: Sequence[str] | None = None,
) -> None:
    """Run the command that a script's first argument names, with the arguments after it.

    Args:
        description: the script's docstring.
        commands: by name.
        arguments: instead of the command line's.

    Raises:
        InputError: no command, or an unknown one.
    """
    parser = OneLineParser(description, "%(prog)s {" + ",".join(commands) + "} [flags]")
    parser.add_argument("command", choices=list(commands), help="what to do; each has its own --help")
    arguments = sys.argv[1:] if arguments is None else arguments
    commands[parser.parse_args(arguments[:1]).command](arguments[1:])


def parse_training_flags(
    description: str | None,
    presets: Mapping[str, C],
    *,
    dataset: str | None,
    parser: OneLineParser | None = None,
    arguments: Sequence[str] | None = None,
) -> tuple[C, argparse.Namespace]:
    """Read a training script's flags.

    Args:
        description: the script's docstring.
        presets: experiments by name, the default first; `--preset` chooses one, every field of it is a flag, too.
        dataset: default of `--dataset`; None: images come from nowhere, and there is no such flag.
        parser: with the script's own flags, if it has any.
        arguments: instead of the command line's.

    Returns:
        The experiment with the given values, and `dataset`, `weights`, `exclude`, `logs`, `limit` and `skip_bad`.
    """
    parser = parser or OneLineParser(description)
    _add_common_flags(parser, presets, dataset)
    parser.add_argument(
        "--weights",
        metavar="coco|imagenet|last|none|PATH",
        help="what to start from; last: this run's last epoch, else the previous step's "
        "(default: last where there is one, else coco where batch norm is frozen, none where --norm is group)",
    )
    parser.add_argument(
        "--exclude",
        type=lambda text: tuple(text.split(",")),
        default=(),
        metavar="LAYER,...",
        help="layers that do not take the weights they could start from, "
        "e.g. mrcnn_class_logits,mrcnn_bbox_fc,mrcnn_bbox,mrcnn_mask",
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
    dataset: str | None,
    output: str,
    submission: bool = True,
    shipped: Path | None = None,
    folders: Sequence[str] = (),
    parser: OneLineParser,
    arguments: Sequence[str] | None = None,
) -> argparse.Namespace:
    """Read an inference script's flags; those of the config are applied by `config_of_weights`.

    Args:
        presets: configs for weights that have none beside them, the default first.
        dataset: default of `--dataset`; None: images come from nowhere, and there is no such flag.
        output: default of `--output`.
        submission: the output goes to a competition, so there are `--sample-submission` and `--score`.
        shipped: see `find_weights`.
        folders: of the script's own flags those that name a folder to write to.
        parser: with the script's own flags.
        arguments: instead of the command line's.
    """
    _add_common_flags(parser, presets, dataset)
    add = parser.add_argument
    add_weights_flag(parser, shipped)
    add(
        "--output", type=output_file, default=Path(output), metavar="CSV", help=f"the file to write (default: {output})"
    )
    if submission:
        add("--sample-submission", type=Path, metavar="CSV", help="gives ids and their order (default: all, sorted)")
        add("--score", type=Path, metavar="CSV|PATH", help="score against a solution file, or a set with masks")
    add("--workers", type=int, default=1, metavar="N", help="processes beside the predicting one; 0: none (default: 1)")
    add("--overlays", type=Path, metavar="DIR", help="write images with the objects drawn in")
    some_config = next(iter(presets.values()))
    add_config_flags(parser, type(some_config), "figures of the model (default: config.json beside the weights)")
    flags = parser.parse_args(arguments)
    if flags.workers < 0:
        raise InputError(f"--workers {flags.workers}: must be at least 0")
    _check_limit(flags)
    check_outputs(flags, ["overlays", *folders])
    return flags


def add_weights_flag(parser: argparse.ArgumentParser, shipped: Path | None = None) -> None:
    """Add `--weights`, which `find_weights` understands."""
    names = shipped_names(shipped)
    came = "".join(f"; {name}: came with the project" for name in names)
    parser.add_argument(
        "--weights",
        default="last",
        metavar="|".join(["last", *names, "PATH"]),
        help=f"last: of the last step under --logs (default){came}",
    )


def shipped_names(folder: Path | None) -> list[str]:
    """Return the names of the weights in a folder that came with the project; each has a folder of its own there."""
    return sorted(path.parent.name for path in folder.glob(f"*/{SHIPPED_WEIGHTS}")) if folder else []


def config_of_weights(flags: argparse.Namespace, weights: Path, presets: Mapping[str, C]) -> C:
    """Return the config saved beside weights, else the preset's, with the values given as flags.

    The geometry is the weights' own, where they say it.
    """
    from common.runs.start import adopt_geometry  # HDF5 loads for a while

    preset = presets[flags.preset]
    beside = weights.parent / CONFIG_FILE
    config = type(preset).load(beside) if beside.exists() else preset
    return adopt_geometry(replace_from_flags(config, flags), weights, flags)


def choose_model(flags: argparse.Namespace, presets: Mapping[str, C], script: str) -> tuple[C, Path]:
    """Return the config and the weights of the run that an inference script's flags name.

    Args:
        flags: from `parse_inference_flags`.
        presets: see `parse_inference_flags`.
        script: that trains, for the message.

    Raises:
        InputError: no such file or run.
    """
    run = getattr(flags, "name", presets[flags.preset].name)
    weights = find_weights(flags.weights, flags.logs, [run], script)
    return config_of_weights(flags, weights, presets), weights


def find_weights(name: str, logs: Path, runs: Sequence[str], script: str, *, shipped: Path | None = None) -> Path:
    """Return the weights to predict with.

    Args:
        name: "last" for the last epoch of the first of `runs` that has one, one of `shipped_names`, else a file.
        logs: folder of all runs.
        runs: names, the latest first.
        script: that trains, for the message.
        shipped: the folder of the weights that came with the project, if any.

    Raises:
        InputError: no such file or run.
    """
    names = shipped_names(shipped)
    came = "".join(f", or {shipped_name}, which came with the project" for shipped_name in names)
    if shipped and name in names:
        return shipped / name / SHIPPED_WEIGHTS
    if name != "last":
        if not Path(name).is_file():
            raise InputError(
                f"--weights {name}: no such file; give an .h5 file, or last for the last step in --logs{came}"
            )
        return Path(name)
    found = [logs / run / LAST_WEIGHTS for run in runs if (logs / run / LAST_WEIGHTS).exists()]
    if not found:
        raise InputError(f"{logs}: no trained step there; train with {script}, or give --weights a file{came}")
    return found[0]


def check_outputs(flags: argparse.Namespace, folders: Sequence[str]) -> None:
    """Refuse outputs that would replace each other, or what is read.

    Args:
        flags: from the command line.
        folders: those that name a folder to write to.

    Raises:
        InputError: two of them are one place.
    """
    places: dict[Path, str] = {}
    for name in ("dataset", "sample_submission", "score", "output", *folders):
        path = getattr(flags, name, None)
        if not isinstance(path, Path):  # neither given nor, as `--score` of some scripts, without a value
            continue
        other = places.setdefault(path.resolve(), name)
        if other != name and name in ("output", *folders):
            raise InputError(f"--{name} {path}: that is the place of --{flag_name(other)}; choose another one")


def prepare_outputs(
    flags: argparse.Namespace,
    source: Path,
    image_names: Iterable[str],
    *,
    folders: Sequence[str] = (),
    anywhere: bool = False,
) -> None:
    """Refuse outputs that could replace images of the set, or join them; make the folders, before hours of work.

    Args:
        flags: from `parse_inference_flags`.
        source: the set's folder or archive.
        image_names: of the set's images, relative to it.
        folders: see `parse_inference_flags`.
        anywhere: images are read from any folder of the set, so that folders of images are refused in all of it.

    Raises:
        InputError: there is such an output.
    """
    root = source.resolve()
    holding = {(root / name).parent for name in image_names} if root.is_dir() else set()
    for name in ("output", "overlays", *folders):
        path = getattr(flags, name)
        taken = {root, *holding} if anywhere and root.is_dir() and name != "output" else holding
        if path and not taken.isdisjoint([path.resolve(), *path.resolve().parents]):
            raise InputError(f"--{name} {path}: lies among the images of {source}; choose another place")
    for name in ("overlays", *folders):
        if getattr(flags, name):
            getattr(flags, name).mkdir(parents=True, exist_ok=True)


def _add_common_flags(parser: OneLineParser, presets: Mapping[str, Config], dataset: str | None) -> None:
    add, default = parser.add_argument, next(iter(presets))
    if dataset is not None:
        add("--dataset", type=Path, default=Path(dataset), metavar="PATH", help=f"folder or zip (default: {dataset})")
    add("--logs", type=Path, default=Path("logs"), metavar="DIR", help="folder of all runs (default: logs)")
    add(
        "--preset",
        choices=list(presets),
        default=default,
        help=f"the figures to start from (default: {default})",
    )
    add("--limit", type=int, metavar="N", help="use the first N images only")
    add("--skip-bad", action="store_true", help="report unusable images and go on")


def _check_limit(flags: argparse.Namespace) -> None:
    if flags.limit is not None and flags.limit < 1:
        raise InputError(f"--limit {flags.limit}: must be at least 1")
