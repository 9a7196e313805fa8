import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from common.terminal import progress
from common.terminal.progress import ProgressLines, progress_bar

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import fcntl, struct, sys, termios
from common.log import log_to_stdout, logger
from common.terminal.progress import progress_bar
fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
log_to_stdout()
for number in progress_bar(range(3), "reading", unit="image", mininterval=0):
    logger.info(f"line {number}")
"""


class Clock:
    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    return Clock(monkeypatch)


def test_a_log_file_gets_a_line_a_minute_and_a_last_one(clock, capsys, monkeypatch):
    monkeypatch.setattr("tqdm.std.time", lambda: clock.now)
    with progress_bar(None, "small", total=1000, unit="step", mininterval=0.01) as bar:
        assert isinstance(bar, ProgressLines)
        for step in range(600):
            clock.now += 0.5
            bar.set_postfix_str(f"loss {step}", refresh=False)
            bar.update()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == [
        "120/1000",
        "240/1000",
        "360/1000",
        "480/1000",
        "600/1000",
        "600/1000",
    ]
    assert lines[0] == "small: 120/1000 [01:00<07:20,  2.00step/s, loss 119]"


def test_lines_between_leave_no_trace(clock, capsys):
    for number in progress_bar(range(3), "reading"):
        progress.tqdm.write(f"line {number}", file=sys.stdout)
    out, err = capsys.readouterr()
    assert (out, "\r" in err) == ("line 0\nline 1\nline 2\n", False)
    assert err.startswith("reading: 3/3 [")
    assert err.count("\n") == 1


@pytest.mark.parametrize("items", [[], range(5)])
def test_what_counted_nothing_says_nothing(clock, capsys, items):
    bar = progress_bar(items, initial=len(items))
    list(bar if not items else [])
    bar.close()
    assert capsys.readouterr().err == ""


def test_an_unknown_total(clock, capsys):
    list(progress_bar(iter("abc"), "frames", unit="frame"))
    assert capsys.readouterr().err.startswith("frames: 3/? [")


@pytest.mark.parametrize("options", [{"disable": True}, {}])
def test_no_progress_where_nobody_wants_it(clock, capsys, monkeypatch, options):
    if not options:
        monkeypatch.setattr(sys, "stderr", None)
    assert list(progress_bar("ab", "letters", **options)) == ["a", "b"]
    assert capsys.readouterr().err == ""


def on_terminal(columns, **environment):
    """Run the program on a terminal of this width; return what it shows."""
    ours, theirs = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k != "TQDM_DISABLE"} | {"PYTHONPATH": str(ROOT)} | environment
    command = [sys.executable, "-c", PROGRAM, str(columns)]
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while select.select([ours], [], [], 30)[0]:
        try:
            part = os.read(ours, 4096)
        except OSError:  # Linux's word for the end
            break
        if not part:
            break
        shown += part
    assert process.wait(30) == 0
    return shown.decode()


@pytest.mark.parametrize("columns", [0, 40, 120])
def test_a_terminal_gets_a_bar(columns):
    shown = on_terminal(columns, TERM="xterm")
    assert "\r" in shown.replace("\r\n", "")
    assert [line.split("\r")[-1] for line in shown.split("\r\n") if "line" in line] == ["line 0", "line 1", "line 2"]
    assert "3/3" in shown


def test_a_terminal_that_cannot_go_back_gets_lines():
    shown = on_terminal(80, TERM="dumb").replace("\r\n", "\n")
    assert "\r" not in shown
    assert shown.startswith("line 0\nline 1\nline 2\nreading: 3/3 [")


def test_a_notebook_without_widgets_gets_lines(clock, monkeypatch, recwarn):
    class Shell:
        pass

    ipython = type(sys)("IPython")
    ipython.get_ipython = Shell
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", type(sys)("ipykernel.zmqshell"))
    monkeypatch.delitem(sys.modules, "tqdm.autonotebook", raising=False)
    assert isinstance(progress_bar("ab"), ProgressLines)
    assert not recwarn.list
