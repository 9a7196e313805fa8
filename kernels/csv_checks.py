"""Submissions checked as each competition would, against its sample submission."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from common.errors import InputError

T = TypeVar("T")

MOST_SHOWN = 5
# The sample submissions of a competition by name, the one that counts today first.
SAMPLES = {
    "data-science-bowl-2018": ("stage2_sample_submission_final.csv", "stage1_sample_submission.csv"),
    "rsna-pneumonia-detection-challenge": ("stage_2_sample_submission.csv",),
}


def find_sample(folder: Path, competition: str) -> Path:
    """Return a competition's sample submission.

    Args:
        folder: with the competition's files.
        competition: its slug.

    Raises:
        InputError: an unknown competition, or no such file.
    """
    names = _of(SAMPLES, competition)
    for name in names:
        for path in (folder / name, folder / f"{name}.zip"):
            if path.is_file():
                return path
    advice = f"python kernels/kernel.py download {competition} --file {names[0]}"
    raise InputError(f"{folder / names[0]}: no such file; {advice}, or give --sample-submission")


def check_csv(path: Path, competition: str, sample: Path) -> str:
    """Check a submission; return what was checked.

    Raises:
        InputError: no such file, an unknown competition, or problems, of which the first ones are named.
    """
    read_ids, check = _of(_CHECKS, competition)
    wanted = read_ids(sample)
    problems = check(path, wanted)
    if problems:
        more = f" (the first {MOST_SHOWN} of {len(problems)})" if len(problems) > MOST_SHOWN else ""
        raise InputError(f"{path}: {'; '.join(problems[:MOST_SHOWN])}{more}")
    return f"{len(wanted)} rows' ids as in {sample.name}, checked"


def _nuclei_ids(sample: Path) -> list[str]:
    from common.output.submission import read_image_ids

    return read_image_ids(sample)


def _nuclei(path: Path, wanted: Sequence[str]) -> list[str]:
    from common.output.submission import check_submission

    return check_submission(path, wanted)


def _patients(sample: Path) -> list[str]:
    from common.output.submission import read_image_ids

    return read_image_ids(sample, ["patientId"])


def _pneumonia(path: Path, wanted: Sequence[str]) -> list[str]:
    from rsna.submission import check_predictions

    return check_predictions(path, wanted)


_CHECKS: dict[str, tuple[Callable[[Path], list[str]], Callable[[Path, Sequence[str]], list[str]]]] = {
    "data-science-bowl-2018": (_nuclei_ids, _nuclei),
    "rsna-pneumonia-detection-challenge": (_patients, _pneumonia),
}


def _of(table: dict[str, T], competition: str) -> T:
    if competition not in table:
        raise InputError(f"{competition}: not a competition whose CSV is known here; known: {', '.join(table)}")
    return table[competition]
