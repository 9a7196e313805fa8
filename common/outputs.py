"""Where a prediction may write: not over an input, nor among the images of the set."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from common.cli import PredictionFlags
from common.errors import InputError
from common.flags import flag_name


def check_outputs(flags: PredictionFlags, folders: Mapping[str, Path]) -> None:
    """Refuse outputs that would overwrite each other or an input.

    Args:
        flags: from the command line.
        folders: to write to, by flag name.

    Raises:
        InputError: two of them are the same path.
    """
    read = {"dataset": flags.dataset, "sample_submission": flags.sample_submission, "score": flags.score}
    written = {"output": flags.output, **folders}
    places: dict[Path, str] = {}
    for name, path in {**read, **written}.items():
        if not isinstance(path, Path):
            continue
        other = places.setdefault(path.resolve(), name)
        if other != name and name in written:
            raise InputError(f"--{name} {path}: already used by --{flag_name(other)}; choose another path")


def prepare_outputs(
    flags: PredictionFlags,
    folders: Mapping[str, Path],
    source: Path,
    image_names: Iterable[str],
    *,
    anywhere: bool = False,
) -> None:
    """Refuse outputs among the images of the set, and create the folders, before hours of work.

    Args:
        flags: from the command line.
        folders: to write to, by flag name.
        source: the set's folder or archive.
        image_names: of the set's images, relative to it.
        anywhere: images are read from any folder of the set, so refuse folders of images anywhere in it.

    Raises:
        InputError: there is such an output.
    """
    check_outputs(flags, folders)
    image_names = list(image_names)
    for name, path in {"output": flags.output, **folders}.items():
        refuse_among_images(name, path, source, image_names, anywhere=anywhere and name != "output")
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)


def refuse_among_images(
    name: str, path: Path, source: Path, image_names: Iterable[str], *, anywhere: bool = False
) -> None:
    """Refuse an output among the images of a set, where the next program would take it for an image.

    Args:
        name: of its flag.
        path: to write.
        source: the set's folder or archive.
        image_names: of the set's images, relative to it.
        anywhere: refuse any place in the set.

    Raises:
        InputError: it lies there.
    """
    root = source.resolve()
    if not root.is_dir():
        return
    taken = {(root / image_name).parent for image_name in image_names} | ({root} if anywhere else set())
    if not taken.isdisjoint([path.resolve(), *path.resolve().parents]):
        raise InputError(f"--{name} {path}: lies among the images of {source}; choose another path")
