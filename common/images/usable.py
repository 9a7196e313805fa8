"""Check a set up front: unusable images are refused, or reported and left out; what is unusual is reported."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from typing import Protocol, TypeVar

import cv2
import numpy as np
from skimage.measure import label as label_parts

from common.errors import InputError
from common.log import logger
from common.parallel import map_in_order
from common.terminal.progress import progress_bar

Item = TypeVar("Item")
Facts = TypeVar("Facts")

NEARLY_ALL = 0.9  # of an image's pixels


class Reader(Protocol):
    """Reads the items of a set, each once, in this process or in others."""

    def __call__(
        self, read: Callable[[Item], Facts], items: Sequence[Item], name: Callable[[Item], str]
    ) -> Iterator[tuple[Facts | None, str]]:
        """Yield what `examine` returns of each item, in order.

        Args:
            read: raises InputError for an unusable item; other processes take only what can be pickled.
            items: such as the file names of each image.
            name: returns the name of an item's image, for messages.
        """


@dataclass(frozen=True)
class Oddities:
    """What is unusual about the objects of an image, but may be meant; each field counts.

    Attributes:
        cut: masks with soft edges.
        spanning: objects that reach all four borders of the image or cover nearly all of it, as background does.
        parted: objects in several parts, as all objects in one mask are.
        hollow: masks or label images that enclose more pixels than they cover, as outlines do.
    """

    cut: int = 0
    spanning: int = 0
    parted: int = 0
    hollow: int = 0

    def __add__(self, other: "Oddities") -> "Oddities":
        """Return the sums."""
        return Oddities(*map(sum, zip(astuple(self), astuple(other), strict=True)))


def sorted_by_id(
    items: Iterable[Item], image_id: Callable[[Item], str], name: Callable[[Item], object], source: str
) -> list[Item]:
    """Sort the items of a set by id.

    Args:
        items: such as the file names of each image.
        image_id: returns an item's id.
        name: returns the name of an item's image, for messages.
        source: the set, for messages.

    Raises:
        InputError: two items have the same id.
    """
    by_id: dict[str, Item] = {}
    for item in items:
        other = by_id.setdefault(image_id(item), item)
        if other is not item:
            raise InputError(f"{source}: {name(other)} and {name(item)} have the same name; rename or remove one")
    return [by_id[key] for key in sorted(by_id)]


def examine(read: Callable[[Item], Facts], item: Item) -> tuple[Facts | None, str]:
    """Return what was read of an item and "", or None and why it is unusable.

    Args:
        read: raises InputError for an unusable item.
        item: such as the file names of an image.
    """
    try:
        return read(item), ""
    except InputError as error:
        return None, str(error)


def read_in_threads(
    read: Callable[[Item], Facts], items: Sequence[Item], name: Callable[[Item], str]
) -> Iterator[tuple[Facts | None, str]]:
    """Yield what `examine` returns of each item, in order; the usual `Reader`."""
    num_threads = min(os.cpu_count() or 1, 8)
    with ThreadPoolExecutor(num_threads) as threads:
        jobs = ((name(item), (read, item)) for item in items)
        for _, found in map_in_order(examine, jobs, threads, ahead=2 * num_threads):
            yield found


def read_usable(
    read: Callable[[Item], Facts],
    items: Sequence[Item],
    *,
    source: str,
    name: Callable[[Item], str] = str,
    skip_bad: bool = False,
    reader: Reader = read_in_threads,
) -> list[tuple[Item, Facts]]:
    """Read every item of a set, with a progress bar; return the usable ones with what was read.

    Args:
        read: raises InputError for an unusable item.
        items: such as the file names of each image.
        source: the set, for messages.
        name: returns the name of an item's image, for messages.
        skip_bad: report unusable items and leave them out.
        reader: reads them.

    Raises:
        InputError: an unusable item without `skip_bad`; no usable item.

    Example:
        >>> read_usable(len, ["ab", "c"], source="letters")
        [('ab', 2), ('c', 1)]
    """
    results = list(progress_bar(reader(read, items, name), f"reading {source}", len(items), unit="image"))
    refuse_or_report([problem for _, problem in results], source, skip_bad=skip_bad)
    return [(item, facts) for item, (facts, _) in zip(items, results, strict=True) if facts is not None]


def refuse_or_report(problems: Sequence[str], source: str, *, skip_bad: bool) -> None:
    """Refuse a set with unusable images, or report them.

    Args:
        problems: what is wrong with each image; "" if nothing.
        source: the set, for messages.
        skip_bad: report, and continue as long as an image is left.

    Raises:
        InputError: an unusable image without `skip_bad`; no usable image.
    """
    bad = [problem for problem in problems if problem]
    if bad and not skip_bad:
        more = f" ({len(bad) - 1} more are unusable)" if len(bad) > 1 else ""
        raise InputError(f"{bad[0]}{more}, or leave out unusable images with --skip-bad")
    if len(bad) == len(problems):
        raise InputError(
            f"{source}: none of its {len(problems)} images is usable{''.join(f'; {one}' for one in bad[:1])}"
        )
    for problem in bad:
        logger.info(f"left out: {problem}")


def find_oddities(objects: np.ndarray) -> Oddities:
    """Look for what is unusual about a mask, (H, W) bool, or the objects of a label image, (H, W) int32.

    Example:
        >>> find_oddities(np.array([[1, 0, 1, 2, 3, 3]]))
        Oddities(cut=0, spanning=0, parted=1, hollow=0)
    """
    left, top, width, height = cv2.boundingRect((objects != 0).view(np.uint8))
    window = objects[top : top + height, left : left + width].astype(np.int32)
    if not window.size:
        return Oddities()
    borders = [objects[0], objects[-1], objects[:, 0], objects[:, -1]]
    large = np.flatnonzero(np.bincount(window.ravel()) > NEARLY_ALL * objects.size)
    spanning = (set.intersection(*(set(border.tolist()) for border in borders)) | set(large.tolist())) - {0}
    parts, count = label_parts(window, connectivity=2, return_num=True)
    owners = np.zeros(count + 1, np.int32)
    owners[parts] = window
    parted = np.bincount(owners[1:]) > 1
    around = cv2.connectedComponents(np.pad(window == 0, 1, constant_values=True).view(np.uint8), connectivity=4)[1]
    holes = np.count_nonzero(around > around[0, 0])
    return Oddities(0, len(spanning), int(parted.sum()), int(holes > np.count_nonzero(window)))


def report_oddities(source: object, image_ids: Sequence[str], found: Sequence[Oddities]) -> None:
    """Log one line for each kind of oddity in a set.

    Args:
        source: the set, for the messages.
        image_ids: of N images.
        found: N counts.
    """
    texts = {
        "cut": "masks with soft edges are cut at half of their range; masks of two values, saved as PNG, are exact",
        "spanning": "objects reach all borders of their image or cover nearly all of it; if background, make it 0",
        "parted": "objects are in several parts; if the parts are objects, give each its own mask or label",
        "hollow": "masks or label images enclose more than they cover; if these are outlines, fill them",
    }
    for kind, text in texts.items():
        counts = {one: getattr(odd, kind) for one, odd in zip(image_ids, found, strict=True) if getattr(odd, kind)}
        if counts:
            where = f"in {len(counts)} of {len(found)} images, such as {next(iter(counts))}"
            logger.info(f"{source}: {sum(counts.values())} {text} ({where})")
