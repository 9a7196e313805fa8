"""Check a submission, then score it: the mean over images of the competition's precision, per size and IoU threshold.

    python dsb/score.py submissions/dsb_tta.csv --solution stage1_solution.csv
    python dsb/score.py submissions/dsb_tta.csv --solution stage1_train.zip --only-submitted --table scores.csv

A solution is a CSV in Kaggle's columns, or a folder or zip with masks. Images missing from the submission count as 0;
for a fold, a part of a folder or zip, `--only-submitted` leaves them out. `--table` writes one row per image.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.errors import InputError, run_main
from common.flags import OneLineParser, add_option_flags, output_file
from dsb.config import DSBConfig

MOST_PRINTED = 50


def main() -> None:
    """Check the file, then score it."""
    parser = OneLineParser(__doc__, "%(prog)s CSV --solution CSV|PATH [flags]")
    parser.add_argument("submission", type=Path, metavar="CSV")
    parser.add_argument("--solution", type=Path, required=True, metavar="CSV|PATH")
    parser.add_argument("--only-submitted", action="store_true", help="leave out images missing from the submission")
    parser.add_argument("--table", type=output_file, metavar="CSV", help="write each image's score")
    parser.add_argument("--skip-bad", action="store_true", help="report unusable images, and do not score them")
    add_option_flags(parser, DSBConfig, ("page", "channel"))
    flags = parser.parse_args()

    from common.output.submission import is_csv, read_image_ids
    from common.storage.files import written_aside
    from dsb.dataset import choice_of
    from dsb.evaluation import load_truth, score_report

    if flags.only_submitted and is_csv(flags.solution):
        raise InputError(f"--only-submitted: {flags.solution} already says what counts; give the set with its masks")
    image_ids = read_image_ids(flags.submission) if flags.only_submitted else None
    choice = choice_of(flags.page, flags.channel)
    truth, unscored = load_truth(flags.solution, image_ids, skip_bad=flags.skip_bad, choice=choice)
    check(flags.submission, {image_id: shape for image_id, (_, shape) in truth.items()})
    report, result = score_report(flags.submission, truth, unscored)
    if flags.table:
        with written_aside(flags.table) as aside:
            result.images.to_csv(aside, index=False)
        print(f"wrote {flags.table}")
    print(report.text)


def check(submission: Path, image_shapes: dict[str, tuple[int, int]]) -> None:
    """Print what is wrong with a submission's rows.

    Raises:
        InputError: something is wrong.
    """
    from common.output.submission import check_submission

    problems = check_submission(submission, image_shapes=image_shapes)
    if problems:
        print("\n".join(problems[:MOST_PRINTED]))
        if len(problems) > MOST_PRINTED:
            print(f"and {len(problems) - MOST_PRINTED} more")
        raise InputError(f"{submission}: {problems[0]} ({len(problems)} problems)")


if __name__ == "__main__":
    run_main(main)
