"""Signals wait for the end of a block, and come then as they would have come at once."""

import signal
import threading

import pytest

from common.network.training.signals import signals_wait


@pytest.fixture
def heard():
    """Handlers of the test's own for both signals; yields what they heard."""
    numbers = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda number, frame: numbers.append(number))
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_comes_after_the_block(heard, number):
    with signals_wait():
        signal.raise_signal(number)
        assert heard == []
    assert heard == [number]
    signal.raise_signal(number)
    assert heard == [number, number]


def test_of_several_the_first_comes(heard):
    with signals_wait():
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            signal.raise_signal(number)
    assert heard == [signal.SIGTERM]


def test_ctrl_c_by_default_raises_after_the_block(heard):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    reached = False
    with pytest.raises(KeyboardInterrupt), signals_wait():
        signal.raise_signal(signal.SIGINT)
        reached = True
    assert reached


def test_ignored_signals_stay_ignored(heard):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with signals_wait():
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_an_error_passes_and_leaves_the_handlers_as_they_were(heard):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ValueError, match="mine"), signals_wait():
        signal.raise_signal(signal.SIGTERM)
        raise ValueError("mine")
    assert signal.getsignal(signal.SIGTERM) == before
    assert heard == []  # the error ends the program anyway


def test_in_another_thread_nothing_is_changed(heard):
    done = []

    def run():
        before = signal.getsignal(signal.SIGTERM)
        with signals_wait():
            done.append(signal.getsignal(signal.SIGTERM) == before)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert done == [True]
