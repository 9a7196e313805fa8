"""Flags that the scripts of all competitions share, parsed once into values."""

import argparse
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from common.cluster.spread import FLAGS as SPREAD_FLAGS
from common.cluster.spread import Spread, add_spread_flags, read_spread
from common.errors import InputError
from common.flags import Item, OneLineParser, Shard, add_config_flags, output_file, split_values
from common.runs.changes import flag_text
from common.runs.start import Start, adopt_geometry, named_weights
from common.settings.config import CONFIG_FILE, LAST_WEIGHTS, RunConfig
from common.storage.trees import data_path

if TYPE_CHECKING:
    from common.images.usable import Reader

C = TypeVar("C", bound=RunConfig)


@dataclass(frozen=True, kw_only=True)
class TrainingFlags:
    """What a training script was asked to do, besides its config.

    Attributes:
        start: where the run is kept, and what it starts from.
        dataset: folder or archive; the current folder if images are generated.
        limit: how many images to train on, the first ones; None: all.
        skip_bad: report unusable images and continue.
        given: config options that were given, by name.
        own: values of the script's own flags, by name.
    """

    start: Start
    dataset: Path
    limit: int | None
    skip_bad: bool
    given: Mapping[str, Any]
    own: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ModelFlags:
    """Which model a script was asked to use.

    Attributes:
        weights: "last", one of `named_weights`, or a file; of several networks, separated by commas.
        logs: folder of all runs.
        preset: name of the config for weights without one beside them.
        given: config options that were given, by name.
        own: values of the script's own flags, by name.
    """

    weights: str
    logs: Path
    preset: str
    given: Mapping[str, Any]
    own: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class PredictionFlags(ModelFlags):
    """What a prediction script was asked to do, besides its config.

    Attributes:
        dataset: folder or archive; the current folder if images are generated.
        output: the CSV to write.
        sample_submission: CSV that gives ids and their order, if any.
        score: True: score against the set's own ground truth; a path: against that; None: do not score.
        spread: over which processes the prediction is spread.
        overlays: folder for images with their objects drawn in, if any.
        limit: how many images to predict, the first ones; None: all.
        shard: of these images, the ones to predict.
        skip_bad: report unusable images and continue.
    """

    dataset: Path
    output: Path
    sample_submission: Path | None
    score: bool | Path | None
    spread: Spread
    overlays: Path | None
    limit: int | None
    shard: Shard
    skip_bad: bool

    def choose(self, images: Sequence[Item]) -> Sequence[Item]:
        """Return the images to predict, of all that there are.

        Raises:
            InputError: there are none in the shard.
        """
        chosen = self.shard.select(images[: self.limit])
        if images and not chosen:
            number, of = self.shard
            raise InputError(f"--shard {number}/{of}: holds none of the images, which are fewer; choose fewer shards")
        return chosen

    @property
    def reader(self) -> "Reader":
        """What reads the images of a new set: the workers of a cluster if there is one."""
        from common.cluster.client import choose_reader  # imports what reads images

        return choose_reader(self.spread, self.dataset)

    def folders(self, own: Collection[str] = ()) -> dict[str, Path]:
        """Return the folders to write to, by flag name; `own` names those among the script's own flags."""
        named = {"overlays": self.overlays, **{name: self.own[name] for name in own}}
        return {name: folder for name, folder in named.items() if folder}


def run_command(
    description: str | None,
    commands: Mapping[str, Callable[[Sequence[str]], None]],
    arguments: Sequence[str] | None = None,
) -> None:
    """Run the command that a script's first argument names, with the arguments after it.

    Args:
        description: the script's docstring.
        commands: by name.
        arguments: instead of the command line.

    Raises:
        InputError: no command, or an unknown one.
    """
    parser = OneLineParser(description, "%(prog)s {" + ",".join(commands) + "} [flags]")
    parser.add_argument("command", choices=list(commands), help="what to do; each has its own --help")
    arguments = sys.argv[1:] if arguments is None else arguments
    commands[parser.parse_args(arguments[:1]).command](arguments[1:])


def parse_training_flags(
    presets: Mapping[str, C],
    *,
    dataset: str | None,
    parser: OneLineParser,
    arguments: Sequence[str] | None = None,
) -> tuple[C, TrainingFlags]:
    """Read a training script's flags.

    Args:
        presets: experiments by name, the default first; `--preset` chooses one; each of its options is a flag.
        dataset: default of `--dataset`; None: no such flag, as images are generated.
        parser: with the script's own flags, if any.
        arguments: instead of the command line.

    Returns:
        The experiment with the given values, and the other flags.
    """
    _add_common_flags(parser, presets, dataset)
    config_class = _class_of(presets)
    _add_start_flags(parser, config_class)
    add_config_flags(parser, config_class, "training")
    shared = {"dataset", "logs", "preset", "limit", "skip_bad", "weights", "exclude", "epochs"}
    values, given, own = split_values(vars(parser.parse_args(arguments)), config_class, shared)
    config = replace(presets[values["preset"]], **given)
    if values["epochs"] is not None:
        if values["epochs"] < 1:
            raise InputError(f"--epochs {values['epochs']}: must be at least 1")
        config = config.with_epochs(values["epochs"])
    weights, names = values["weights"], (*config_class.starts, *named_weights(config_class))
    if weights is not None and weights not in names and not Path(weights).is_file():
        raise InputError(f"--weights {weights}: no such file; give {', '.join(names)} or a weights file")
    _check_limit(values["limit"])
    start = Start(values["logs"], weights, exclude=values["exclude"], geometry_given="geometry" in given)
    source = {"dataset": values.get("dataset", Path()), "skip_bad": values.get("skip_bad", False)}
    flags = TrainingFlags(start=start, limit=values["limit"], **source, given=given, own=own)
    return config, flags


