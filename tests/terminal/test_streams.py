import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import os, sys
from common.errors import run_main
from common.log import logger
from pathlib import Path

def main():
    for number in range(20000):
        print("line", number, "of many")
        logger.info("\\u00e9t\\u00e9")
    print("to stderr", file=sys.stderr)
    with open("output.txt", "wb", buffering=0) as file:
        os.write(1, b"a C library's line\\n") if len(sys.argv) > 1 else None
        file.write(b"whole\\n")

run_main(main)
"""


def run_in_shell(folder, command, **environment):
    """Run `command`, in which $P is the program, by bash; return the process that ended."""
    (folder / "program.py").write_text(PROGRAM)
    environment = os.environ | {"P": f"{sys.executable} program.py", "PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], cwd=folder, env=environment, capture_output=True, timeout=60
    )


READERS = ["$P | head -1", "$P 2>&1 | head -1", "$P | true", "PYTHONUNBUFFERED=1 $P | head -1"]


@pytest.mark.parametrize("command", READERS)
def test_a_reader_that_leaves_stops_nothing(tmp_path, command):
    run = run_in_shell(tmp_path, command)
    assert (run.returncode, run.stdout) == (0, b"line 0 of many\n" if "head" in command else b"")
    assert run.stderr in (b"", b"to stderr\n")
    assert (tmp_path / "output.txt").read_bytes() == b"whole\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_stop_nothing_and_files_get_only_their_own_lines(tmp_path, closed):
    run = run_in_shell(tmp_path, f"$P loudly {closed}")
    assert (run.returncode, run.stderr) == (0, b"" if "2>" in closed else b"to stderr\n")
    assert (tmp_path / "output.txt").read_bytes() == b"whole\n"


def test_a_locale_without_the_letters_escapes_them(tmp_path):
    run = run_in_shell(tmp_path, "$P", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (run.returncode, run.stderr) == (0, b"to stderr\n")
    assert run.stdout.splitlines()[1] == b"\\xe9t\\xe9"


def test_streams_that_a_program_replaced_stay(capsys):
    from common.terminal.streams import guard_streams

    before = sys.stdout, sys.stderr
    guard_streams()
    assert (sys.stdout, sys.stderr) == before
