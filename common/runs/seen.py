"""Which images weights were trained on: by content, or by name where the content is unknown."""

import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from common.settings.config import STATE_FILE

IMAGES_FILE = "images.txt"

Identity: TypeAlias = tuple[str, str]  # an image's id, and the fingerprint of its content; '' if that is unknown


def seen_images(folder: Path) -> list[Identity]:
    """Return the images that weights, or those they started from, were trained on; none if unknown.

    Args:
        folder: of the weights: a run's, or one with a list in `IMAGES_FILE`, see `format_images`.
    """
    try:
        with np.load(folder / STATE_FILE, allow_pickle=False) as state:
            lines = np.atleast_1d(state["images"]).tolist()
    except FileNotFoundError:
        listed = folder / IMAGES_FILE
        lines = listed.read_text(encoding="utf-8").splitlines() if listed.exists() else []
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
        lines = []  # unreadable; resuming reports the error
    return parse_images(lines)


def parse_images(lines: Iterable[str]) -> list[Identity]:
    """Return what `format_images` wrote."""
    return [(line.partition("\t")[0], line.partition("\t")[2]) for line in lines]


def format_images(images: Iterable[Identity]) -> list[str]:
    """Return one line per image: its id and, after a tab, its fingerprint, if that is known.

    Example:
        >>> [line.split() for line in format_images([("a", ""), ("b", "5-00ff00ff")])]
        [['a'], ['b', '5-00ff00ff']]
    """
    return [f"{name}\t{content}" if content else name for name, content in images]


def find_seen(images: Iterable[Identity], seen: Sequence[Identity]) -> list[str]:
    """Return the ids of those images that are among others, sorted.

    Two images are the same if their contents are. Names decide only where one of the contents is unknown: many sets
    number their images from 1.

    Example:
        >>> find_seen([("1", "5-aa"), ("2", "5-bb"), ("3", "")], [("1", "5-bb"), ("3", "5-cc")])
        ['2', '3']
    """
    contents = {content for _, content in seen if content}
    names, unknown = {name for name, _ in seen}, {name for name, content in seen if not content}
    return sorted(name for name, content in images if content in contents or name in (unknown if content else names))
