"""What a run starts from."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from common.errors import InputError
from common.runs.published_weights import find_published_weights
from common.runs.seen import IMAGES_FILE
from common.settings.config import CONFIG_FILE, LAST_WEIGHTS, STATE_FILE, RunConfig
from common.settings.mask_rcnn import MaskRCNNConfig
from common.storage.files import cache_folder

NAMED_WEIGHTS = "weights.h5"

C = TypeVar("C", bound=RunConfig)


@dataclass(frozen=True)
class Start:
    """Where a run is kept and what it starts from.

    Attributes:
        logs: folder of all runs.
        weights: "coco", "imagenet", "last", "none", one of `named_weights`, or a file: what a new run starts from.
            "last" is the previous step's last epoch. None: "last", or without a previous step the config's
            `default_start`.
        previous: name of the previous step, if any.
        exclude: names of layers that keep their initial weights.
        geometry_given: the config's geometry was set by a flag; else that of the weights is adopted.
    """

    logs: Path
    weights: str | None = None
    previous: str | None = None
    exclude: tuple[str, ...] = ()
    geometry_given: bool = False


def named_weights(config_class: type[RunConfig] = RunConfig, competition: str | None = None) -> dict[str, Path]:
    """Return the weights that come with the project by name: `<competition>/weights/<name>/weights.h5`.

    Installed, competitions lie among other packages; the names of the images belong to this project's weights alone.

    Args:
        config_class: only those of its network; `RunConfig`: of all networks.
        competition: only those that find its objects; None: all, which are starts for any training.
    """
    root = Path(__file__).resolve().parents[2]
    found = sorted(root.glob(f"{competition or '*'}/weights/*/{NAMED_WEIGHTS}"))
    ours = [path for path in found if path.with_name(IMAGES_FILE).is_file()]
    return {path.parent.name: path for path in ours if config_class.is_kind_of(path.parent / CONFIG_FILE)}


def find_start(start: Start, config: RunConfig) -> Path | None:
    """Return the weights that a run starts from, its own last ones if it has begun; None: from scratch.

    Raises:
        InputError: nothing to start from.
    """
    folder = start.logs / config.name
    if (folder / STATE_FILE).exists():
        return folder / LAST_WEIGHTS
    weights = start.weights or ("last" if start.previous else config.default_start)
    if weights == "none":
        return None
    if weights == "last" and start.previous is None:
        others = ", ".join(one for one in config.starts if one != "last")
        raise InputError(f"{folder}: no run to resume; start one with --weights {others} or a file")
    if weights in ("coco", "imagenet"):
        return find_published_weights(weights, [Path(), start.logs], cache_folder())
    if weights == "last":
        last = start.logs / str(start.previous) / LAST_WEIGHTS
        if not last.is_file():
            raise InputError(f"{last}: no such file; train step {start.previous} first, or give --weights")
        return last
    return named_weights(type(config)).get(weights, Path(weights))


def adopt_geometry(config: C, weights: Path | None) -> C:
    """Return the config with the geometry that weights were trained with, if they record it.

    Args:
        config: of a run or a prediction; unchanged if its network has no geometries.
        weights: what it starts from, if anything.
    """
    if weights is None or not isinstance(config, MaskRCNNConfig):
        return config
    from common.runs.weights_file import read_geometry  # brings h5py, which is slow to import

    return replace(config, geometry=read_geometry(weights) or config.geometry)
