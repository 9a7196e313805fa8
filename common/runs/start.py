"""What a run starts from."""

import argparse
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from common.config import LAST_WEIGHTS, STATE_FILE, Config
from common.errors import InputError
from common.files import cache_folder
from common.runs.published_weights import find_published_weights
from common.runs.weights_file import read_geometry

IMAGES_FILE = "images.txt"

C = TypeVar("C", bound=Config)


def find_start(weights: str | None, logs: Path, config: Config, *, previous: str | None = None) -> Path | None:
    """Return the weights that a run starts from, its own last ones where it has begun; None: from nothing.

    Args:
        weights: "coco", "imagenet", "last", "none" or a path: what a run starts from that has not begun. "last" is
            the previous step's last epoch. None: "last"; where there is no step before "coco" for a network whose
            batch norm is frozen, which could not learn it, else "none".
        logs: folder of all runs.
        config: of the run.
        previous: name of the step before, if any.

    Raises:
        InputError: nothing there to start from.
    """
    folder = logs / config.name
    if (folder / STATE_FILE).exists():
        return folder / LAST_WEIGHTS
    weights = weights or ("last" if previous else "coco" if config.norm == "frozen_batch" else "none")
    if weights == "none":
        return None
    if weights == "last" and previous is None:
        raise InputError(f"{folder}: no run to go on with; start one with --weights coco, none or a file")
    if weights in ("coco", "imagenet"):
        return find_published_weights(weights, [Path(), logs], cache_folder())
    return logs / str(previous) / LAST_WEIGHTS if weights == "last" else Path(weights)


def seen_images(folder: Path) -> list[str]:
    """Return the names of the images that weights were trained on, and those that they started from; none if unknown.

    Args:
        folder: of the weights: a run's, or one with a list in `IMAGES_FILE`, a line an image.
    """
    try:
        with np.load(folder / STATE_FILE, allow_pickle=False) as state:
            return np.atleast_1d(state["images"]).tolist()
    except FileNotFoundError:
        listed = folder / IMAGES_FILE
        return listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
        return []  # whoever goes on with a damaged state says so


def warn_of_trained_images(weights: Path, image_ids: Iterable[str]) -> None:
    """Say so where weights were trained on images of these names."""
    both = set(seen_images(weights.parent)).intersection(image_ids)
    if both:
        print(f"careful: {weights} was trained on {len(both)} of these images, such as {min(both)}")


def adopt_geometry(config: C, weights: Path | None, flags: argparse.Namespace) -> C:
    """Return the config with the geometry that weights were trained in, unless a flag says which.

    Args:
        config: of a run or a prediction.
        weights: what it starts from, if anything.
        flags: from the command line.
    """
    if "geometry" in flags or weights is None:
        return config
    return replace(config, geometry=read_geometry(weights) or config.geometry)
