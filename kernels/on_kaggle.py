"""What the kernels share while they run: where their inputs are, and the project's scripts as processes.

This file travels in the project's data set. It needs the standard library alone.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(os.environ.get("KAGGLE_ROOT", "/kaggle"))  # another folder only where `run` cannot mount /kaggle
INPUT, WORKING = ROOT / "input", ROOT / "working"
PROJECT = Path(__file__).resolve().parents[1]
ATTACHED = PROJECT.parent  # the data set: the project, wheels, and the weights that `--weights` named
SCRATCH = Path(os.environ.get("TMPDIR", "/tmp")) / "kernel"
STOP_SECONDS = 600  # that a script may take after Ctrl-C to write its checkpoint
WEIGHTS = (".h5", ".keras")


def source(slug: str) -> Path:
    """Return the folder of an attached competition or data set; Kaggle has mounted them in several places.

    Args:
        slug: its name, without an owner.
    """
    for pattern in (f"competitions/{slug}", f"datasets/*/{slug}", slug):
        for folder in sorted(INPUT.glob(pattern)):
            return folder
    return stop(f"{INPUT}: holds no {slug}; attach it in kernel-metadata.json and accept its rules")


def find(folder: Path, *names: str) -> Path:
    """Return the first of some files or folders that exists, as it is or as a zip archive."""
    for name in names:
        for path in (folder / name, folder / f"{name}.zip"):
            if path.exists():
                return path
    return stop(f"{folder}: holds none of {', '.join(names)}")


def attached_weights() -> list[Path]:
    """Return the files of weights and the folders of runs that were packed with `--weights`, sorted."""
    others = {PROJECT.name, "wheels"}
    files = [path for path in ATTACHED.iterdir() if path.suffix in WEIGHTS]
    folders = [path for path in ATTACHED.iterdir() if path.is_dir() and path.name not in others]
    return sorted([*files, *(path for path in folders if any(path.rglob("config.json")))])


def model_flags(default: str | None = None) -> list[str]:
    """Return a script's flags for the attached model: `--logs` for a run's folder, else `--weights`.

    Args:
        default: named weights that come with the project, if any will do.
    """
    attached = attached_weights()
    if not attached and default is None:
        stop("no weights are attached; push or run this kernel with --weights PATH")
    if not attached:
        return ["--weights", str(default)]
    if len(attached) == 1 and attached[0].is_dir():
        return ["--logs", str(attached[0])]
    return ["--weights", ",".join(map(str, attached))]


def resume_from_attached(logs: Path) -> bool:
    """Copy an attached run to `logs`, to go on with it; return whether there was one."""
    runs = [path for path in attached_weights() if path.is_dir()]
    if len(runs) > 1:
        stop(f"several runs are attached: {', '.join(path.name for path in runs)}; attach one")
    if runs and not logs.exists():
        shutil.copytree(runs[0], logs, copy_function=shutil.copyfile)
    return bool(runs)


def run(script: str, *flags: object, hours: float | None = None) -> bool:
    """Run a script of the project in /kaggle/working; a failure ends the kernel with its exit code.

    Args:
        script: its path in the project.
        *flags: its command line. `kernel.py run --flags` appends to them.
        hours: stop it then as Ctrl-C does, counted from the kernel's start; it saves what it has.

    Returns:
        Whether it came to its end.
    """
    command = [sys.executable, str(PROJECT / script), *map(str, flags), *_more_flags(script)]
    print("$", shlex.join(["python", script, *command[2:]]), flush=True)
    process = subprocess.Popen(command, cwd=WORKING, env=_environment())
    try:
        code = process.wait(None if hours is None else max(0, 3600 * hours - _seconds_so_far()))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS)
        print(f"stopped after {hours} hours; get the output, and push again with --weights to go on", flush=True)
        return False
    if code:
        stop(f"{script}: ended with exit code {code}; its message is above", code)
    return True


def stop(message: str, code: int = 2) -> NoReturn:
    """End the kernel with one line."""
    print(message, file=sys.stderr, flush=True)
    raise SystemExit(code)


def install_wheels() -> Path | None:
    """Install the attached wheels beside the image's packages; return their folder, None without wheels."""
    wheels = sorted(ATTACHED.glob("*.whl"))
    folder = SCRATCH / "packages"
    if wheels and not folder.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
        subprocess.run([*pip, "--disable-pip-version-check", "--target", folder, *wheels], check=True)
    return folder if wheels else None


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    packages = install_wheels()
    if packages:
        before = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = os.pathsep.join([str(packages), *([before] if before else [])])
    if shutil.which("nvidia-smi"):
        environment.setdefault("KERAS_BACKEND", "jax")
    environment.setdefault("XDG_CACHE_HOME", str(SCRATCH / "cache"))  # caches do not count as output
    return environment


def _more_flags(script: str) -> Sequence[str]:
    return json.loads(os.environ.get("KERNEL_FLAGS", "{}")).get(script, [])


def _seconds_so_far() -> float:
    return time.monotonic() - _STARTED


_STARTED = time.monotonic()
