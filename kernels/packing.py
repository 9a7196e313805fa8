"""The project as a Kaggle data set: its tracked files, named weights, and wheels; the same bytes for the same files."""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import InputError
from common.storage.files import written_aside
from common.storage.zips import zipped
from credentials import find_secret, own_secrets
from kernel_files import OWNER, PROJECT, Kernel
from wheels import download_wheels, lacking, read_versions, required

PACKED = Path("packed")  # by default below the current folder
METADATA = "dataset-metadata.json"
LEFT_OUT = ("tests/", "docs/", "benchmarks/", "notebooks/", "submissions/", ".ci/")  # nothing that kernels need
RUN_FILES = ("*.h5", "*.npz", "config.json", "log.csv", "images.txt")  # of a run; events hold the machine's name
LICENSE = "other"  # Kaggle's list of licences has no MIT


@dataclass(frozen=True)
class Pack:
    """A folder that is ready to upload.

    Attributes:
        folder: with the files and their metadata.
        files: sizes in bytes, by name.
        changed: the working tree differs from its last commit.
    """

    folder: Path
    files: dict[str, int]
    changed: bool

    def report(self) -> str:
        """Return a line per file, and their sum."""
        lines = [f"{size / 1e6:8.1f} MB  {name}" for name, size in sorted(self.files.items())]
        note = "\nwith changes that are not committed" if self.changed else ""
        return "\n".join([*lines, f"{sum(self.files.values()) / 1e6:8.1f} MB  in {self.folder}{note}"])


def pack(kernel: Kernel, weights: Sequence[Path] = (), *, folder: Path | None = None, owner: str = OWNER) -> Pack:
    """Write what a kernel needs beside its inputs into a folder, as one data set.

    Args:
        kernel: the data set is named after it.
        weights: files of weights and folders of runs.
        folder: to write to; by default `packed/<kernel>`. What it held before is replaced.
        owner: account that the data set belongs to.

    Raises:
        InputError: not a git checkout, weights that are none, credentials among the files, or no wheel of what the
            image lacks.
    """
    folder = folder or PACKED / kernel.name
    project = tracked_files()
    contents = {"project.zip": zipped(project), **_weights(weights)}
    versions = read_versions()
    wheels = download_wheels(lacking(required(kernel.name.split("-")[0]), versions), versions)
    metadata = {
        "title": f"{kernel.name} code"[:50],
        "id": f"{owner}/{kernel.data_set}",
        "licenses": [{"name": LICENSE}],
        "description": "Code, weights and wheels of the notebook of the same name; MIT licence.",
    }
    contents[METADATA] = json.dumps(metadata, indent=2).encode()
    _replace(folder, contents, wheels)
    sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.name != METADATA}
    return Pack(folder, sizes, bool(_git("status", "--porcelain", "--untracked-files=no")))


def tracked_files(project: Path = PROJECT) -> dict[str, bytes]:
    """Return the files that git tracks, with their present content, less `LEFT_OUT`.

    Raises:
        InputError: not a checkout, a tracked file is missing, or one that holds credentials.
    """
    names = [name for name in _git("ls-files", "-z", project=project).split("\0") if name]
    try:
        files = {name: (project / name).read_bytes() for name in names if not name.startswith(LEFT_OUT)}
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: tracked by git, but missing; restore it or commit its removal") from None
    _refuse_secrets(files)
    return files


def commit() -> str:
    """Return the short name of the checkout's commit."""
    return _git("rev-parse", "--short", "HEAD").strip()


def _weights(paths: Sequence[Path]) -> dict[str, bytes]:
    """Return files of weights as they are, and each run's folder as an archive, which Kaggle unpacks."""
    found: dict[str, bytes] = {}
    for path in map(Path.resolve, paths):
        name, content = _packed_weights(path)
        if name in found or name == "project.zip":
            raise InputError(f"--weights {path}: a second {name}; rename one")
        found[name] = content
    return found


def _packed_weights(path: Path) -> tuple[str, bytes]:
    if path.is_file() and path.suffix in (".h5", ".keras"):
        content = path.read_bytes()
        _refuse_secrets({path.name: content})
        return path.name, content
    if not path.is_dir():
        raise InputError(f"--weights {path}: no such file of weights (.h5, .keras) or folder of a run")
    files = {str(file.relative_to(path)): file.read_bytes() for glob in RUN_FILES for file in path.rglob(glob)}
    if not any(name.endswith(".h5") for name in files):
        raise InputError(f"--weights {path}: holds no weights; give a run's --logs folder")
    _refuse_secrets(files)
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', path.name)}.zip", zipped(files)


def _refuse_secrets(files: Mapping[str, bytes]) -> None:
    secrets = own_secrets()
    for name, content in files.items():
        problem = find_secret(name, content, secrets)
        if problem:
            raise InputError(f"{name}: not packed: {problem}; remove it")


def _replace(folder: Path, contents: Mapping[str, bytes], wheels: Iterable[Path]) -> None:
    """Make the folder hold exactly these files; what is the same stays, so that an upload of it can resume."""
    wheels = list(wheels)
    folder.mkdir(parents=True, exist_ok=True)
    strangers = [path for path in folder.iterdir() if path.is_dir() or path.suffix not in _OWN_SUFFIXES]
    if strangers:
        raise InputError(f"{folder}: holds {strangers[0].name}; choose a folder of its own for --output")
    for path in folder.iterdir():
        if path.name not in {*contents, *(wheel.name for wheel in wheels)}:
            path.unlink()
    for wheel in wheels:
        if _digest(folder / wheel.name) != _digest(wheel):
            shutil.copyfile(wheel, folder / wheel.name)
    for name, content in contents.items():
        if _digest(folder / name) != hashlib.sha256(content).hexdigest():
            with written_aside(folder / name) as aside:
                aside.write_bytes(content)


_OWN_SUFFIXES = (".zip", ".h5", ".keras", ".whl", ".json")


def _digest(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _git(*arguments: str, project: Path = PROJECT) -> str:
    try:
        done = subprocess.run(["git", "-C", project, *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise InputError(
            f"{project}: not a git checkout; only tracked files are packed, so clone the project"
        ) from None
    return done.stdout
