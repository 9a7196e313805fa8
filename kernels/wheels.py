"""Wheels of what Kaggle's image lacks, by the versions file."""

import configparser
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from common.errors import InputError
from common.storage.files import cache_folder
from kernel_files import PROJECT

IMAGE_PYTHON = "3.13"
IMAGE = "-r requirements/kaggle.in"  # the lock file's word for what was read off the image
VERSIONS = PROJECT / "requirements" / "kaggle.txt"


@dataclass
class Pinned:
    """A package of the versions file.

    Attributes:
        requirement: name and version.
        hashes: of its files.
        wanted_by: what requires it: names of packages, or `IMAGE`.
    """

    requirement: str
    hashes: list[str] = field(default_factory=list)
    wanted_by: list[str] = field(default_factory=list)


def read_versions(path: Path = VERSIONS) -> dict[str, Pinned]:
    """Read the versions file, as uv writes it, for Kaggle's Python on Linux.

    Raises:
        InputError: no such file.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; `make lock` writes it") from None
    found: dict[str, Pinned] = {}
    current = Pinned("")
    for line in lines:
        if re.match(r"[A-Za-z0-9]", line):
            requirement = Requirement(line.removesuffix("\\").strip())
            current = Pinned(f"{requirement.name}{requirement.specifier}")
            if requirement.marker is None or requirement.marker.evaluate(_IMAGE_MARKERS):
                found[canonicalize_name(requirement.name)] = current
        elif line.strip().startswith("--hash="):
            current.hashes.append(line.strip().removeprefix("--hash=").removesuffix("\\").strip())
        elif line.startswith("    #"):
            current.wanted_by += [line.strip("# ").removeprefix("via").strip()]
    return found


_IMAGE_MARKERS = {
    "python_version": IMAGE_PYTHON,
    "python_full_version": f"{IMAGE_PYTHON}.0",
    "sys_platform": "linux",
    "platform_machine": "x86_64",
    "platform_system": "Linux",
    "os_name": "posix",
}


def required(extra: str | None = None, path: Path = PROJECT / "setup.cfg") -> list[str]:
    """Return the names of the packages that the project needs, with those of an extra if there is one of that name."""
    config = configparser.ConfigParser()
    config.read(path, encoding="utf-8")
    text = config["options"]["install_requires"] + config["options.extras_require"].get(extra or "", "")
    return [canonicalize_name(Requirement(line).name) for line in text.split("\n") if line and line[0] != "#"]


def lacking(needed: Iterable[str], versions: Mapping[str, Pinned]) -> list[str]:
    """Return what must be packed: needed packages and what they need, less all that the image has.

    Args:
        needed: names.
        versions: from `read_versions`. What a package of the image requires is in the image, too.

    Returns:
        Names, sorted.

    Raises:
        InputError: a needed package has no version.
    """
    for name in needed:
        if name not in versions:
            raise InputError(f"{VERSIONS}: has no version of {name}; run `make lock`")
    image = {name for name, pinned in versions.items() if IMAGE in pinned.wanted_by}
    return sorted(_with_requirements(set(needed), versions) - _with_requirements(image, versions))


def _with_requirements(names: set[str], versions: Mapping[str, Pinned]) -> set[str]:
    """Return packages and, repeatedly, what they require."""
    found = set(names)
    while True:
        more = {name for name, pinned in versions.items() if found.intersection(pinned.wanted_by)} - found
        if not more:
            return found
        found |= more


def download_wheels(names: Iterable[str], versions: Mapping[str, Pinned], folder: Path | None = None) -> list[Path]:
    """Download wheels for Kaggle's Python with pip, checked against their hashes; kept in the cache.

    Args:
        names: of packages.
        versions: from `read_versions`.
        folder: to keep them in.

    Raises:
        InputError: pip cannot get one of them.
    """
    folder = folder or cache_folder() / "wheels"
    return [_download(versions[name], folder) for name in names]


def _download(pinned: Pinned, folder: Path) -> Path:
    kept = folder / pinned.requirement.replace("==", "-")  # a folder each: a wheel's own name is for pip to know
    if not list(kept.glob("*.whl")):
        kept.mkdir(parents=True, exist_ok=True)
        wanted = kept / "requirement.txt"
        wanted.write_text(" ".join([pinned.requirement, *(f"--hash={digest}" for digest in pinned.hashes)]) + "\n")
        platforms = [f"--platform=manylinux{name}_x86_64" for name in ("2014", "_2_17", "_2_27", "_2_28")]
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        pip += ["--only-binary=:all:", f"--python-version={IMAGE_PYTHON}", "--implementation=cp", *platforms]
        done = subprocess.run(
            [*pip, "--dest", kept, "--requirement", wanted], capture_output=True, text=True, check=False
        )
        if done.returncode:
            reason = ([line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"])[-1]
            raise InputError(f"{pinned.requirement}: no wheel for Python {IMAGE_PYTHON}: {reason}")
    return next(kept.glob("*.whl"))
