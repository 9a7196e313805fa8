"""Standard streams that never stop a run, whatever was done to them."""

import io
import os
import sys
from typing import TextIO


def guard_streams() -> None:
    """Let stdout and stderr lose their reader, miss a letter or be closed without an effect on the run.

    After `| head -1` has read its line, the rest goes nowhere, and files are written as ever. A letter that the locale
    lacks becomes an escape. Where a stream was closed (`>&-`), the null device takes its number, which the next file
    that is opened would get: lines of C libraries would end up in that file. Streams that a program replaced stay.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest free number: this one
    for name, original, number in (("stdout", "__stdout__", 1), ("stderr", "__stderr__", 2)):
        stream = getattr(sys, name)
        if stream is getattr(sys, original):
            setattr(sys, original, _guarded(stream, number))
            setattr(sys, name, getattr(sys, original))


class _Unbreakable(io.FileIO):
    """Writes to a descriptor; once its reader is gone, to nowhere."""

    def write(self, data) -> int | None:  # type: ignore[no-untyped-def, override]
        try:
            return super().write(data)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return super().write(data)


def _guarded(stream: TextIO | None, number: int) -> TextIO:
    """Return a stream that replaces the original one."""
    if stream is not None:
        stream.flush()
    raw = _Unbreakable(number, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding if stream else "utf-8",
        errors="backslashreplace",
        line_buffering=number == 2 or raw.isatty(),
        write_through=bool(getattr(stream, "write_through", False)),
    )