def parse_model_flags(
    presets: Mapping[str, C],
    parser: OneLineParser,
    *,
    without: Collection[str] = (),
    arguments: Sequence[str] | None = None,
) -> ModelFlags:
    """Read the flags of a script that uses a trained model; `choose_model` applies those of the config.

    Args:
        presets: configs for weights without one beside them, the default first.
        parser: with the script's own flags.
        without: see `add_config_flags`.
        arguments: instead of the command line.
    """
    _add_model_flags(parser, presets, without)
    shared = {"weights", "logs", "preset"}
    values, given, own = split_values(vars(parser.parse_args(arguments)), _class_of(presets), shared)
    return ModelFlags(**values, given=given, own=own)


def parse_prediction_flags(
    presets: Mapping[str, C],
    *,
    dataset: str | None,
    output: str,
    parser: OneLineParser,
    without: Collection[str] = (),
    arguments: Sequence[str] | None = None,
) -> PredictionFlags:
    """Read a prediction script's flags; `choose_model` applies those of the config.

    Args:
        presets: configs for weights without one beside them, the default first.
        dataset: default of `--dataset`; None: no such flag, as images are generated.
        output: default of `--output`.
        parser: with the script's own flags; `add_sample_flag` adds that of a submission.
        without: see `add_config_flags`.
        arguments: instead of the command line.
    """
    _add_set_flags(parser, dataset)
    _add_model_flags(parser, presets, without)
    add = parser.add_argument
    help = f"the file to write (default: {output}; of a shard, with its number)"
    add("--output", type=output_file, metavar="CSV", help=help)
    help = "score against the set's own ground truth, or against a solution file or another set"
    add("--score", type=Path, nargs="?", const=True, metavar="CSV|PATH", help=help)
    add_spread_flags(parser)
    add("--overlays", type=Path, metavar="DIR", help="write images with the objects' contours drawn in")
    help = "predict the K-th of N shards of the images; the CSVs of all, in order, are that of one run"
    add("--shard", type=Shard.parse, default=Shard(), metavar="K/N", help=help)
    shared = {"weights", "logs", "preset", "dataset", "limit", "shard", "skip_bad"}
    shared |= {"output", "score", "overlays", "sample_submission", *SPREAD_FLAGS}
    values, given, own = split_values(vars(parser.parse_args(arguments)), _class_of(presets), shared)
    _check_limit(values["limit"])
    values["output"] = values["output"] or values["shard"].name(Path(output))
    values = {"dataset": Path(), "skip_bad": False, "sample_submission": None, **values}
    if values["shards"] and (values["score"] or values["overlays"]):
        raise InputError("--shards: no scores and overlays; merge the shards first, with submissions/submission.py")
    spread = read_spread({name: values.pop(name) for name in SPREAD_FLAGS}, skip_bad=values["skip_bad"])
    return PredictionFlags(**values, spread=spread, given=given, own=own)


