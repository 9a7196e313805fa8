"""Run the scripts in this process, also for fixtures, which is faster than starting TensorFlow again."""

import contextlib
import io
import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "coco"


def run_in(folder, script, *arguments):
    """Run a script of coco/ from a folder, as a user does; return the lines of its output."""
    output, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", [str(FOLDER / script), *map(str, arguments)])
        patch.setattr(sys, "path", list(sys.path))
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
                runpy.run_path(str(FOLDER / script), run_name="__main__")
        except SystemExit as stop:
            pytest.fail(f"{script}: exit code {stop.code}: {errors.getvalue()}")
    return output.getvalue().splitlines()
