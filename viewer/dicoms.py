"""What DICOM files say besides their pixels."""

import io
import warnings
from typing import Any

from common.errors import InputError

LONGEST = 200  # characters of a value that are shown


def read_elements(data: bytes, name: str) -> list[dict[str, str]]:
    """Return every element of a DICOM file but its pixels, in the order of the file.

    Args:
        data: the file's content; what follows the last element before the pixels may be missing.
        name: the file's name, for messages.

    Returns:
        A row for each, with `id`, `keyword` and `value`, all texts.

    Raises:
        InputError: not a DICOM file, or a damaged one.
    """
    content = read_header(data, name)
    rows = []
    for number, element in enumerate(content):
        keyword = element.keyword or str(element.tag)
        rows.append({"id": str(number), "keyword": keyword, "value": _as_text(element)})
    return rows


def read_header(data: bytes, name: str) -> Any:
    """Return the elements of a DICOM file before its pixels, as pydicom's `Dataset`.

    Raises:
        InputError: not a DICOM file, or a damaged one.
    """
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of non-standard values, which are shown as they are
            content = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, force=True)
            for element in content:  # read late otherwise
                element.value  # noqa: B018
            return content
    except Exception as error:  # damage raises a dozen kinds
        raise InputError(f"{name}: a DICOM file that cannot be read: {error}; replace or remove it") from None


def _as_text(element: Any) -> str:
    if element.VR in ("OB", "OW", "OF", "OD", "OL", "OV", "UN") and isinstance(element.value, bytes):
        return f"{len(element.value)} bytes"
    if element.VR == "SQ":
        return f"{len(element.value)} items"
    text = str(element.value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
