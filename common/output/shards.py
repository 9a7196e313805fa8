"""A prediction in several files, for sets that are too large for one CSV: shards, their manifest, their merge."""

import contextlib
import csv
import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from common.errors import InputError
from common.images.image_set import ImageSet
from common.output.parquet import read_parquet, save_parquet
from common.output.rows import MakeRows
from common.output.writer import SubmissionWriter
from common.storage.files import written_aside
from common.storage.locks import locked
from common.terminal.progress import progress_bar

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Shard:
    """A finished file of rows.

    Attributes:
        file: its name.
        num_images: that it has rows of.
        num_objects: theirs.
        sha256: of the file.
    """

    file: str
    num_images: int
    num_objects: int
    sha256: str


@dataclass
class Manifest:
    """What a folder of shards holds.

    Attributes:
        fingerprint: all that the rows depend on.
        columns: of the CSVs.
        num_images: of all shards, those to come included.
        num_shards: likewise.
        parquet: whether each shard has a Parquet file, too, in the folder `parquet`, which is a data set.
        shards: the finished ones, in the order of their rows.
    """

    fingerprint: str
    columns: Sequence[str]
    num_images: int
    num_shards: int
    parquet: bool
    shards: list[Shard] = field(default_factory=list)

    @classmethod
    def load(cls, folder: Path) -> "Manifest":
        """Read the manifest of a folder.

        Raises:
            InputError: there is none, or it is damaged.
        """
        path = folder / MANIFEST
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(**values | {"shards": [Shard(**shard) for shard in values["shards"]]})
        except FileNotFoundError:
            raise InputError(f"{path}: no such file; give a folder that --shards wrote") from None
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: damaged: {error}; predict again into another folder") from None

    def save(self, folder: Path) -> None:
        """Write the manifest, atomically."""
        with written_aside(folder / MANIFEST) as aside:
            aside.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    def begins_like(self, other: "Manifest") -> bool:
        """Return whether two are of the same run."""
        ours, theirs = (asdict(one) | {"shards": None, "columns": list(one.columns)} for one in (self, other))
        return bool(ours == theirs)


def shards_folder(output: Path) -> Path:
    """Return the folder of the shards of a CSV: its name without the suffix.

    Example:
        >>> shards_folder(Path("submissions/dsb_tta.csv")).name
        'dsb_tta_shards'
    """
    return output.with_name(f"{output.stem}_shards")


def parquet_beside(path: Path) -> Path:
    """Return the Parquet file of a shard; a folder of its own has nothing else, as readers of data sets want it.

    Example:
        >>> str(parquet_beside(Path("parts/part-00000.csv")))
        'parts/parquet/part-00000.parquet'
    """
    return path.parent / "parquet" / path.with_suffix(".parquet").name


def write_shards(
    images: ImageSet, image_ids: Sequence[str], make: MakeRows, folder: Path, manifest: Manifest
) -> Manifest:
    """Predict image by image into shards; a killed run resumes where it stopped.

    Args:
        images: the set; an id missing from it gets an empty row.
        image_ids: of the rows, in order; each shard has as many, to one.
        make: makes the rows of some images.
        folder: to write `part-00000.csv` and so on, `manifest.json`, and Parquet files to.
        manifest: of the run, without shards.

    Returns:
        The manifest with all shards.

    Raises:
        InputError: the folder holds shards of another run, or another program writes them.
    """
    indices = {image_id: index for index, image_id in enumerate(images.image_ids)}
    shapes = images.shapes if manifest.parquet else {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(locked(folder / ".lock", "this folder", "choose another --output"))
        manifest = _begin(folder, manifest)
        finished = sum(shard.num_images for shard in manifest.shards)
        progress = stack.enter_context(
            progress_bar(image_ids, folder.name, initial=finished, unit="image", smoothing=0.05)
        )
        made: Iterator[list[str]] | None = None
        for number, ids in list(enumerate(split_evenly(image_ids, manifest.num_shards)))[len(manifest.shards) :]:
            path = folder / f"part-{number:05d}.csv"
            with SubmissionWriter(path, ids, manifest.fingerprint, manifest.columns) as writer:
                if made is None:
                    progress.update(len(writer.done))
                    left = image_ids[finished + len(writer.done) :]
                    to_make = [indices[image_id] for image_id in left if image_id in indices]
                    made = stack.enter_context(contextlib.closing(make(to_make)))
                for image_id in ids[len(writer.done) :]:
                    writer.write(image_id, next(made) if image_id in indices else [])
                    progress.update()
                writer.finish()
            if manifest.parquet:
                save_parquet(path, parquet_beside(path), shapes)
            manifest.shards.append(Shard(path.name, len(ids), writer.num_objects, _sha256(path)))
            manifest.save(folder)
    return manifest


def merge_shards(folder: Path, output: Path, columns: Sequence[str] | None = None) -> int:
    """Write one CSV of all shards, row by row.

    Args:
        folder: of the shards; of each, the CSV or the Parquet file must be there.
        output: the CSV.
        columns: those to keep, by default all.

    Returns:
        The number of rows.

    Raises:
        InputError: shards are missing or damaged, or there is no such column.
    """
    manifest = Manifest.load(folder)
    if len(manifest.shards) < manifest.num_shards:
        raise InputError(
            f"{folder}: {len(manifest.shards)} of {manifest.num_shards} shards are finished; finish that run"
        )
    kept = list(columns or manifest.columns)
    if missing := [name for name in kept if name not in manifest.columns]:
        raise InputError(f"{folder}: has no column {missing[0]}; choose from {','.join(manifest.columns)}")
    places = [list(manifest.columns).index(name) for name in kept]
    count = 0
    with written_aside(output) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(kept)
        for shard in progress_bar(manifest.shards, output.name, unit="shard"):
            for row in _read_shard(folder, shard, manifest.columns):
                writer.writerow([row[place] for place in places])
                count += 1
    return count


def split_evenly(items: Sequence[str], count: int) -> Iterator[Sequence[str]]:
    """Yield consecutive parts whose lengths differ by one at most.

    Example:
        >>> list(split_evenly("abcde", 2))
        ['ab', 'cde']
    """
    bounds = [len(items) * number // count for number in range(count + 1)]
    return (items[first:last] for first, last in itertools.pairwise(bounds))


def _begin(folder: Path, manifest: Manifest) -> Manifest:
    """Return the manifest to go on with."""
    if not (folder / MANIFEST).exists():
        manifest.save(folder)
        return manifest
    found = Manifest.load(folder)
    if not found.begins_like(manifest):
        raise InputError(f"{folder}: holds shards of another run; finish that, or choose another --output")
    return found


def _read_shard(folder: Path, shard: Shard, columns: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the rows of a shard as text."""
    path = folder / shard.file
    if not path.exists() and parquet_beside(path).exists():
        yield from read_parquet(parquet_beside(path), columns)
        return
    if not path.exists():
        raise InputError(f"{path}: no such file; copy all shards into one folder")
    if _sha256(path) != shard.sha256:
        raise InputError(f"{path}: not the file that was written; copy it again")
    csv.field_size_limit(2**31 - 1)  # run lengths may be long
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        yield from reader


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
