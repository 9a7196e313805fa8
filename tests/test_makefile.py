"""The demo passes on the path that it was given, whatever is in it."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def demo_commands(folder, *variables):
    """Return the arguments of the scripts that `make demo` would run in a folder, by script."""
    if not shutil.which("make"):
        pytest.skip("needs make")
    for name in ("Makefile", "setup.cfg", "pyproject.toml", "requirements/lock.txt", "requirements/imgaug.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    show = folder / "show"  # instead of the interpreter
    show.write_text('#!/bin/sh\nprintf "%s\\n" "$@" ""\n')
    show.chmod(0o755)
    options = ["--silent", "--assume-old=.venv/.installed", "RUN=./show", *variables]
    output = subprocess.check_output(["make", *options, "demo"], cwd=folder, text=True)
    commands = [block.splitlines() for block in output.strip().split("\n\n")]
    return {
        script.removeprefix("dsb/"): arguments for script, *arguments in commands if script.startswith(("dsb/", "-c"))
    }


def value_of(flag, arguments):
    return arguments[arguments.index(flag) + 1]


@pytest.mark.parametrize(
    ("data", "logs"),
    [
        ("stage1_train.zip", "demo/logs-stage1_train"),
        ("/mnt/my data/stage 1.zip", "demo/logs-stage_1"),
        ("my data/", "demo/logs-my_data"),
        ("it's (1)/a & b.zip", "demo/logs-a_&_b"),
    ],
)
def test_data_reaches_every_script_in_one_piece(tmp_path, data, logs):
    commands = demo_commands(tmp_path, f"DATA={data}")
    assert list(commands) == [
        "my_inference.py",
        "my_train_1.py",
        "my_train_2.py",
        "my_train_3.py",
        "my_inference_tta.py",
        "-c",  # prints how to see it
    ]
    for script, arguments in commands.items():
        assert value_of("--dataset", arguments) == data
        if script.startswith("my_train") or script.endswith("tta.py"):
            assert value_of("--logs", arguments) == logs
        if "inference" in script:
            assert value_of("--score", arguments) == data


def test_without_data_the_set_is_generated(tmp_path):
    commands = demo_commands(tmp_path)
    assert next(iter(commands)) == "generate.py"
    assert value_of("--dataset", commands["my_train_1.py"]) == "demo/data/stage1_train"
    assert value_of("--logs", commands["my_train_1.py"]) == "demo/logs"
