"""Progress: a bar on a terminal, a widget in a notebook, elsewhere a line a minute."""

import os
import sys
import time
import warnings
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

LINE_EVERY = 60.0  # seconds


def progress_bar(
    items: Iterable[Any] | None = None, description: str = "", total: int | None = None, **options: Any
) -> tqdm:
    """Return a progress bar that suits where stderr goes; iterate over it, or call tqdm's methods.

    Args:
        items: to iterate over, if any.
        description: what is counted, such as the name of a file.
        total: how many there are, if known; by default the length of the items.
        options: of tqdm, such as `unit` and `disable`.

    Example:
        >>> list(progress_bar("ab", "letters", disable=True))
        ['a', 'b']
    """
    return _suited_class()(items, description, total, **_width(), **options)


class ProgressLines(tqdm):
    """Progress as a line a minute, and a last one; a carriage return makes a log file one line without an end."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._due = time.monotonic() + LINE_EVERY
        if sys.stderr is None:
            options["disable"] = True
        # `gui` turns off what writes carriage returns.
        super().__init__(*arguments, **options | {"gui": True, "mininterval": min(LINE_EVERY, 1.0), "miniters": 1})

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Write a line if a minute has passed since the last one."""
        if time.monotonic() < self._due:
            return False
        self._due = time.monotonic() + LINE_EVERY
        self._write_line()
        return True

    def clear(self, nolock: bool = False) -> None:
        """Leave the lines where they are."""

    def close(self) -> None:
        """Write the last line."""
        if not self.disable and self.n > self.initial:
            self._write_line()
        super().close()

    def _write_line(self) -> None:
        numbers = "{desc}: {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"
        print(self.format_meter(**self.format_dict | {"bar_format": numbers, "ncols": None}), file=self.fp, flush=True)


def _suited_class() -> type[tqdm]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a notebook without widgets gets lines
        from tqdm.autonotebook import tqdm as widget_or_bar
    rewrites = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return widget_or_bar if widget_or_bar is not tqdm or rewrites else ProgressLines


def _width() -> dict[str, int]:
    """Return a width for a terminal that gives none, such as a container's: tqdm would show nothing."""
    try:
        return {} if os.get_terminal_size(sys.stderr.fileno()).columns else {"ncols": 80}
    except (AttributeError, OSError, ValueError):  # not a terminal
        return {}
