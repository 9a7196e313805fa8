"""What the workers of a cluster need to predict or check images, besides these."""

import hashlib
import importlib.metadata
import io
import os
import pickle
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from common.errors import InputError
from common.images.usable import examine
from common.output.rows import RowMaker
from common.storage.files import cache_folders, find_cached, written_aside

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("keras", "numpy", "tensorflow-cpu", "tensorflow", "jax", "opencv-python-headless")  # rows depend on them

PREDICTED, CHECKED = 8, 32  # images that a worker takes at a time, at most; a check of one takes milliseconds

Loader = Callable[[], np.ndarray]  # see `Source.loader`


class Made(NamedTuple):
    """What a worker made of an image, and whether it may hold more objects than were found."""

    result: Any
    full: bool = False


class Failure(NamedTuple):
    """Why a worker made nothing of an image, and whether it is useless to try again."""

    reason: str
    final: bool = False


class Work(Protocol):
    """What is done with each image, in a worker's child."""

    def prepare(self) -> None:
        """Do what is needed once, before the first image."""

    def load(self, item: Any) -> Any:
        """Return what is read of an image, in a thread, while `make` has the one before."""

    def make(self, image_id: str, loaded: Any) -> Made:
        """Return what is made of what `load` returned."""


@dataclass(frozen=True)
class Prediction:
    """Rows of a CSV of what predictors say; an item is a `Loader`."""

    maker: RowMaker
    predictors: Sequence[Any]

    def prepare(self) -> None:
        """Build the networks."""
        for predictor in self.predictors:
            predictor.prepare()

    def load(self, item: Loader) -> np.ndarray:
        """Return an image."""
        return item()

    def make(self, image_id: str, loaded: np.ndarray) -> Made:
        """Return the rows of an image."""
        looked = self.maker.look(image_id, loaded)
        return Made(self.maker.rows(looked), bool(getattr(looked, "full", False)))


@dataclass(frozen=True)
class Check:
    """What `examine` returns of each item of a set."""

    read: Callable[[Any], Any]

    def prepare(self) -> None:
        """Do nothing."""

    def load(self, item: Any) -> tuple[Any, str]:
        """Return what was read of an item, or why it is unusable."""
        return examine(self.read, item)

    def make(self, image_id: str, loaded: tuple[Any, str]) -> Made:
        """Return what `load` returned."""
        return Made(loaded)


@dataclass(frozen=True)
class Job:
    """What a worker needs, sent to it once.

    Attributes:
        token: names the job.
        packed: the work, see `unpack`.
        weights: SHA-256 of each weights file by its path in the client.
        folders: of the project whose code counts.
        versions: what `find_versions` returns for them.
        limit: seconds that an image may take.
        bundle: images that a worker takes at a time, at most.
        dataset: folder or archive that a worker must see; None: it is not asked.
    """

    token: str
    packed: bytes
    weights: Mapping[str, str]
    folders: Sequence[str]
    versions: Mapping[str, str]
    limit: float
    bundle: int = PREDICTED
    dataset: Path | None = None

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
    """Return the job of predicting images.

    Args:
        maker: can be pickled, its functions by name.
        predictors: those that it uses; their networks are built before the first image.
        limit: seconds that an image may take.
    """
    paths = [predictor.weights for predictor in predictors]
    weights = {str(path.absolute()): hash_file(path) for path in paths}
    folders = sorted({_package(maker.rows), _package(maker.look), "common"})
    packed = _pack(Prediction(maker, predictors), paths)
    return Job(os.urandom(8).hex(), packed, weights, folders, find_versions(folders), limit)


def prepare_check(read: Callable[[Any], Any], dataset: Path, limit: float) -> Job:
    """Return the job of reading the items of a set, see `common.images.usable.Reader`.

    Args:
        read: can be pickled, its functions by name.
        dataset: folder or archive, absolute.
        limit: seconds that an item may take.
    """
    folders = sorted({_package(read), "common"})
    token, versions = os.urandom(8).hex(), find_versions(folders)
    return Job(token, _pack(Check(read)), {}, folders, versions, limit, CHECKED, dataset)


def unpack(packed: bytes, places: Mapping[str, Path]) -> Work:
    """Return the work of a job; `places` says where each weights file is here."""
    work: Work = _Unpacker(io.BytesIO(packed), places).load()
    return work


def _pack(work: Work, paths: Sequence[Path] = ()) -> bytes:
    memory = io.BytesIO()
    _Packer(memory, paths).dump(work)
    return memory.getvalue()


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
