"""A CSV to a competition: checked first, asked about, submitted once, its score waited for and noted."""

import sys
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from common.errors import InputError
from common.storage.files import written_aside
from csv_checks import check_csv, find_sample
from kaggle_api import one_line, pause, retry, status_of
from kernel_files import PROJECT, Kernel, say
from packing import commit

if TYPE_CHECKING:
    from kaggle.api.kaggle_api_extended import KaggleApi

TABLE = PROJECT / "submissions" / "README.md"
UPLOADS = 3  # whole attempts to upload; nothing is used up before one succeeds
LONGEST_SCORING = 3600  # seconds
FIRST_WAIT, LAST_WAIT = 5.0, 60.0  # seconds between two looks at the score
RECENT = 100  # submissions to look for ours among


@dataclass(frozen=True)
class Submission:
    """What to submit.

    Attributes:
        kernel: whose competition it is for.
        path: the CSV.
        message: its description on Kaggle.
        sample: submission to check against; None: the competition's, in `data/<slug>`.
    """

    kernel: Kernel
    path: Path
    message: str
    sample: Path | None = None

    @property
    def competition(self) -> str:
        """The competition's slug.

        Raises:
            InputError: the kernel has none, or several.
        """
        if self.kernel.competition is None:
            raise InputError(f"{self.kernel.name}: has no competition to submit to")
        return self.kernel.competition


def submit_csv(api: "KaggleApi", submission: Submission, *, ask: bool, table: Path = TABLE) -> None:
    """Check a CSV, submit it, wait for its score, and add a row to the table of runs.

    Args:
        api: signed in.
        submission: what and where.
        ask: before one of the day's submissions is used up.
        table: Markdown file whose first table gets the row.

    Raises:
        InputError: the CSV would be rejected, nobody agreed, or Kaggle refuses it or cannot score it.
    """
    competition = submission.competition
    sample = submission.sample or find_sample(Path("data") / competition, competition)
    print(f"{submission.path}: {check_csv(submission.path, competition, sample)}")
    left = _left_today(api, competition)
    if ask:
        _ask(f"submit {submission.path} to {competition}; {left}")
    result = _wait_for_score(api, competition, _submit(api, submission))
    scores = f"private {result.private_score or '-'}, public {result.public_score or '-'}"
    print(f"{competition}: {scores}")
    add_row(table, row_of(submission, scores))


def row_of(submission: Submission, scores: str) -> str:
    """Return a row for the table of runs."""
    cells = [
        date.today().isoformat(),
        commit(),
        f"`kernels/kernel.py submit {submission.kernel.name}`",
        f"Kaggle, {submission.competition}",
        "Kaggle",
        "",
        scores,
        submission.message,
    ]
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |"


def add_row(table: Path, row: str) -> None:
    """Add a row to the end of a Markdown file's first table, and print it."""
    print(row)
    lines = table.read_text(encoding="utf-8").splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith("|---")), None)
    if start is None:
        raise InputError(f"{table}: holds no table; add the row above by hand")
    end = next((number for number in range(start, len(lines)) if not lines[number].startswith("|")), len(lines))
    with written_aside(table) as aside:
        aside.write_text("\n".join([*lines[:end], row, *lines[end:]]) + "\n", encoding="utf-8")
    print(f"{table}: row added; its minutes and remark are yours to complete")


def _left_today(api: "KaggleApi", competition: str) -> str:
    with one_line(f"competition {competition}", competition):
        limits = retry(lambda: api.competition_get_submission_limits(competition))
    if limits.num_allowed_now == 0 and limits.num_today:
        raise InputError(f"competition {competition}: no submission is left today (UTC); try again tomorrow")
    return (
        f"this is one of {limits.num_allowed_now} submissions left today (UTC)"
        if limits.num_allowed_now
        else ("Kaggle does not say how many submissions are left today")
    )


def _ask(what: str) -> None:
    if not sys.stdin.isatty():
        raise InputError(f"{what}: nobody to ask; add --yes")
    if input(f"{what}. Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise InputError("not submitted")


def _submit(api: "KaggleApi", submission: Submission) -> int:
    """Submit once; return Kaggle's number of the submission."""
    competition, path = submission.competition, str(submission.path)
    for attempt in range(1, UPLOADS + 1):
        try:
            answer = api.competition_submit(path, submission.message, competition, quiet=False)
        except requests.RequestException as error:
            if status_of(error) == 429 and attempt < UPLOADS:
                pause(attempt, error)
                continue
            if status_of(error) == 0 or status_of(error) >= 500:  # it may have been taken
                advice = f"look at https://www.kaggle.com/competitions/{competition}/submissions before you try again"
                raise InputError(f"{path}: it is not known whether Kaggle took the submission; {advice}") from None
            with one_line(f"competition {competition}", competition):
                raise
        if answer.message != api.COMPETITION_SUBMIT_UPLOAD_FAILED_MESSAGE:
            say(f"{competition}: {answer.message}")
            return int(answer.ref)
    raise InputError(f"{path}: the upload failed {UPLOADS} times, nothing was submitted; run the same command again")


def _wait_for_score(api: "KaggleApi", competition: str, number: int) -> Any:
    wait, end = FIRST_WAIT, time.monotonic() + LONGEST_SCORING
    while True:
        with one_line(f"competition {competition}", competition):
            found = retry(lambda: api.competition_submissions(competition, page_size=RECENT)) or []
        result = next((entry for entry in found if entry and entry.ref == number), None)
        if result and result.status.name == "COMPLETE":
            return result
        if result and result.status.name == "ERROR":
            raise InputError(f"submission {number}: Kaggle cannot score it: {result.error_description or 'no reason'}")
        if time.monotonic() > end:
            page = f"https://www.kaggle.com/competitions/{competition}/submissions"
            raise InputError(f"submission {number}: no score after {LONGEST_SCORING // 60} minutes; see {page}")
        time.sleep(wait)
        wait = min(2 * wait, LAST_WAIT)
