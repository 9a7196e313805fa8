"""Signals that wait for the end of a step, so that a run is stopped where its state is whole."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

WAITING = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def signals_wait() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the block is done, then deliver them as if they came there.

    Signals that are ignored stay so, and so does everything outside the main thread, where Python hears none.
    """
    arrived: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        arrived.append(number)

    heard = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in WAITING if heard}
    held = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    try:
        for number in held:
            signal.signal(number, hold)
        yield
    finally:
        for number, handler in held.items():
            signal.signal(number, handler)
    if arrived:
        signal.raise_signal(arrived[0])
