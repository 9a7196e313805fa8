"""Zip archives with the same bytes for the same files."""

import io
import zipfile
from collections.abc import Mapping

_EPOCH = (1980, 1, 1, 0, 0, 0)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return a zip archive of files, the same bytes whenever their names and contents are the same.

    Args:
        files: contents by name, with `/` between folders; everybody may read them, nobody run them.

    Example:
        >>> zipped({"b": b"2", "a": b"1"}) == zipped({"a": b"1", "b": b"2"})
        True
    """
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system, info.external_attr = 3, 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, files[name])
    return memory.getvalue()
