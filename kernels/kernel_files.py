"""A kernel's folder: its metadata and its code."""

import json
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from common.errors import InputError

FOLDER = Path(__file__).resolve().parent
PROJECT = FOLDER.parent
METADATA = "kernel-metadata.json"
OWNER = "OWNER"  # in the files of this repository; replaced by the name of the account
CSV = "submission.csv"


@dataclass(frozen=True)
class Kernel:
    """A kernel's folder.

    Attributes:
        folder: that holds the metadata and the code.
        metadata: as in the file.
    """

    folder: Path
    metadata: dict[str, Any]

    @property
    def name(self) -> str:
        """The folder's name, which is also the slug."""
        return self.folder.name

    @property
    def code(self) -> Path:
        """The script or notebook."""
        return self.folder / str(self.metadata.get("code_file") or "missing")

    @property
    def data_set(self) -> str:
        """The slug of the data set with the project's code."""
        return f"{self.name}-code"

    @property
    def competition(self) -> str | None:
        """The slug of the competition it reads, if it is one."""
        sources = self.metadata.get("competition_sources") or []
        return sources[0] if len(sources) == 1 else None

    def of(self, owner: str) -> "Kernel":
        """Return the kernel with the account's name in place of OWNER."""
        text = json.dumps(self.metadata).replace(f'"{OWNER}/', f'"{owner}/')
        return replace(self, metadata=json.loads(text))


def load_kernel(name: str) -> Kernel:
    """Load a kernel by the name of its folder here, or by a path.

    Raises:
        InputError: no such folder, no metadata, or metadata that are not a JSON object.
    """
    folder = FOLDER / name if (FOLDER / name / METADATA).exists() else Path(name).resolve()
    path = folder / METADATA
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{name}: no such kernel; give one of {', '.join(kernel_names())}, or a folder") from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}") from None
    if not isinstance(metadata, dict):
        raise InputError(f"{path}: not a JSON object; see the other kernels")
    return Kernel(folder, metadata)


def kernel_names() -> list[str]:
    """Return the names of the kernels in this folder, sorted."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{METADATA}"))


def python_code(kernel: Kernel) -> str:
    """Return a kernel's code as one Python script; the code cells of a notebook in their order.

    Raises:
        InputError: no such file, or not a notebook.
    """
    try:
        text = kernel.code.read_text(encoding="utf-8")
        if kernel.code.suffix != ".ipynb":
            return text
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        return "\n\n".join(f"# cell {number}\n{''.join(cell['source'])}" for number, cell in enumerate(cells, start=1))
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"{kernel.code}: no such file; correct code_file in {METADATA}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{kernel.code}: not a notebook: {error!r}") from None


def slug_of(title: str) -> str:
    """Return the slug that Kaggle makes of a title.

    Example:
        >>> slug_of("DSB inference, TTA")
        'dsb-inference-tta'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def say(text: str) -> None:
    """Print a line of progress, on stderr."""
    print(text, file=sys.stderr, flush=True)
