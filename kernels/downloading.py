"""A competition's files: downloaded once, their hashes noted, unpacked only where the project needs them so."""

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from common.errors import InputError
from common.storage.files import written_aside
from kaggle_api import one_line, retry
from transfers import download, inside

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi

HASHES = "SHA256SUMS"  # `sha256sum --check` reads it
UNPACKED = (".csv", ".zip")  # what the scripts cannot read inside an archive; images they can


def download_competition(api: "KaggleApi", competition: str, folder: Path, names: Sequence[str] = ()) -> None:
    """Download files of a competition; those that are there stay, and those that are there in part go on.

    Args:
        api: signed in.
        competition: its slug.
        folder: to write to.
        names: of files; by default the archive of all of them.

    Raises:
        InputError: rules that are not accepted, no such competition or file, or a file whose hash has changed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    noted = read_hashes(folder)
    for name in names or [f"{competition}.zip"]:
        known = _known(folder, name, noted)
        path = known or _fetch(api, competition, folder, name if names else None)
        noted[path.name] = noted[path.name] if known else digest(path)
        _note(folder, noted)
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, sha256 {noted[path.name]}")
        if not names or path.name.endswith(".csv.zip"):
            for member in unpack(path, folder):
                print(f"{member}: unpacked")


def read_hashes(folder: Path) -> dict[str, str]:
    """Return the noted hashes by the files' names."""
    path = folder / HASHES
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {name: value for value, name in (line.split("  ", 1) for line in lines if "  " in line)}


def digest(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(archive: Path, folder: Path) -> list[Path]:
    """Unpack the CSVs and archives in an archive; its images stay in it.

    Returns:
        The files, without those that were there with the same size.

    Raises:
        InputError: not a zip archive, or names that lead out of it.
    """
    unpacked = []
    try:
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                if info.is_dir() or not info.filename.endswith(UNPACKED):
                    continue
                target = inside(folder, info.filename)
                if target.exists() and target.stat().st_size == info.file_size:
                    continue
                with written_aside(target) as aside, opened.open(info) as source, aside.open("wb") as copy:
                    while block := source.read(1 << 20):
                        copy.write(block)
                unpacked.append(target)
    except zipfile.BadZipFile as error:
        raise InputError(f"{archive}: {error}; delete it, and run the same command again") from None
    return unpacked


def _known(folder: Path, name: str, noted: dict[str, str]) -> Path | None:
    """Return a file that was downloaded before, if it is still the same."""
    path = folder / Path(name).name
    for candidate in (path, path.with_name(f"{path.name}.zip")):  # Kaggle zips large CSVs
        if candidate.name in noted and candidate.exists():
            if digest(candidate) != noted[candidate.name]:
                raise InputError(f"{candidate}: not as noted in {HASHES}; delete it, and run the command again")
            return candidate
    return None


def _fetch(api: "KaggleApi", competition: str, folder: Path, name: str | None) -> Path:
    with one_line(f"competition {competition}", competition):
        url = retry(lambda: _address(api, competition, name))
        served = unquote(urlsplit(url).path).rsplit("/", 1)[-1]  # Kaggle zips large CSVs
        wanted = Path(name or f"{competition}.zip").name
        target = folder / (served if served == f"{wanted}.zip" else wanted)
        download(url, target)
    return target


def _address(api: "KaggleApi", competition: str, name: str | None) -> str:
    """Return the signed address of a file, or of the archive of all."""
    from kagglesdk.competitions.types.competition_api_service import (
        ApiDownloadDataFileRequest,
        ApiDownloadDataFilesRequest,
    )

    with api.build_kaggle_client() as client:
        if name is None:
            request = ApiDownloadDataFilesRequest()
            request.competition_name = competition
            response = client.competitions.competition_api_client.download_data_files(request)
        else:
            request = ApiDownloadDataFileRequest()
            request.competition_name, request.file_name = competition, name
            response = client.competitions.competition_api_client.download_data_file(request)
        with response:
            return str(response.url)


def _note(folder: Path, noted: dict[str, str]) -> None:
    with written_aside(folder / HASHES) as aside:
        aside.write_text("".join(f"{value}  {name}\n" for name, value in sorted(noted.items())), encoding="utf-8")
