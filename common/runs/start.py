"""What a run starts from."""

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from common.config import CONFIG_FILE, LAST_WEIGHTS, STATE_FILE, RunConfig
from common.errors import InputError
from common.files import cache_folder
from common.mask_rcnn_config import MaskRCNNConfig
from common.runs.published_weights import find_published_weights
from common.runs.weights_file import read_geometry

IMAGES_FILE = "images.txt"
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


def named_weights(config_class: type[RunConfig] = RunConfig) -> dict[str, Path]:
    """Return the weights that come with the project by name: `<competition>/weights/<name>/weights.h5`.

    Args:
        config_class: only those of its network; `RunConfig`: of all networks.
    """
    root = Path(__file__).resolve().parents[2]
    found = sorted(root.glob(f"*/weights/*/{NAMED_WEIGHTS}"))
    return {path.parent.name: path for path in found if config_class.is_kind_of(path.parent / CONFIG_FILE)}


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
        return start.logs / str(start.previous) / LAST_WEIGHTS
    return named_weights(type(config)).get(weights, Path(weights))


def seen_images(folder: Path) -> list[str]:
    """Return the names of images that weights, or those they started from, were trained on; none if unknown.

    Args:
        folder: of the weights: a run's, or one with a list in `IMAGES_FILE`, one line per image.
    """
    try:
        with np.load(folder / STATE_FILE, allow_pickle=False) as state:
            return np.atleast_1d(state["images"]).tolist()
    except FileNotFoundError:
        listed = folder / IMAGES_FILE
        return listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
        return []  # unreadable; resuming reports the error


def find_trained_images(weights: Path, image_ids: Iterable[str]) -> list[str]:
    """Return the names among `image_ids` of images that weights were trained on, sorted."""
    return sorted(set(seen_images(weights.parent)).intersection(image_ids))


def adopt_geometry(config: C, weights: Path | None) -> C:
    """Return the config with the geometry that weights were trained with, if they record it.

    Args:
        config: of a run or a prediction; unchanged if its network has no geometries.
        weights: what it starts from, if anything.
    """
    if weights is None or not isinstance(config, MaskRCNNConfig):
        return config
    return replace(config, geometry=read_geometry(weights) or config.geometry)
