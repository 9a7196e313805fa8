"""Check a submission, then score it: the mean over pictures of the competition's precision, per size and IoU threshold.

    python dsb/score.py submissions/dsb_tta.csv --solution stage1_solution.csv
    python dsb/score.py submissions/dsb_tta.csv --solution stage1_train.zip --only-submitted --table scores.csv

A solution is a CSV in Kaggle's columns, or a folder or zip with masks. Pictures that the submission lacks count as 0;
for a fold, which has but some of a folder's or zip's, `--only-submitted` leaves them out. `--table` writes a row a
picture.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from common.config import OneLineParser
from common.errors import InputError, run_main

MOST_PRINTED = 50


def main() -> None:
    """Check the file, then score it."""
    parser = OneLineParser(__doc__)
    parser.add_argument("submission", type=Path, metavar="CSV")
    parser.add_argument("--solution", type=Path, required=True, metavar="CSV|PATH")
    parser.add_argument("--only-submitted", action="store_true", help="leave out pictures that the submission lacks")
    parser.add_argument("--table", type=Path, metavar="CSV", help="write each picture's score")
    flags = parser.parse_args()
    if flags.only_submitted and flags.solution.suffix == ".csv":
        raise InputError(f"--only-submitted: {flags.solution} says itself what counts; give the set with its masks")

    from common.files import written_aside
    from common.submission import read_image_ids
    from dsb.inference import report_score

    known = check(flags.submission, flags.solution)
    result = report_score(
        flags.submission, flags.solution, read_image_ids(flags.submission) if flags.only_submitted else known
    )
    if flags.table:
        with written_aside(flags.table) as aside:
            result.pictures.to_csv(aside, index=False)
        print(f"wrote {flags.table}")
    print(f"score {result.mean:.4f} over {len(result.pictures)} pictures")


def check(submission: Path, solution: Path) -> list[str]:
    """Print what is wrong with a submission's rows and then its ids; return the ids of the solution.

    Raises:
        InputError: something is wrong; pictures that are missing are not.
    """
    from common.submission import check_submission, read_image_ids

    shapes = solution_shapes(solution)
    known_shapes = {image_id: shape for image_id, shape in shapes.items() if shape}
    problems = check_submission(submission, image_shapes=known_shapes)
    if not problems:
        submitted = set(read_image_ids(submission))
        problems = check_submission(submission, [image_id for image_id in shapes if image_id in submitted])
    if problems:
        print("\n".join(problems[:MOST_PRINTED]))
        if len(problems) > MOST_PRINTED:
            print(f"and {len(problems) - MOST_PRINTED} more")
        raise InputError(f"{submission}: {problems[0]} ({len(problems)} problems)")
    return list(known_shapes)


def solution_shapes(solution: Path) -> dict[str, tuple[int, int] | None]:
    """Return the (height, width) of each picture of a solution; None for one that does not count."""
    from common.metrics import read_solution
    from dsb.dataset import load_dataset

    if solution.suffix == ".csv":
        known, ignored = read_solution(solution)
        return dict.fromkeys(ignored) | {image_id: shape for image_id, (_, shape) in known.items()}
    # The lines for the user come when the masks are read.
    dataset = load_dataset(solution, report=lambda line: None)
    return {image_id: (int(h), int(w)) for image_id, (h, w) in zip(dataset.image_ids, dataset.sizes, strict=True)}


if __name__ == "__main__":
    run_main(main)
