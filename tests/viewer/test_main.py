"""`python -m viewer` from its flags to the page."""

import os
import re
import runpy
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run_here(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["viewer", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("viewer", run_name="__main__")
    return stop.value.code, capsys.readouterr().err.strip()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: --dataset"),
        (["--dataset", "nowhere"], "nowhere: no such folder"),
        (["--dataset", ".", "--submission", "a", "--submission", "b", "--submission", "c"], "c: a third one"),
        (["--dataset", ".", "--only-submitted"], "--only-submitted: goes with --submission"),
        (["--dataset", ".", "--competition", "chess"], "unknown"),
    ],
)
def test_wrong_flags_end_in_one_line(monkeypatch, capsys, arguments, message):
    code, errors = run_here(monkeypatch, capsys, *arguments)
    assert code == 2
    assert message in errors and "\n" not in errors


def test_a_taken_port_ends_in_one_line(monkeypatch, capsys, generated_set):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, errors = run_here(monkeypatch, capsys, "--dataset", generated_set / "stage1_train", "--port", port)
    assert code == 2
    assert errors.splitlines()[-1].endswith(
        f"--port {port}: taken, or not allowed; give another one, or 0 for any free one"
    )


@pytest.mark.slow
def test_it_serves_until_it_is_interrupted(generated_set, tmp_path):
    command = [sys.executable, "-m", "viewer", "--dataset", generated_set / "stage1_train", "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path)}
    process = subprocess.Popen(
        [*map(str, command)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        line = next(line for line in process.stdout if "shows" in line)
        address = re.match(r"http://127\.0\.0\.1:\d+/\?token=\S+", line)[0]
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        assert b"viewer" in opener.open(address).read()
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(urllib.request.Request(address, headers={"Host": "evil.example"}))
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output.strip().endswith("ended")
