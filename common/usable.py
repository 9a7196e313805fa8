"""Looking through a set before work begins: what cannot be used is refused, or reported and left out."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tqdm import tqdm

from common.errors import InputError
from common.parallel import map_in_order

Item = TypeVar("Item")
Facts = TypeVar("Facts")


def read_usable(
    read: Callable[[Item], Facts],
    items: Sequence[Item],
    *,
    source: str,
    skip_bad: bool = False,
    report: Callable[[str], object] = print,
) -> list[tuple[Item, Facts]]:
    """Read every item of a set, in threads and with a progress bar, and return the usable ones with what was read.

    Args:
        read: raises InputError for an item that cannot be used.
        items: such as the names of the files of a picture.
        source: the set, for messages.
        skip_bad: report unusable items and leave them out.
        report: takes a line for the user.

    Raises:
        InputError: an unusable item, and `skip_bad` is off; nothing but unusable items.

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
        results = [result for _, result in tqdm(found, f"reading {source}", len(items), unit="picture")]
    bad = [problem for _, problem in results if problem]
    if bad and not skip_bad:
        more = f" ({len(bad) - 1} more are unusable)" if len(bad) > 1 else ""
        raise InputError(f"{bad[0]}{more}, or leave out what is unusable with --skip-bad")
    if len(bad) == len(items):
        raise InputError(f"{source}: none of its {len(items)} pictures can be used; {' '.join(bad[:1])}")
    for problem in bad:
        report(f"left out: {problem}")
    return [(item, facts) for item, (facts, problem) in zip(items, results, strict=True) if not problem]