def add_sample_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--sample-submission`."""
    help = "lists the ids in their order (default: all, sorted)"
    parser.add_argument("--sample-submission", type=Path, metavar="CSV", help=help)


def choose_model(flags: ModelFlags, presets: Mapping[str, C], script: str, runs: Sequence[str] = ()) -> tuple[C, Path]:
    """Return the config and the weights that flags name.

    The config is the one saved beside the weights, else the preset's, with values given as flags. The geometry is
    the weights' own, if they record one and no flag sets it.

    Args:
        flags: from the command line.
        presets: configs for weights without one beside them.
        script: the training script, for the message.
        runs: names of the runs that "last" chooses from, the latest first; by default the config's.

    Raises:
        InputError: no such file or run.
    """
    preset = presets[flags.preset]
    names = runs or [flags.given.get("name", preset.name)]
    weights = find_weights(flags.weights, flags.logs, names, script, type(preset))
    beside = weights.parent / CONFIG_FILE
    config = type(preset).load(beside) if beside.exists() else preset
    adopted = config if "geometry" in flags.given else adopt_geometry(config, weights)
    return replace(adopted, **flags.given), weights


def choose_models(
    flags: ModelFlags,
    presets: Mapping[str, C],
    script: str,
    runs: Sequence[str] = (),
    *,
    alike: Collection[str] = ("class_names",),
) -> list[tuple[C, Path]]:
    """Return the config and the weights of each network that `--weights` names, separated by commas.

    Args:
        flags: see `choose_model`, as for the others; options that were given hold for all networks.
        presets: configs for weights without one beside them.
        script: the training script, for the message.
        runs: names of the runs that "last" chooses from.
        alike: options of which all networks must have the same values.

    Raises:
        InputError: no such file or run, or networks that are not alike.
    """
    names = [flags.weights] if Path(flags.weights).is_file() else flags.weights.split(",")
    models = [choose_model(replace(flags, weights=name), presets, script, runs) for name in names]
    first, first_weights = models[0]
    for config, weights in models[1:]:
        for name in alike:
            theirs, ours = flag_text(config, name), flag_text(first, name)
            if theirs != ours:
                raise InputError(f"{weights}: has {theirs}, but {first_weights} has {ours}; choose weights that agree")
    return models


def find_weights(
    name: str, logs: Path, runs: Sequence[str], script: str, config_class: type[RunConfig] = RunConfig
) -> Path:
    """Return the weights to predict with.

    Args:
        name: "last" for the last epoch of the first of `runs` that has one, one of `named_weights`, else a file.
        logs: folder of all runs.
        runs: names, the latest first.
        script: the training script, for the message.
        config_class: of the network and the competition, see `named_weights`.

    Raises:
        InputError: no such file or run, or named weights of another competition.
    """
    named = named_weights(config_class, config_class.competition())
    if name in named:
        return named[name]
    if name in named_weights():
        raise InputError(
            f"--weights {name}: finds the objects of another competition; start training from it with {script} "
            f"--weights {name}, then predict with the result"
        )
    choices = "".join(f", or {known}, which comes with the project" for known in named)
    if name != "last":
        if not Path(name).is_file():
            raise InputError(
                f"--weights {name}: no such file; give an .h5 file, or last for the last step in --logs{choices}"
            )
        return Path(name)
    found = [logs / run / LAST_WEIGHTS for run in runs if (logs / run / LAST_WEIGHTS).exists()]
    if not found:
        raise InputError(f"{logs}: no trained step; train with {script}, or give --weights a file{choices}")
    return found[0]


def _class_of(presets: Mapping[str, C]) -> type[C]:
    return type(next(iter(presets.values())))


def _add_common_flags(parser: OneLineParser, presets: Mapping[str, RunConfig], dataset: str | None) -> None:
    _add_set_flags(parser, dataset)
    _add_run_flags(parser, presets)


def _add_set_flags(parser: OneLineParser, dataset: str | None) -> None:
    add = parser.add_argument
    if dataset is not None:
        help = f"folder or zip, or the URL of one, such as s3://bucket/folder (default: {dataset})"
        add("--dataset", type=data_path, default=Path(dataset), metavar="PATH", help=help)
        add("--skip-bad", action="store_true", help="report unusable images and skip them")
    add("--limit", type=int, metavar="N", help="use the first N images only")


def _add_run_flags(parser: OneLineParser, presets: Mapping[str, RunConfig]) -> None:
    add, default = parser.add_argument, next(iter(presets))
    add("--logs", type=Path, default=Path("logs"), metavar="DIR", help="folder of all runs (default: logs)")
    help = f"hyperparameters to start from (default: {default})"
    add("--preset", choices=list(presets), default=default, help=help)


def _add_start_flags(parser: OneLineParser, config_class: type[RunConfig]) -> None:
    add, names = parser.add_argument, (*config_class.starts, *named_weights(config_class))
    usual = "coco with frozen batch norm, none with --norm group" if "coco" in config_class.starts else "none"
    help = (
        "what to start from; last: this run's last epoch, else the previous step's "
        f"(default: last if there is one, else {usual})"
    )
    add("--weights", metavar="|".join([*names, "PATH"]), help=help)
    help = f"layers that keep their random initial weights, e.g. {','.join(config_class.output_layers)}"
    add("--exclude", type=lambda text: tuple(text.split(",")), default=(), metavar="LAYER,...", help=help)
    add("--epochs", type=int, metavar="N", help="epochs of the whole run; stages are scaled in proportion")


def _add_model_flags(parser: OneLineParser, presets: Mapping[str, RunConfig], without: Collection[str]) -> None:
    _add_run_flags(parser, presets)
    config_class = _class_of(presets)
    names = list(named_weights(config_class, config_class.competition()))
    came = "".join(f"; {name}: comes with the project" for name in names)
    help = f"last: those of the last step under --logs (default){came}"
    parser.add_argument("--weights", default="last", metavar="|".join(["last", *names, "PATH"]), help=help)
    add_config_flags(parser, _class_of(presets), "prediction", without=without)


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise InputError(f"--limit {limit}: must be at least 1")
