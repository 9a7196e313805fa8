"""What the workers of a cluster need to make rows, besides the images."""

import hashlib
import importlib.metadata
import io
import os
import pickle
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.errors import InputError
from common.output.rows import RowMaker
from common.storage.files import cache_folders, find_cached, written_aside

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("keras", "numpy", "tensorflow-cpu", "tensorflow", "jax", "opencv-python-headless")  # rows depend on them

Loader = Callable[[], np.ndarray]  # see `Source.loader`


class Made(NamedTuple):
    """What a worker made of an image: its rows, and whether it may hold more objects than were found."""

    rows: list[str]
    full: bool


class Failure(NamedTuple):
    """Why a worker made no rows of an image, and whether it is useless to try again."""

    reason: str
    final: bool = False


@dataclass(frozen=True)
class Job:
    """What a worker needs to make rows, sent to it once.

    Attributes:
        token: names the job.
        packed: the row maker and its predictors, see `unpack`.
        weights: SHA-256 of each weights file by its path in the client.
        folders: of the project whose code counts.
        versions: what `find_versions` returns for them.
        limit: seconds that an image may take.
    """

    token: str
    packed: bytes
    weights: Mapping[str, str]
    folders: Sequence[str]
    versions: Mapping[str, str]
    limit: float

    def read_weights(self) -> dict[str, bytes]:
        """Return the content of the weights files by their SHA-256, in the client.

        Raises:
            InputError: one is another than it was.
        """
        data = {digest: Path(path).read_bytes() for path, digest in self.weights.items()}
        for path, digest in self.weights.items():
            if hashlib.sha256(data[digest]).hexdigest() != digest:
                raise InputError(f"{path}: changed while it was read; run the same command again")
        return data


def prepare_job(maker: RowMaker, predictors: Sequence[Any], limit: float) -> Job:
    """Return the job of a row maker.

    Args:
        maker: can be pickled, its functions by name.
        predictors: those that it uses; their networks are built before the first image.
        limit: seconds that an image may take.
    """
    paths = [predictor.weights for predictor in predictors]
    memory = io.BytesIO()
    _Packer(memory, paths).dump((maker, predictors))
    weights = {str(path.absolute()): hash_file(path) for path in paths}
    folders = sorted({_package(maker.rows), _package(maker.look), "common"})
    return Job(os.urandom(8).hex(), memory.getvalue(), weights, folders, find_versions(folders), limit)


def unpack(packed: bytes, places: Mapping[str, Path]) -> tuple[RowMaker, Sequence[Any]]:
    """Return the row maker and the predictors of a job; `places` says where each weights file is here."""
    maker, predictors = _Unpacker(io.BytesIO(packed), places).load()
    return maker, predictors


class _Packer(pickle.Pickler):
    """Leaves out where the weights are, which differs between machines."""

    def __init__(self, file: io.BytesIO, paths: Sequence[Path]) -> None:
        super().__init__(file)
        self._paths = paths

    def persistent_id(self, obj: object) -> str | None:
        return str(obj.absolute()) if isinstance(obj, Path) and obj in self._paths else None


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, places: Mapping[str, Path]) -> None:
        super().__init__(file)
        self._places = places

    def persistent_load(self, pid: str) -> Path:
        return self._places[pid]


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_weights(path: str, digest: str) -> Path | None:
    """Return where weights are on this machine: at the client's path, or where `keep_weights` put them.

    Args:
        path: absolute, in the client.
        digest: SHA-256 of the file.
    """
    kept = [folder / _kept_name(digest) for folder in cache_folders()]
    return next((one for one in (Path(path), *kept) if one.is_file() and hash_file(one) == digest), None)


def keep_weights(data: bytes, digest: str) -> None:
    """Keep weights that the client sent in a cache folder, for all workers of this machine."""
    with written_aside(find_cached(_kept_name(digest))) as aside:
        aside.write_bytes(data)


def _kept_name(digest: str) -> str:
    return f"sent-weights/{digest}.h5"


def find_versions(folders: Sequence[str]) -> dict[str, str]:
    """Return the versions of what rows depend on: Python, packages, and folders of the project as a hash."""
    versions = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions | {"the project's code": hash_code(folders)}


def hash_code(folders: Sequence[str]) -> str:
    """Return 12 hexadecimal digits that change with the Python files in folders of the project."""
    digest = hashlib.sha256()
    for path in (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))):
        digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def describe_difference(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """Return in which versions a worker differs from the client; empty if in none.

    Example:
        >>> describe_difference({"keras": "3.8.0", "numpy": "2.4"}, {"keras": "3.15.1", "numpy": "2.4"})
        'keras 3.8.0 instead of 3.15.1'
    """
    names = [name for name in {**ours, **theirs} if theirs.get(name) != ours.get(name)]
    return ", ".join(f"{name} {theirs.get(name, 'missing')} instead of {ours.get(name, 'none')}" for name in names)


def _package(function: Any) -> str:
    """Return the top-level package of a function, of a partial one's, or of an object that is called."""
    function = getattr(function, "func", function)
    module: str = getattr(function, "__module__", None) or type(function).__module__
    return module.partition(".")[0]
