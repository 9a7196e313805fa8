"""Check a set up front: unusable images are refused, or reported and left out."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from common.errors import InputError
from common.log import logger
from common.parallel import map_in_order
from common.terminal.progress import progress_bar

Item = TypeVar("Item")
Facts = TypeVar("Facts")


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


def read_usable(
    read: Callable[[Item], Facts],
    items: Sequence[Item],
    *,
    source: str,
    skip_bad: bool = False,
) -> list[tuple[Item, Facts]]:
    """Read every item of a set, in threads and with a progress bar; return the usable ones with what was read.

    Args:
        read: raises InputError for an unusable item.
        items: such as the file names of each image.
        source: the set, for messages.
        skip_bad: report unusable items and leave them out.

    Raises:
        InputError: an unusable item without `skip_bad`; no usable item.

    Example:
        >>> read_usable(len, ["ab", "c"], source="letters")
        [('ab', 2), ('c', 1)]
    """

    def examine(item: Item) -> tuple[Facts | None, str]:
        try:
            return read(item), ""
        except InputError as error:
            return None, str(error)

    num_threads = min(os.cpu_count() or 1, 8)
    with ThreadPoolExecutor(num_threads) as threads:
        found = map_in_order(examine, ((source, (item,)) for item in items), threads, ahead=2 * num_threads)
        results = [result for _, result in progress_bar(found, f"reading {source}", len(items), unit="image")]
    refuse_or_report([problem for _, problem in results], source, skip_bad=skip_bad)
    return [(item, facts) for item, (facts, problem) in zip(items, results, strict=True) if not problem]


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
