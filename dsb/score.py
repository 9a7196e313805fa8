"""Score a submission: the mean over pictures of the competition's precision, per size, and the worst pictures.

    python dsb/score.py submissions/dsb_tta.csv --solution stage1_solution.csv
    python dsb/score.py submissions/dsb_tta.csv --solution stage1_train.zip --table scores.csv

A solution is a CSV in Kaggle's columns, or a folder or zip with masks. `--table` writes a row a picture.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.config import OneLineParser
from common.errors import InputError, run_main


def main() -> None:
    """Check the file, then score it."""
    parser = OneLineParser(__doc__)
    parser.add_argument("submission", type=Path, metavar="CSV")
    parser.add_argument("--solution", type=Path, required=True, metavar="CSV|PATH")
    parser.add_argument("--table", type=Path, metavar="CSV", help="write each picture's score")
    flags = parser.parse_args()

    from common.files import written_aside
    from common.submission import check_submission, read_image_ids
    from dsb.inference import report_score

    problems = check_submission(flags.submission)
    if problems:
        raise InputError(f"{flags.submission}: {problems[0]} ({len(problems)} problems)")
    result = report_score(flags.submission, flags.solution, read_image_ids(flags.submission))
    if flags.table:
        with written_aside(flags.table) as aside:
            result.pictures.to_csv(aside, index=False)
        print(f"wrote {flags.table}")


if __name__ == "__main__":
    run_main(main)
