"""Downloads that go on where they broke off.

Not by the package's own `download_file`: where a resumed request fails, it saves the error page as part of the file.
"""

from email.utils import parsedate_to_datetime
from pathlib import Path

import requests
from tqdm import tqdm

from common.errors import InputError
from kaggle_api import retry

BLOCK = 1 << 16  # bytes
TIMEOUT = 60  # seconds without a byte


def download(url: str, target: Path) -> None:
    """Download a file, unless it is there as it is at the address; a part of it lies beside it until it is complete.

    Args:
        url: that the server takes ranges for.
        target: the file; its folder is created.

    Raises:
        requests.RequestException: the server refuses, or the connection breaks each time.
        InputError: the file is incomplete, although the server says that it is not.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    retry(lambda: _download(url, target))


def _download(url: str, target: Path) -> None:
    part, mark = target.with_name(f"{target.name}.part"), target.with_name(f"{target.name}.part.id")
    held = part.stat().st_size if part.exists() and mark.exists() else 0
    # If it is another file by now, If-Range gets all of it.
    headers = {"Range": f"bytes={held}-", "If-Range": mark.read_text()} if held else {}
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:  # the part is not of this file
            mark.unlink()
            raise requests.ConnectionError("the part does not fit")
        if not response.ok:
            _ = response.content  # what the server says, before the connection closes
        response.raise_for_status()
        if not held and _is_there(response, target):
            return
        resumed = response.status_code == 206
        _keep_identity(response, mark)
        size = _save(response, part, held if resumed else 0)
    if size is not None and part.stat().st_size != size:
        raise requests.ConnectionError("fewer bytes than announced")
    part.replace(target)
    mark.unlink(missing_ok=True)


def _save(response: requests.Response, part: Path, begin: int) -> int | None:
    """Append a response to what is there up to `begin`; return the whole file's size if it is known."""
    length = response.headers.get("Content-Length")
    size = None if length is None or "Content-Encoding" in response.headers else begin + int(length)
    bar = tqdm(total=size, initial=begin, unit="B", unit_scale=True, unit_divisor=1024, desc=part.stem)
    with bar, part.open("ab" if begin else "wb") as file:
        for block in response.iter_content(BLOCK):
            file.write(block)
            bar.update(len(block))
    return size


def _keep_identity(response: requests.Response, mark: Path) -> None:
    """Note what tells this file from its other versions; without it, a part is not gone on with."""
    identity = response.headers.get("ETag") or response.headers.get("Last-Modified")
    if identity and not identity.startswith("W/"):
        mark.write_text(identity, encoding="ascii")
    else:
        mark.unlink(missing_ok=True)


def _is_there(response: requests.Response, target: Path) -> bool:
    changed = response.headers.get("Last-Modified")
    if not target.is_file() or changed is None:
        return False
    stat = target.stat()
    same_size = str(stat.st_size) == response.headers.get("Content-Length")
    return same_size and stat.st_mtime >= parsedate_to_datetime(changed).timestamp()


def inside(folder: Path, name: str) -> Path:
    """Return a file's path in a folder.

    Raises:
        InputError: the name leads out of it.
    """
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{folder}: the name {name} leads out of it; not written")
    return path
